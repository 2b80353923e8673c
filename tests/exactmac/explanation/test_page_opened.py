"""The page of an explanation in a browser: what it shows, and what a click or a key opens."""

import json
import re

import pytest

from exactmac.explanation.page import page
from tests.exactmac.explanation.example import HOSTILE, chain, explanation, operator, resnet


@pytest.fixture
def opened(opened_page):
    """Return a function that opens the page of an explanation."""
    return lambda given, name="", **options: opened_page(page(given), name, **options)


def wait_for_hint(tab):
    tab.locator("#operator").get_by_text("Choose an operator in the graph").wait_for()


def cells(tab, place):
    return [row.locator("th, td").all_text_contents()
            for row in tab.locator(f"{place} tbody tr").all()]


def check_panel(tab, given, place):
    """The panel shows that operator, once the browser has told the page of the new address."""
    each, panel = given["operators"][place], tab.locator("#operator")
    panel.get_by_text(f"Operator {place + 1} of {len(given['operators'])}").wait_for()
    assert panel.locator("h2").inner_text() == each["operator"]
    # A failure's message can carry no lone surrogate from one process to another.
    assert ascii(panel.locator(".full").text_content()) == ascii(each["name"] or "(no name)")
    groups = {answer["group"]: answer for answer in each["answers"] if answer["group"] >= 0}
    rows = panel.locator(".answers tbody tr:not(.detail)")
    assert rows.count() == len(groups)
    for place, group in enumerate(sorted(groups)):
        answer, row = groups[group], rows.nth(place).inner_text()
        names = [other["name"] for other in each["answers"] if other["group"] == group]
        assert set(names) <= set(re.findall(r"[\w-]+", row))
        assert f"{answer['differ']:,}" in row and f"{answer['outputs_differ']:,}" in row
    text = panel.inner_text()
    for known in (" × ".join(map(str, each["shape"])), each["quantization"], each["arithmetic"],
                  f"Of {each['elements']:,} elements"):
        assert known in text
    firsts = [answer["first"] for _, answer in sorted(groups.items()) if answer["first"]]
    assert panel.locator(".first dd").all_inner_texts() == [
        text for first in firsts for text in (
            str(first["index"]), first["exact"], first["decimal"],
            f"{first['level']}, the reference {first['reference']}")]


def test_a_click_opens_each_operator(opened):
    given = resnet()
    tab = opened(given)
    assert tab.title() == "pretrainedResnet_quant · exactmac explain"
    clauses = given["sentence"].replace(" %", "\u00a0%").split("; ")
    assert tab.locator("h1 > span").all_text_contents() == [f"{clauses[0]}; ", clauses[1]]
    wait_for_hint(tab)
    nodes = tab.locator("a.node")
    assert nodes.count() == len(given["operators"])
    for place in range(len(given["operators"])):
        nodes.nth(place).click()
        check_panel(tab, given, place)
        assert tab.locator("a.node[aria-current]").count() == 1
    tab.get_by_role("link", name="Close").click()
    wait_for_hint(tab)


@pytest.mark.slow
def test_nodes_say_their_agreement(opened):
    given = resnet()
    tab = opened(given)
    for each, node in zip(given["operators"], tab.locator("a.node").all(), strict=True):
        assert node.get_attribute("class") == f"node {each['agreement']}"
    counts = tab.locator("#legend b").all_inner_texts()
    assert counts == [str(sum(each["agreement"] == agreement for each in given["operators"]))
                      for agreement in ("all", "runtimes", "differ", "alone")]
    # The largest count: of runtimes if these differ, of all answers if only contracts do.
    assert [node.text_content() for node in tab.locator("a.node .count").all()[:4]] == [
        "10,485 differ", "10,485 differ", "20,971 differ", "equal"]


@pytest.mark.slow
def test_keys_open_an_operator(opened):
    given = resnet()
    tab = opened(given)
    for place in range(2):
        tab.keyboard.press("Tab")
        tab.keyboard.press("Enter")
        check_panel(tab, given, place)


@pytest.mark.slow
def test_an_address_opens_an_operator(opened):
    given = resnet()
    names = [each["name"] for each in given["operators"]]
    tab = opened(given, names[15])
    check_panel(tab, given, 15)
    tab.evaluate(f"location.hash = {json.dumps(names[0])}")
    check_panel(tab, given, 0)
    tab.go_back()
    check_panel(tab, given, 15)
    tab.evaluate("location.hash = '%zz'")
    wait_for_hint(tab)


@pytest.mark.slow
def test_names_of_a_file_are_only_text(opened):
    given = chain(HOSTILE)
    tab = opened(given)
    nodes = tab.locator("a.node")
    for place in range(len(HOSTILE)):
        nodes.nth(place).click()
        check_panel(tab, given, place)
    assert tab.evaluate("window.broken") is None


@pytest.mark.slow
def test_tables_of_the_whole_network(opened):
    given = resnet()
    tab = opened(given)
    assert cells(tab, "#contracts") == [
        ["tflite", "16", "0", "0", "0", "tflite-micro, litert-reference", "87.50 %"],
        ["onnx", "16", "0", "45 (14.1 %)", "2", "no runtime", "84.38 %"],
        ["half_up", "16", "0", "91 (28.4 %)", "4", "no runtime", "81.25 %"],
        ["qonnx", "the scale of each channel must be a power of two"]]
    checked = f"{sum(each['elements'] for each in given['operators']):,}"
    assert cells(tab, "#runtimes") == [
        ["tflite-micro", "2.3.0", checked, "0"], ["litert", "2.3.0", checked, "0"],
        ["litert-reference", "2.3.0", checked, "0"], ["onnxruntime", "reads other files"],
        ["litert-builtin", "refused: int16 ADD depends on the processor"]]
    assert tab.locator("#costs dd").all_inner_texts() == [
        "10.6 M", "680 M", "172,335 bytes", "344,670 bytes", "3.62 µJ"]


@pytest.mark.slow
@pytest.mark.parametrize(("width", "blocks"), [(1280, 36), (400, 3)])
def test_nothing_overlaps_and_nothing_is_cut(opened, width, blocks):
    given = resnet(blocks)
    tab = opened(given, given["operators"][-2]["name"], viewport={"width": width, "height": 800})
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    boxes = tab.evaluate("""[...document.querySelectorAll("#graph rect")].map((each) => {
        const {left, right, top, bottom} = each.getBoundingClientRect();
        return [left, right, top, bottom]; })""")
    assert len(boxes) == len(given["operators"]) + 2
    apart = [a[1] < b[0] or b[1] < a[0] or a[3] < b[2] or b[3] < a[2]
             for place, a in enumerate(boxes) for b in boxes[:place]]
    assert all(apart)
    assert tab.evaluate("""[...document.querySelectorAll("#graph text")].every((text) => {
        const { width } = text.parentNode.querySelector("rect");
        return text.getComputedTextLength() <= width.baseVal.value; })""")


@pytest.mark.slow
def test_numbers_of_float32(opened):
    """They are written with all digits, and those that are not finite as words."""
    given = chain(["a"])
    given["operators"][0] = operator("a", ["input"], "ToFloat", agreement="runtimes")
    changed = [answer["first"] for answer in given["operators"][0]["answers"] if answer["first"]]
    changed[0].update(level=float("nan"), reference=0.10000000149011612, exact=None, decimal=None)
    changed[1].update(level=float("-inf"), reference=-3.5)
    tab = opened(given, "a")
    assert tab.locator(".first dd").all_inner_texts()[:3] == [
        "[0, 4, 4, 8]", "not known", "nan, the reference 0.10000000149011612"]
    assert tab.locator(".first dd").all_inner_texts()[-1] == "-inf, the reference -3.5"
    assert tab.locator(".line").count() == 0


@pytest.mark.slow
def test_remarks_on_runtimes_and_the_order_of_contracts(opened):
    given = resnet()
    given["runtimes"][1].update(rounded=2, reason="it hides tensors")
    given["contracts"] = [given["contracts"][place] for place in (3, 2, 1, 0)]
    tab = opened(given)
    assert cells(tab, "#runtimes")[2] == [
        "2 elements differ by its float32 alone: golden is exact; it hides tensors"]
    assert [row[0] for row in cells(tab, "#contracts")] == ["tflite", "onnx", "half_up", "qonnx"]


@pytest.mark.slow
def test_several_inputs_and_outputs(opened):
    given = explanation([operator("a", ["x", "y"], "Add"), operator("b", ["y"], "Pool"),
                         operator("c", ["a", "a"], "Mul")], ["c", "b", "a"])
    tab = opened(given)
    assert tab.locator(".end text").all_text_contents() == ["x", "y", "output", "output", "output"]
    # A tensor that an operator takes twice is one edge.
    assert tab.locator(".edge").count() == 3 + 1 + 3
    tab.locator("a.node").nth(2).click()
    check_panel(tab, given, 2)
    assert tab.locator(".inputs a").all_inner_texts() == ["a", "a"]
