"""Lists of options, and their cross product."""

import argparse

import pytest

from exactmac.sweep.points import CHOICES, MOST, listed, points_of
from hw.tile.config import TileConfig


def given(**options):
    return argparse.Namespace(**{"workflow": None, **dict.fromkeys(CHOICES), **options})


def lists_of(**options):
    return listed(given(**options), ["post-training", "other"])


def test_every_choice_of_a_tile_is_an_option_but_fixed_parameters():
    names = {each for each in TileConfig.__dataclass_fields__ if each != "parameters"}
    assert names | {"bits", "multiplier_bits", "addend_bits", "signed_multiplier"} == set(CHOICES)


def test_lists():
    assert lists_of(bits="2..4,8", weights="s8n, ternary", rows="1,2,1", prepared="off,on",
                    workflow="other", contract="half_up,tflite", inner_product="direct,smallest",
                    dsp="0,4", lut="loaded") == {
        "workflow": ["other"], "bits": [2, 3, 4, 8], "weights": ["s8n", "ternary"],
        "contract": ["half_up", "tflite"], "lut": ["loaded"], "rows": [1, 2], "dsp": [0, 4],
        "prepared": [False, True], "inner_product": ["direct", "smallest"]}


@pytest.mark.parametrize("option, text, message", [
    ("weights", "s8,s9x", "--weights, entry 's9x': Weights: Format must be one of s1..s16"),
    ("activations", "s8,s17", "--activations, entry 's17': "),
    ("output", "s8,x", "--output, entry 'x': Output: Format must be"),
    ("contract", "half_up,tflit", "--requant, entry 'tflit': Contract must be one of"),
    ("bits", "4,17", "--bits, entry '17': must be N or N..M with widths in range"),
    ("rows", "4,x", "--rows, entry 'x': must be an integer, not 'x'"),
    ("lanes", "4,0", "--lanes, entry '0': Lanes must be in range"),
    ("lanes", "4,,8", "--lanes must be a list with commas between its entries, not '4,,8'"),
    ("lanes", "", "--lanes must be a list with commas between its entries, not ''"),
    ("zero_points", "none,all", "--zero-points, entry 'all': Zero points must be one of"),
    ("target", "generic,xc7", "--target, entry 'xc7': Target must be one of generic, ecp5"),
    ("optimize", "area,fast", "--optimize, entry 'fast': Optimize must be one of area, speed"),
    ("dsp", "0,999", "--dsp, entry '999': Dsp must be in range"),
    ("prepared", "yes", "--prepared, entry 'yes': Prepared must be on or off, not 'yes'"),
    ("signed_multiplier", "1", "--signed-multiplier, entry '1': Signed multiplier must be on or"),
    ("inner_product", "direct,x", "--inner-product, entry 'x': Inner product must be one of"),
    ("multiplier_bits", "18,40", "--multiplier-bits, entry '40': Multiplier bits must be in"),
    ("addend_bits", "18,99", "--addend-bits, entry '99': Addend bits must be in range"),
    ("workflow", "post-trainin", "--workflow, entry 'post-trainin': Workflow must be "
                                 "post-training, other, not 'post-trainin'")])
def test_a_bad_entry_is_named(option, text, message):
    with pytest.raises(ValueError) as error:
        lists_of(**{option: text})
    assert str(error.value).startswith(message)


def test_the_cross_product_in_order():
    points = points_of({"bits": [2, 4], "rows": [1, 2, 3]}, workflow="w")
    assert [(each.given["bits"], each.given["rows"]) for each in points] == [
        (2, 1), (2, 2), (2, 3), (4, 1), (4, 2), (4, 3)]
    assert points[4].config == TileConfig.of(
        weights="s4n", activations="s4", output="s4", rows=2).to_json()
    assert {each.workflow for each in points} == {"w"}
    assert points[4].name == "--bits 4 --rows 2"


def test_the_output_is_that_of_the_next_layer():
    [point] = points_of({"weights": ["ternary"], "activations": ["s5"]})
    assert point.config["output"] == "s5"


def test_a_default_that_is_given_changes_nothing():
    [own], [other] = points_of({"bits": [4]}), points_of({"bits": [4], "rows": [4],
                                                         "prepared": [False]})
    assert own.to_json() == other.to_json()
    [own], [other] = (points_of(each, model="m") for each in ({"lanes": [8]},
                                                              {"lanes": [8], "rows": [4]}))
    assert own.to_json() == other.to_json()
    assert own.shape["outputs"] == own.shape["cols"] == 4


def test_points_of_one_numbers_share_them():
    a, b, c, d = points_of({"bits": [2, 4], "rows": [1, 2]})
    assert a.numbers == b.numbers != c.numbers == d.numbers
    assert len({str(each.to_json()) for each in (a, b, c, d)}) == 4


def test_what_a_tile_refuses_is_a_point():
    points = points_of({"bits": [4], "cols": [4, 6], "outputs": [4]})
    assert [each.refused for each in points] == [
        None, "Outputs must divide the 6 cols, not be 4"]
    assert points[1].config is None
    generic, ecp5 = points_of({"bits": [4], "target": ["generic", "ecp5"], "dsp": [4]})
    assert generic.refused == "Dsp must be 0 or left out for target generic, not 4"
    assert ecp5.config["dsp"] == 4
    [none] = points_of({"bits": [4], "dsp": [0]})
    assert none.no_dsp and none.config["dsp"] is None


def test_dsps_of_a_models_tiles():
    [_, few], [none, several] = (points_of({"target": [target], "dsp": [0, 4]}, model="net.npz")
                                 for target in ("ecp5", "generic"))
    assert few.shape["dsp"] == 4 and not few.no_dsp
    assert none.shape["dsp"] is None and none.no_dsp
    assert several.refused == "Dsp must be 0 or left out for target generic, not 4"


def test_the_smallest_inner_product_is_chosen_where_the_point_is_computed():
    [point] = points_of({"bits": [4], "target": ["ecp5"], "inner_product": ["smallest"]})
    assert point.smallest and point.config["inner_product"] == "direct"


@pytest.mark.parametrize("lists, model, message", [
    ({"rows": [1]}, None, "Weights must be given, by --weights or by --bits"),
    ({"weights": ["s4"]}, None, "Activations must be given, by --activations or by --bits"),
    ({"bits": [4], "lut": ["nowhere.json"]}, None, "Lut must be loaded or a file of JSON, not "
     "nowhere.json (No such file or directory)"),
    ({"rows": [*range(1, 102)], "cols": [*range(1, 101)]}, "m",
     f"Points must be at most {MOST}, not 10100"),
    ({"weights": ["s4", "s8"]}, "m.tflite",
     "--weights must be left out for m.tflite, which decides it, not s4,s8")])
def test_what_no_point_can_do_without(lists, model, message):
    with pytest.raises(ValueError) as error:
        points_of(lists, model=model)
    assert str(error.value) == message
