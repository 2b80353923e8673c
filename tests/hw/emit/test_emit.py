# amaranth: UnusedElaboratable=no
"""What the manifest says of a parameter set and of what becomes of a sum."""

import math
import re
from itertools import product

import pytest

from golden.contracts import CONTRACTS
from golden.contracts import parse as contract
from golden.formats import parse
from hw import drive, emit
from hw.bus.axi_tile import AxiTile
from hw.tile.config import TileConfig
from sim.vectors import random_phase


def tile_config(weights="s3", activations="u3", output="s4", name="half_up", **more):
    return TileConfig(weights=parse(weights), activations=parse(activations),
                      output=None if name == "none" else parse(output), contract=contract(name),
                      rows=1, cols=1, lanes=1, depth=4, channels=2, **more)


def manifest(config):
    return emit.manifest(AxiTile(config), "name")


LUT = {"name": "lut", "words": 64,
       "layout": "code k at bits [8 * (k % 4), 8 * (k % 4) + 8) of word k // 4"}
WEIGHTS = {"name": "weights", "words": 8,
           "layout": "level of code k in word k, s6 in its lowest bits"}
ACTIVATIONS = {"name": "activations", "words": 4,
               "layout": "level of code k in word k, u7 in its lowest bits"}


OUTPUT = {"name": "output", "words": 8,
          "layout": "level of code k in word k, s8 in its lowest bits; ascending, the highest in "
                    "all words that are left"}


@pytest.mark.parametrize("formats, lut, tables", [
    (("s3", "u3"), None, []),
    (("s3", "u3"), "loaded", [LUT]),
    (("codebook3:loaded=s6", "u3"), None, [WEIGHTS]),
    (("codebook3:loaded=s6", "codebook2:loaded=u7"), "loaded", [LUT, WEIGHTS, ACTIVATIONS]),
    (("codebook3:loaded=s6", "codebook2:loaded=u7", "codebook3:loaded=s8"), None,
     [WEIGHTS, ACTIVATIONS, OUTPUT]),
])
def test_tables_in_front_of_the_records(rng, formats, lut, tables):
    config = tile_config(*formats[:2], output=formats[2] if formats[2:] else "s8", lut=lut)
    said = manifest(config)
    parameters = said["parameters"]
    assert parameters["tables"] == tables
    # All that a set has.
    words = drive.streams(config, [random_phase(config, rng, jobs=1)])["s_axis_parameters"].last
    assert len(words) == sum(table["words"] for table in tables) + (
        parameters["records"] * parameters["words_per_record"])
    assert said.get("lut") == (lut and {"after": "half_up", "order": "codes 0 to 255"})


@pytest.mark.parametrize("name, output, formula, rounded_to", [
    ("none", None, "x", None),
    ("half_up", "s4", "clamp(half_up(x * multiplier / 2^shift) + zero_point)", "integers"),
    ("half_up", "e4m3fn", "clamp(half_up(x * multiplier / 2^shift))", "levels of e4m3fn"),
    ("half_even", "odd4", "clamp(half_even(x * multiplier / 2^shift))", "levels of odd4"),
    ("pulp", "codebook:-9/0/5", "clamp(floor((x * multiplier + addend) / 2^shift))",
     "levels of codebook:-9/0/5"),
    ("half_up", "codebook2:loaded=s8", "clamp(half_up(x * multiplier / 2^shift))",
     "levels of codebook2:loaded=s8"),
    ("thresholds", "e2m1", "level(count(x >= threshold_k))", None),
    ("onnx", "u8", "clamp(rne(float32(x) *f scale) + zero_point)", "integers"),
    ("onnx_zp_inside", "u8", "clamp(rne(float32(x) *f scale +f zero_point))", "integers"),
])
def test_what_becomes_of_a_sum(name, output, formula, rounded_to):
    said = manifest(tile_config(output=output, name=name))["requantization"]
    assert (said["contract"], said["formula"], said["rounded_to"]) == (name, formula, rounded_to)


# Words of a formula that are no fields of a record.
OTHERS = {"x", "f", "clamp", "max", "floor", "zero", "half_up", "half_even", "half_away", "rne",
          "float32", "level", "count", "sum", "row_sum", "state", "s32", "s33", "s48"}


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_formula_has_the_fields_of_the_record(name):
    for output, zero_points in product(("s4", "e2m1"), ("activations", "both")):
        try:
            config = tile_config(output=output, name=name, zero_points=zero_points)
        except ValueError as error:
            assert output == "e2m1" and str(error).startswith("Output must be an integer format")
            continue
        said = manifest(config)
        fields = {re.sub("^threshold_[0-9]+$", "threshold_k", field["name"])
                  for field in said["parameters"]["record"]}
        text = f"{said['requantization']['formula']}; {said['requantization']['x']}"
        named = set(re.findall(r"[a-z]\w*", text)) - OTHERS - {str(config.sum_format)}
        # The ends of the clamp go without saying.
        assert named == fields - {"clamp_min", "clamp_max"}, (output, zero_points)


@pytest.mark.parametrize("formats, more", [
    (("s3", "u3", "s4"), {}), (("s3", "u3", "s4"), {"name": "stochastic"}),
    (("mx_s3", "mx_u3", "s4"), {}), (("s3", "mx_u3", "s4"), {"name": "half_even"})])
def test_fields_of_a_payload_lie_side_by_side(formats, more):
    tile = AxiTile(tile_config(*formats, **more))
    for port in tile.ports:
        place = 0
        layout = getattr(tile.tile, port.stream).payload.shape()
        for row in port.payload.to_json():
            assert row["lsb"] == place == layout[row["name"]].offset, (port.name, row)
            place += row["bits"] * math.prod(row["shape"])
        assert place == port.payload.bits == layout.size - port.last
