import dataclasses
import re
from dataclasses import replace

import pytest
from amaranth.hdl import Fragment, Value

from golden.contracts import parse as contract
from golden.formats import IntFormat, parse
from golden.ranges import Range
from hw.bus.axi_tile import AxiTile
from hw.tile.config import TileConfig
from hw.tile.ports import ports

DEFAULTS = dict(weights=parse("s4n"), activations=parse("s4"), output=parse("s4"))


def config(**changed):
    return TileConfig(**DEFAULTS | changed)


@pytest.mark.parametrize("changed, message", [
    *((dict([(name, 0)]), f"{name.capitalize()} must be in range [1, {most}], not 0")
      for name, most in (("rows", 1024), ("cols", 1024), ("lanes", 1024), ("depth", 1 << 24),
                         ("outputs", 1024), ("channels", 1 << 16))),
    (dict(rows=-3), "Rows must be in range [1, 1024], not -3"),
    (dict(rows=1025), "Rows must be in range [1, 1024], not 1025"),
    (dict(cols=1025), "Cols must be in range [1, 1024], not 1025"),
    (dict(lanes=1025), "Lanes must be in range [1, 1024], not 1025"),
    (dict(depth=(1 << 24) + 1), "Depth must be in range [1, 16777216], not 16777217"),
    (dict(channels=65537), "Channels must be in range [1, 65536], not 65537"),
    (dict(outputs=1025), "Outputs must be in range [1, 1024], not 1025"),
    (dict(rows=64, cols=64, lanes=5), "Rows * cols * lanes must be at most 16384, not 20480"),
    (dict(outputs=3), "Outputs must divide the 4 cols, not be 3"),
    (dict(outputs=8), "Outputs must divide the 4 cols, not be 8"),
    (dict(zero_points="weights"),
     "Zero points must be one of none, activations, both, not 'weights'"),
    (dict(target="asic"), "Target must be one of generic, ecp5, not 'asic'"),
    (dict(output=None), "Output must be a format for contract half_up, not None"),
    (dict(contract=contract("none")),
     "Output must not be given for contract none, whose output is the exact sum, not s4"),
    (dict(contract=contract("tflite"), weights=parse("s16"), activations=parse("s16")),
     "Accumulator must be in range [-2147483648, 2147483647] of s32 for contract tflite, not "
     "[-1099478073344, 1099511627776] (s42): fewer products (a tile's depth, --depth) or narrower "
     "formats are needed"),
    (dict(contract=contract("tflite"), weights=parse("s8"), activations=parse("s8"),
          depth=1 << 17),
     "Accumulator must be in range [-2147483648, 2147483647] of s32 for contract tflite, not "
     "[-2130706432, 2147483648] (s33): fewer products (a tile's depth, --depth) or narrower "
     "formats are needed"),
    # Alone the sums fit; less the weights' zero points they do not.
    (dict(contract=contract("tflite"), weights=parse("s8n"), activations=parse("s8n"),
          depth=100_000, zero_points="both"),
     "Accumulator must be in range [-2147483648, 2147483647] of s32 for contract tflite, not "
     "[-3225800000, 3225800000] (s33): fewer products (a tile's depth, --depth) or narrower "
     "formats are needed"),
])
def test_bad_values(changed, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        config(**changed)


@pytest.mark.parametrize("name", ["weights", "activations"])
@pytest.mark.parametrize("value", [b"s4", None, 4])
def test_operands_are_formats(name, value):
    message = f"{name.capitalize()} must be a Format, not {value!r}"
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        config(**{name: value})


@pytest.mark.parametrize("name", ["rows", "depth"])
def test_counts_are_integers(name):
    for value in (4.0, "4"):
        with pytest.raises(TypeError):
            config(**{name: value})


def test_outputs_of_a_source_are_integers():
    with pytest.raises(ValueError, match=(
            "^Output must be an integer format for contract tflite, not odd4$")):
        config(output=parse("odd4"), contract=contract("tflite"))


def test_sums_of_formats_without_zero_count_the_lanes_that_are_left():
    """Of 10 products in 4 beats of 3 lanes, two lanes carry 1 * 1: at most 12 * 225."""
    odd = config(weights=parse("odd4"), activations=parse("odd4"), lanes=3, depth=10)
    assert odd.sums == Range(-12 * 225, 12 * 225)
    assert config(weights=parse("odd4"), activations=parse("u4"), lanes=3, depth=10).sums == Range(
        -10 * 225, 10 * 225)


@pytest.mark.parametrize("name, message", [
    ("thresholds", "Output must be a format whose levels are known for contract thresholds, which "
                   "loads the borders between them, not codebook4:loaded=s8"),
    ("tflite", "Output must be an integer format for contract tflite, not codebook4:loaded=s8"),
    ("stochastic",
     "Output must be an integer format for contract stochastic, not codebook4:loaded=s8"),
    ("none", "Output must not be given for contract none, whose output is the exact sum, "
             "not codebook4:loaded=s8"),
])
def test_contracts_without_outputs_of_a_loaded_codebook(name, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        config(output=parse("codebook4:loaded=s8"), contract=contract(name))


def test_outputs_of_a_loaded_codebook_have_no_specials_and_no_lut():
    with pytest.raises(ValueError, match="^Output must be a format whose specials propagate, as an "
                                         "operand's do, not codebook4:loaded=s8$"):
        config(output=parse("codebook4:loaded=s8"), weights=parse("e4m3fn:specials=propagate"))
    with pytest.raises(ValueError,
                       match="^Lut must be for an output of 8 bits, not codebook4:loaded=s8$"):
        config(output=parse("codebook4:loaded=s8"), lut="loaded")


@pytest.mark.parametrize("name", ["weights", "activations", "output"])
def test_codebooks_are_not_loaded_where_parameters_are_fixed(name):
    fixed = dict(bias=0, multiplier=1, shift=0, zero_point=0, clamp_min=-8, clamp_max=7)
    if name == "output":
        del fixed["zero_point"]
    with pytest.raises(ValueError, match=(
            f"^{name.capitalize()} must not be a loaded codebook where parameters are fixed, "
            "not codebook4:loaded=s8$")):
        config(**{name: parse("codebook4:loaded=s8")}, parameters=tuple(fixed.items()))


@pytest.mark.parametrize("name", ["weights", "activations", "output"])
def test_integers_wider_than_hardware_takes_are_refused(name):
    with pytest.raises(ValueError,
                       match=f"^{name.capitalize()} must have at most 16 bits, not s17$"):
        config(**{name: IntFormat(17)})


def test_the_ends_are_taken():
    for changed in (dict(rows=1024, cols=1, lanes=16), dict(depth=1 << 24),
                    dict(channels=1 << 16), dict(cols=64, outputs=64),
                    dict(rows=1, cols=1, lanes=1, depth=1, channels=1)):
        config(**changed)


@pytest.mark.parametrize("changed, message", [
    (dict(output=4), "Output must be a Format or None, not 4"),
    (dict(contract=4), "Contract must be a Contract, not 4"),
    (dict(rows=2.0), "Rows must be an integer, not 2.0"),
    (dict(lanes=True), "Lanes must be an integer, not True"),
])
def test_kinds(changed, message):
    with pytest.raises(TypeError, match=f"^{re.escape(message)}$"):
        config(**changed)


@pytest.mark.parametrize("weights, activations, depth, zero_points, lo, hi", [
    ("s4n", "s4", 1024, "none", -57344, 57344),
    ("s8", "s8", 1, "none", -16256, 16384),
    ("u4", "u4", 3, "none", 0, 675),
    ("s1", "u1", 10, "activations", -10, 0),
    ("s8", "u8", 5, "both", -5 * 65025, 5 * 65025),
    ("u4", "u4", 3, "both", -675, 675),
])
def test_ranges(weights, activations, depth, zero_points, lo, hi):
    c = config(weights=parse(weights), activations=parse(activations), depth=depth,
               lanes=1, zero_points=zero_points)
    w, a = parse(weights), parse(activations)
    products = [x * y for x in (w.min, w.max) for y in (a.min, a.max)]
    assert c.accumulator == Range(depth * min(products), depth * max(products)).format
    assert c.row_sum == Range(depth * a.min, depth * a.max).format
    assert c.unbiased == Range(lo, hi)
    bias = c.record["bias"]
    assert bias == IntFormat(32)
    assert c.sum_format == Range(lo + bias.min, hi + bias.max).format


def test_derived_numbers():
    c = config(rows=2, cols=6, lanes=5, depth=23, outputs=3, channels=20)
    assert (c.max_beats, c.groups, c.steps, c.macs) == (5, 4, 4, 60)
    # Bias 32, multiplier 31, shift 0 .. 63 + ..., zero point and clamp 4 each.
    assert c.record == {"bias": IntFormat(32), "multiplier": IntFormat(31, signed=False),
                        "shift": IntFormat(6, signed=False), "zero_point": IntFormat(4),
                        "clamp_min": IntFormat(4), "clamp_max": IntFormat(4)}
    assert (c.record_bits, c.words) == (81, 3)
    both = config(zero_points="both", weights=parse("s4n"))
    assert list(both.record) == [*c.record, "weight_zero_point"]
    assert both.record["weight_zero_point"] == parse("s4n")
    assert (both.record_bits, both.words) == (85, 3)
    exact = config(contract=contract("none"), output=None)
    assert list(exact.record) == ["bias"]
    assert (exact.record_bits, exact.words) == (32, 1)
    assert exact.output_format == exact.sum_format == IntFormat(33)


def test_configurations_are_values():
    assert config() == config()
    assert hash(config()) == hash(config())
    assert config() != config(rows=5)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config().rows = 5


def test_describe():
    assert config(outputs=2).describe() == {
        "weights": "s4n", "activations": "s4", "output": "s4", "contract": "half_up", "rows": 4,
        "cols": 4, "lanes": 4, "depth": 1024, "outputs": 2, "channels": 256,
        "zero_points": "none", "window": 16, "lut": None, "parameters": None,
        "target": "generic", "dsp": None, "optimize": "area", "prepared": False,
        "inner_product": "direct", "multiplier_bits": 31}
    exact = config(contract=contract("none"), output=None).describe()
    assert (exact["output"], exact["contract"], exact["multiplier_bits"]) == (None, "none", None)


@pytest.mark.parametrize("window", [1, 64])
def test_a_window_of_no_blocks_is_refused(window):
    with pytest.raises(ValueError, match="^Window must be left out where no operand is "
                                         f"block-scaled, not {window}$"):
        config(window=window)
    assert config(weights=parse("mx_s4"), window=window).window == window


@pytest.mark.parametrize("other", [
    replace(contract("floor"), name="half_up"),
    replace(contract("half_up"), addend=IntFormat(9, signed=False)),
    replace(contract("tflite"), multiplier=IntFormat(31))])
def test_a_contract_is_what_its_name_says(other):
    message = f"Contract must be the one called {other.name}, not {other!r}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        config(contract=other)


def layout(port):
    return port.stream, port.payload.bits, port.bytes, [
        (row["name"], row["lsb"], row["bits"], tuple(row["shape"]), row["format"])
        for row in port.payload.to_json()]


def test_ports():
    c = config(rows=2, cols=6, lanes=5, depth=23, outputs=3, channels=20)
    got = {port.name: port for port in ports(c)}
    assert list(got) == ["s_axis_job", "s_axis_activations", "s_axis_weights",
                         "s_axis_parameters", "m_axis_o"]
    assert {name: layout(port) for name, port in got.items()} == {
        "s_axis_job": ("i_job", 5, 1, [("beats", 0, 3, (), "unsigned"),
                                       ("group", 3, 2, (), "unsigned")]),
        "s_axis_activations": ("i_activations", 40, 5, [("codes", 0, 4, (2, 5), "s4")]),
        "s_axis_weights": ("i_weights", 120, 15, [("codes", 0, 4, (6, 5), "s4n")]),
        "s_axis_parameters": ("i_parameters", 32, 4, [("word", 0, 32, (), "unsigned")]),
        "m_axis_o": ("o", 12, 2, [("codes", 0, 4, (3,), "s4")]),
    }
    assert [port.is_input for port in got.values()] == [True, True, True, True, False]
    assert [bool(port.last) for port in got.values()] == [False, True, True, True, True]
    # One group needs no field for it.
    job = ports(config(channels=4))[0]
    assert layout(job) == ("i_job", 9, 2, [("beats", 0, 9, (), "unsigned")])


@pytest.mark.parametrize("changed", [
    {}, dict(channels=4), dict(rows=2, cols=6, lanes=5, depth=23, outputs=3, channels=20),
    dict(rows=1, cols=1, lanes=1, depth=1, channels=1),
    dict(contract=contract("none"), output=None, rows=1),
    dict(activations=parse("u3"), zero_points="both", lanes=3)])
def test_ports_are_those_of_the_tile(changed):
    tile = AxiTile(config(**changed))
    for port in tile.ports:
        inner = getattr(tile.tile, port.stream)
        assert len(Value.cast(inner.payload)) == port.payload.bits + port.last
        data = getattr(tile, f"{port.name}_tdata")
        assert len(data) == 8 * port.bytes
        assert hasattr(tile, f"{port.name}_tlast") == port.last
    Fragment.get(tile, None)
