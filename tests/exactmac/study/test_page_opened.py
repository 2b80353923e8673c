"""The page of a study in a browser: it loads, filters, sorts and opens a point."""

from itertools import combinations

import pytest

from exactmac.study import report
from exactmac.study.page import page
from tests.exactmac.study.example import study


@pytest.fixture
def opened(opened_page):
    """Return a function that opens the page of a study."""
    def open_study(given, point="", **options):
        tab = opened_page(page(given), point, loads=("file:///", "data:", "blob:"),
                          timeout=20_000, **options)
        tab.locator("#plot-codes .legend").wait_for()
        return tab

    return open_study


def column(tab, place):
    return [row.locator("th, td").nth(place).inner_text()
            for row in tab.locator("#points tbody tr").all()]


def marks(tab, plot):
    return tab.locator(f"#{plot} .scatterlayer .points path.point").count()


def test_it_loads_filters_sorts_and_opens_a_point(opened):
    given = study()
    tab = opened(given)
    assert tab.locator("h1").inner_text() == (
        "18 ways to quantize, on hardware: every one equals golden, bit for bit")
    assert tab.locator("#points tbody tr").count() == len(given["points"]) == 18
    assert marks(tab, "plot-operations") == marks(tab, "plot-area") == 18

    tab.get_by_label("balanced").uncheck()
    tab.get_by_label("binary").uncheck()
    assert set(column(tab, 0)) == {"post-training", "fine-tuned"}
    assert column(tab, 1) == ["8 bits", "4 bits", "3 bits", "2 bits", "ternary"] * 2
    assert marks(tab, "plot-operations") == marks(tab, "plot-energy") == 10

    tab.get_by_role("button", name="Loss").click()
    rising = [float(each.replace("\u2212", "-")) for each in column(tab, 4)]
    assert rising == sorted(rising)
    tab.get_by_role("button", name="Loss").click()
    assert [float(each.replace("\u2212", "-")) for each in column(tab, 4)] == rising[::-1]
    assert tab.locator("th[aria-sort=descending]").inner_text() == "Loss, points"

    tab.locator("#points tbody a").first.click()
    panel, point = tab.locator("#point"), given["points"][4]
    assert panel.locator("nav span").inner_text() == point["name"]
    text = panel.inner_text()
    for known in (point["commands"]["build"], point["commands"]["compare"], "<b>calibration</b>",
                  "</script><script>broken()", f"{point['macs']:,}", "mac_ternary_2x2x8",
                  f"{point['area']['ecp5']['total']:,}", "64 vectors", "0 mismatches"):
        assert known in text
    tab.keyboard.press("Escape")
    panel.wait_for(state="hidden")


@pytest.mark.slow
def test_labels_are_those_of_a_front_and_lie_apart(opened):
    given = study()
    points = {each["name"]: each for each in given["points"]}
    # On the front beside the point of 2 bits, and a pixel to its left.
    points["digits-fine-tuned-ternary"]["area"]["ecp5"]["total"] -= 10
    report.mark_fronts(given["points"], given["targets"])
    front = [each for each in given["points"] if "lut_ecp5" in each["pareto"]]
    assert {"2", "ternary"} <= {each["width"] for each in front}
    tab = opened(given)
    for plot in ("plot-area", "plot-energy"):
        labels = tab.evaluate("""plot => [...document.querySelectorAll(`#${plot} .textpoint text`)]
            .filter(each => each.textContent.trim()).map(each => {
                const { left, right, top, bottom } = each.getBoundingClientRect();
                return { text: each.textContent.trim(), box: [left, right, top, bottom] };
            })""", plot)
        for one, other in combinations([each["box"] for each in labels], 2):
            assert (one[1] <= other[0] or other[1] <= one[0]
                    or one[3] <= other[2] or other[3] <= one[2])
        texts = [each["text"] for each in labels]
        assert len(texts) <= sum(each["pareto"].count(
            "lut_ecp5" if plot == "plot-area" else "energy_pj") for each in given["points"])
        if plot == "plot-area":  # the point of 2 bits is more accurate than the ternary one
            assert set(texts) == {"8", "4", "3", "2", "b"} and texts.count("2") == 1


@pytest.mark.slow
def test_a_mark_of_a_plot_opens_its_point(opened):
    given = study()
    tab = opened(given)
    tab.evaluate("document.getElementById('plot-area').scrollIntoView()")
    tab.locator("#plot-area .scatterlayer .trace").last.locator("path.point").first.click(
        force=True)
    tab.locator("#point").wait_for()
    assert tab.locator("#point nav span").inner_text() == "digits-fine-tuned-8"


@pytest.mark.slow
def test_an_address_opens_a_point(opened):
    tab = opened(study(), "digits-balanced-2")
    assert tab.locator("#point nav span").inner_text() == "digits-balanced-2"
    assert tab.locator("#points tr.chosen").count() == 1


@pytest.mark.slow
def test_targets_widths_and_empty_filters(opened):
    tab = opened(study())
    tab.locator("#target").select_option("xc7")
    assert "LUTs on xc7" in tab.locator("#plot-area .xtitle").text_content()
    for each in tab.locator("#workflows input").all():
        each.uncheck()
    assert tab.locator("#points tbody tr").count() == 0
    tab.locator("#plot-area .nothing").wait_for()
    tab.get_by_label("fine-tuned").check()
    assert marks(tab, "plot-area") == 6


@pytest.mark.slow
def test_tables_of_fits_and_workflows(opened):
    given = study()
    given["fits"][1] = {"data": "digits", "workflow": "balanced", "reason": "too few"}
    tab = opened(given)
    rows = [row.locator("th, td").all_inner_texts()
            for row in tab.locator("#fits tbody tr").all()]
    fit = given["fits"][0]
    assert rows[0][:2] == ["post-training", f"{fit['exponent']:.2f}".replace("-", "\u2212")]
    assert rows[0][3:] == [f"{fit['r_squared']:.3f}", str(fit["points"]), str(fit["left_out"])]
    assert rows[1][-1] == "no fit: too few"
    assert tab.locator("#table tbody tr").count() == 5


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 420])
def test_nothing_is_wider_than_the_page(opened, width):
    tab = opened(study(), viewport={"width": width, "height": 800})
    assert tab.evaluate("document.documentElement.scrollWidth") == width


OVERLAPS = """() => [...document.querySelectorAll(".choice")].filter((choice) => {
  const range = document.createRange();
  range.selectNodeContents(choice.parentElement.querySelector("h2"));
  const own = choice.getBoundingClientRect();
  return [...range.getClientRects()].some((text) => text.right > own.left
    && text.left < own.right && text.bottom > own.top && text.top < own.bottom);
}).map((choice) => choice.innerText)"""


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 1000, 420])
def test_no_choice_lies_on_a_title(opened, width):
    tab = opened(study(), viewport={"width": width, "height": 800})
    assert tab.locator(".choice").count() > 1 and tab.evaluate(OVERLAPS) == []
