"""A configuration travels: to JSON and back, as a digest, a description, a name."""

import json
import re
from dataclasses import fields, replace

import pytest

from exactmac.options import config_of, parser
from golden.contracts import OPTIONS
from golden.contracts import parse as contract
from golden.formats import parse
from hw.emit import check_name
from hw.tile.choices import VERSION
from hw.tile.config import TileConfig
from tests import gallery

GALLERY = [*gallery.BITS.values(), *gallery.PAIRS.values(), *gallery.LEVELS.values(),
           *gallery.SHAPES.values(), *gallery.EVERY_CONTRACT.values(), *gallery.TABLES.values(),
           *gallery.SMALL.values()]
PLAIN = gallery.tile("s8n", "s8", "s8")
BLOCKS = gallery.tile("mx_s8", "s8", "s8")
FIXED = gallery.SMALL["fixed"]
OTHER_FIXED = tuple((name, 6 if name == "shift" else value) for name, value in FIXED.parameters)
# Each choice, as two tiles have it that differ in nothing else.
OTHERWISE = [
    (PLAIN, "weights", parse("s8")), (PLAIN, "activations", parse("u8")),
    (PLAIN, "output", parse("u8")), (PLAIN, "contract", contract("tflite")),
    (PLAIN, "contract", contract("half_up", multiplier_bits=9)), (PLAIN, "rows", 5),
    (PLAIN, "contract", contract("half_up", addend_bits=9)),
    (PLAIN, "contract", contract("half_up", signed_multiplier=True)),
    (PLAIN, "cols", 5), (PLAIN, "lanes", 5), (PLAIN, "depth", 1023), (PLAIN, "outputs", 2),
    (PLAIN, "channels", 255), (PLAIN, "zero_points", "activations"), (PLAIN, "zero_points", "both"),
    (BLOCKS, "window", 15), (PLAIN, "lut", gallery.MIRRORED), (PLAIN, "lut", "loaded"),
    (replace(PLAIN, lut=gallery.MIRRORED), "lut", gallery.MIRRORED[::-1]),
    (FIXED, "parameters", None), (FIXED, "parameters", OTHER_FIXED),
    (PLAIN, "weights", parse("mx_codebook:-1/0/5")),
    (replace(PLAIN, weights=parse("mx_codebook:-1/0/5")), "weights", parse("mx_codebook:-1/0/6")),
    (replace(PLAIN, output=parse("codebook:-1/0/5")), "output", parse("codebook:-1/0/6")),
    (gallery.tile("s8", "s8", "cfloat8_1_4_3"), "output", parse("cfloat8_1_4_3:bias=8")),
    (PLAIN, "target", "ecp5"), (replace(PLAIN, target="ecp5"), "dsp", 0),
    (replace(PLAIN, target="ecp5"), "optimize", "speed"),
    (replace(PLAIN, target="ecp5"), "prepared", True),
    (replace(PLAIN, target="ecp5"), "inner_product", "winograd"),
]
# As long as one comes: the longest formats, and nothing as it is by default.
LONG = "cfloat8_1_4_3:bias=12,denormals=paper"
LONGEST = gallery.tile(
    f"mx_{LONG}", f"mx_{LONG}", LONG, "pulp_round", multiplier_bits=32, rows=16, cols=1024, lanes=1,
    depth=1 << 24, outputs=1024, channels=65535, window=64, lut=(0,) * 256,
    parameters=(("bias", 0), ("multiplier", 1), ("shift", 0), ("addend", 0), ("clamp_min", -1),
                ("clamp_max", 1)))


def test_every_configuration_comes_back_from_json():
    others = [replace(config, **{name: value}) for config, name, value in OTHERWISE]
    for config in (*GALLERY, *others, LONGEST):
        text = json.dumps(config.to_json(), allow_nan=False)
        saved = json.loads(text)
        assert saved == config.to_json() and saved["version"] == VERSION
        again = TileConfig.from_json(saved)
        assert again == config and hash(again) == hash(config)
        assert (again.digest, again.name) == (config.digest, config.name)
        assert again.to_json() == saved


def test_what_differs_has_another_digest_name_and_description():
    said = [(config.digest, config.name, str(config.describe())) for config in set(GALLERY)]
    for column in zip(*said, strict=True):
        assert len(set(column)) == len(column)
    for config, name, value in OTHERWISE:
        other = replace(config, **{name: value})
        assert other != config
        assert other.digest != config.digest and other.name != config.name
        told, differs = config.describe(), other.describe()
        found = {choice for choice in {**told, **differs}
                 if told.get(choice) != differs.get(choice)}
        assert found and found <= {name, *OPTIONS}


def test_every_choice_is_tried():
    tried = {name for _, name, _ in OTHERWISE}
    assert tried == {each.name for each in fields(TileConfig)}


def test_names_can_name_modules():
    others = [replace(config, **{name: value}) for config, name, value in OTHERWISE]
    for config in (*GALLERY, *others, LONGEST):
        assert check_name(config.name) == config.name
    assert len(LONGEST.name) == 192  # of 200


@pytest.mark.parametrize("options, name", [
    ("--bits 4", "mac_s4n_s4_s4_4x4x4"),
    ("--bits 1", "mac_binary_u1_u1_4x4x4"),
    ("--bits 4 --requant none", "mac_s4n_s4_s33_4x4x4"),
    ("--weights mx_e2m1 --activations s8 --output e4m3fn", "mac_mx_e2m1_s8_e4m3fn_4x4x4"),
    ("--bits 4 --rows 2 --cols 6 --lanes 5", "mac_s4n_s4_s4_2x6x5"),
    ("--bits 8 --requant tflite --depth 64 --outputs 2 --channels 9",
     "mac_s8n_s8_s8_4x4x4_tflite_d64_o2_c9"),
    ("--bits 4 --multiplier-bits 9 --zero-points both", "mac_s4n_s4_s4_4x4x4_m9_zero_points_both"),
    ("--bits 4 --requant half_even --multiplier-bits 9 --signed-multiplier --addend-bits 48",
     "mac_s4n_s4_s4_4x4x4_half_even_ms9_a48"),
    ("--bits 4 --zero-points none", "mac_s4n_s4_s4_4x4x4_zero_points_none"),
    ("--weights mx_s4 --activations mx_s4 --output s8 --window 9 --lut loaded",
     "mac_mx_s4_mx_s4_s8_4x4x4_w9_lut"),
    ("--weights codebook:-1/0/5 --activations s4 --output s4",
     "mac_codebook2_s4_s4_4x4x4_54f02f"),
    ("--weights mx_codebook:-1/0/5 --activations s4 --output s4",
     "mac_mx_codebook2_s4_s4_4x4x4_797b36"),
])
def test_default_names(options, name):
    assert config_of(parser().parse_args(options.split())).name == name


def test_two_fixed_tables_are_described_and_called_otherwise():
    one, other = (replace(PLAIN, lut=lut) for lut in (gallery.MIRRORED, gallery.MIRRORED[::-1]))
    for config in (one, other):
        assert re.fullmatch("fixed, [0-9a-f]{8}", config.describe()["lut"])
        assert config.name == ("mac_s8n_s8_s8_4x4x4_zero_points_none_lut_"
                               f"{config.digest[:6]}")
    assert one.describe()["lut"] != other.describe()["lut"]


def test_limits_and_defaults_of_help_are_those_that_hold():
    text = " ".join(parser().format_help_all().split())
    for name in ("rows", "cols", "lanes", "depth", "outputs", "channels", "window"):
        [most, default] = re.findall(rf"--{name} N .*?: 1 to (\d+) \(default: (\d+)\)", text)[-1]
        assert int(default) == getattr(BLOCKS, name)
        with pytest.raises(ValueError, match=rf"^{name.capitalize()} must be in range "
                                             rf"\[1, {most}\], not {int(most) + 1}$"):
            replace(BLOCKS, **{name: int(most) + 1})
    for name in ("zero_points", "target", "dsp", "optimize", "prepared", "contract", "lut",
                 "parameters", "output"):
        assert len(TileConfig.meaning(name).split()) > 3, name


SAVED = PLAIN.to_json()


@pytest.mark.parametrize("saved, error, message", [
    ([1, 2], TypeError, "Configuration must be an object, not of type list"),
    (None, TypeError, "Configuration must be an object, not of type NoneType"),
    ({}, ValueError, "Configuration must be of version 3, not None"),
    (SAVED | {"version": 1}, ValueError, "Configuration must be of version 3, not 1"),
    (SAVED | {"version": True}, ValueError, "Configuration must be of version 3, not True"),
    (SAVED | {"version": 3.0}, ValueError, "Configuration must be of version 3, not 3.0"),
    ({name: value for name, value in SAVED.items() if name not in ("lut", "depth")}, ValueError,
     "Configuration must have each choice and nothing else, not lack depth, lut"),
    (SAVED | {"deep": 1}, ValueError,
     "Configuration must have each choice and nothing else, not add deep"),
    (SAVED | {"weights": "s4x"}, ValueError, "Weights: Format must be one of "),
    (SAVED | {"weights": 4}, TypeError, "Weights: Format must be a name, not 4"),
    (SAVED | {"weights": None}, TypeError, "Weights must be a Format, not None"),
    (SAVED | {"contract": "halfup"}, ValueError, "Contract must be one of "),
    (SAVED | {"contract": None}, TypeError, "Contract must be a name, not None"),
    (SAVED | {"multiplier_bits": "9"}, TypeError, "Multiplier bits must be an integer, not '9'"),
    (SAVED | {"multiplier_bits": True}, TypeError, "Multiplier bits must be an integer, not True"),
    (SAVED | {"addend_bits": "9"}, TypeError, "Addend bits must be an integer, not '9'"),
    (SAVED | {"signed_multiplier": 1}, TypeError, "Signed multiplier must be True or False, not 1"),
    (SAVED | {"rows": None}, TypeError, "Rows must be an integer, not None"),
    (SAVED | {"rows": 4.0}, TypeError, "Rows must be an integer, not 4.0"),
    (SAVED | {"cols": 0}, ValueError, "Cols must be in range [1, 1024], not 0"),
    (SAVED | {"zero_points": []}, ValueError,
     "Zero points must be one of none, activations, both, not []"),
    (SAVED | {"target": None}, ValueError, "Target must be one of generic, ecp5, not None"),
    (SAVED | {"dsp": 4}, ValueError, "Dsp must be left out for target generic, not 4"),
    (SAVED | {"target": "ecp5", "dsp": -1}, ValueError,
     "Dsp must be in range [0, 156], those of the largest ecp5, not -1"),
    (SAVED | {"target": "ecp5", "dsp": 157}, ValueError,
     "Dsp must be in range [0, 156], those of the largest ecp5, not 157"),
    (SAVED | {"target": "ecp5", "dsp": "4"}, TypeError, "Dsp must be an integer, not '4'"),
    (SAVED | {"optimize": "speed"}, ValueError,
     "Optimize must be area for target generic, not speed"),
    (SAVED | {"target": "ecp5", "optimize": "power"}, ValueError,
     "Optimize must be one of area, speed, not 'power'"),
    (SAVED | {"prepared": 1}, TypeError, "Prepared must be True or False, not 1"),
    (SAVED | {"lut": [1, 2]}, ValueError, "Lut must have 256 levels, not 2"),
    (SAVED | {"lut": [1] * 255 + [[1]]}, TypeError,
     "Lut must be a list of integers, not [1] at index 255"),
    (SAVED | {"lut": "fixed"}, TypeError,
     "Lut must be a tuple of levels, loaded or None, not 'fixed'"),
    (SAVED | {"parameters": [1]}, TypeError,
     "Parameters must be a tuple of fields and values, or None, not [1]"),
    (SAVED | {"parameters": {"bias": 1}}, ValueError, "Parameters must be bias, "),
])
def test_what_is_damaged_is_refused(saved, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}") as raised:
        TileConfig.from_json(saved)
    assert "\n" not in str(raised.value)
