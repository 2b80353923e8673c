"""The pages of reference are what the code says, and the code says what others know."""

import json
import re
from importlib import import_module
from pathlib import Path

import pytest

from exactmac import options, request
from exactmac.docs import PAGES, contracts, formats, page
from exactmac.docs.__main__ import main
from golden.contracts import CONTRACTS, Rounding
from golden.contracts import parse as contract
from golden.formats import FLOATS, parse
from golden.rounding import shift_right
from sim.checks import check_fixed

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
TEXTS = {name: (DOCS / name).read_text() for name in PAGES}
FORMATS, CONTRACTS_PAGE = TEXTS["formats.md"], TEXTS["contracts.md"]


def rows(text, columns):
    """Cells of every row of a table that has so many columns, without its heading."""
    found = [[cell.strip() for cell in line.strip("|").split("|")]
             for line in text.splitlines() if line.startswith("|")]
    return [cells for cells in found if len(cells) == columns and set(cells) != {"---"}]


def section(text, title):
    return re.split(r"^##+ ", text.split(f"# {title}\n", 1)[1], flags=re.MULTILINE)[0]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_makes(name):
    """`python -m exactmac.docs` writes it anew."""
    assert (DOCS / name).read_bytes() == page(name).encode()


def test_the_command_writes_both(tmp_path, capsys):
    main([str(tmp_path)])
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == TEXTS
    with pytest.raises(SystemExit) as end:
        main([str(tmp_path / "none")])
    assert end.value.code == 2
    assert capsys.readouterr().err == ("python -m exactmac.docs: error: Folder must be an existing "
                                       f"one, not '{tmp_path / 'none'}'\n")


@pytest.mark.parametrize("name", PAGES)
def test_no_line_is_long(name):
    assert [line for line in TEXTS[name].splitlines() if len(line) > 110] == []


@pytest.mark.parametrize("name", PAGES)
def test_links_and_named_files_exist(name):
    for link in re.findall(r"\]\(([\w./]+)\)", TEXTS[name]):
        assert (DOCS / link).exists(), link
    for path in re.findall(r"`((?:tests|golden|hw)/[\w/]+\.py)`", TEXTS[name]):
        assert (ROOT / path).exists(), path
    for owner, member in re.findall(r"`((?:golden|hw|exactmac)(?:\.\w+)*)\.(\w+)`", TEXTS[name]):
        assert hasattr(import_module(owner), member) or import_module(f"{owner}.{member}")


def test_the_example_runs():
    [example] = re.findall(r"^```python\n(.*?)^```$", FORMATS, re.MULTILINE | re.DOTALL)
    exec(compile(example, "formats.md", "exec"), {})


class TestFormats:
    def test_levels_of_e2m1(self):
        """Those that OCP's MXFP4 lists: 0 to 6, in halves."""
        section_of = section(FORMATS, "e2m1")
        assert ("| code | 0000 | 0001 | 0010 | 0011 | 0100 | 0101 | 0110 | 0111 |\n"
                "|---|---|---|---|---|---|---|---|---|\n"
                "| level | 0 | 1 | 2 | 3 | 4 | 6 | 8 | 12 |\n"
                "| number | 0 | 0.5 | 1 | 1.5 | 2 | 3 | 4 | 6 |\n") in section_of
        [levels] = rows(section_of, 17)[1:]
        assert levels == ["`e2m1`", *"0 1 2 3 4 6 8 12 0 -1 -2 -3 -4 -6 -8 -12".split()]
        assert "15 levels from -12 to 12, each 2^-1: numbers from -6 to 6" in section_of

    @pytest.mark.parametrize("name, levels", [
        ("s4", [*range(8), *range(-8, 0)]), ("s2n", [0, 1, "-", -1]), ("u3", range(8)),
        ("u3n", [*range(7), "-"]), ("odd3", [-7, -5, -3, -1, 1, 3, 5, 7]), ("ternary",
        [0, 1, "-", -1]), ("binary", [-1, 1]), ("bit", [0, 1]),
        ("codebook:-7/-3/0/3/7", [-7, -3, 0, 3, 7, "-", "-", "-"])])
    def test_levels_by_code(self, name, levels):
        [row] = [line for line in FORMATS.splitlines() if line.startswith(f"| `{name}` | ")
                 and "complement" not in line]
        assert [cell for cell in row.replace(" ", "").split("|")[2:] if cell] == [
            str(level) for level in levels]

    def test_every_format_of_at_most_4_bits_is_there(self):
        names = {f"{sign}{bits}{narrow}" for sign in "su" for bits in range(1, 5)
                 for narrow in ("", "n") if bits > 1 or not narrow}
        names |= {f"odd{bits}" for bits in range(1, 5)} | {
            name for name, fmt in FLOATS.items() if fmt.bits <= 4}
        listed = {line.split("`")[1] for line in FORMATS.splitlines() if line.startswith("| `")}
        assert names <= listed and set(FLOATS) <= listed

    @pytest.mark.parametrize("name, drawn", [
        ("e4m3fn", ["   7       6:3        2:0",
                    "+------+----------+----------+",
                    "| sign | exponent | mantissa |",
                    "+------+----------+----------+"]),
        ("u1", ["    0", "+--------+", "| digits |", "+--------+"]),
        ("s1", ["   0", "+------+", "| sign |", "+------+"])])
    def test_drawings(self, name, drawn):
        assert formats.drawing(parse(name)) == drawn

    def test_the_table_of_integers(self):
        families = {name: [cells[4], cells[5]] for cells in rows(FORMATS, 7)[1:]
                    for name in [cells[0].strip("`")]}
        assert set(families) == {"sN", "sNn", "uN", "uNn", "oddN"}
        for name, ends in families.items():
            for width in (2, 3, 8):
                fmt = parse(re.sub("N", str(width), name))
                assert [eval(end.replace("^", "**"), {"N": width}) for end in ends] == [
                    fmt.min, fmt.max], name

    def test_the_table_of_floats(self):
        table = {cells[0].strip("`"): cells[1:] for cells in rows(FORMATS, 9)
                 if cells[0].strip("`") in FLOATS}
        assert set(table) == set(FLOATS)
        assert table["e4m3fn"] == ["8", "253", "-229376", "229376", "-9", "448", "2^-9", "7"]
        assert table["e5m2"][5:] == ["57344", "2^-16", "15"]
        assert table["e2m3"][5:] == ["7.5", "2^-3", "1"]

    def test_units_of_block_scaled_formats(self):
        """Those of their elements, but of signed integers 2 - N."""
        for other in ("s3", "s8n"):
            assert parse(f"mx_{other}").unit == 2 - parse(other).bits
        for other in ("u8", "odd3", "codebook:1/2", *FLOATS):
            assert parse(f"mx_{other}").unit == parse(other).unit

    def test_codes_of_no_number(self):
        assert ("- No numbers: `0x7c` inf; `0x7d`, `0x7e`, `0x7f`, `0xfd`, `0xfe`, `0xff` NaN; "
                "`0xfc` -inf.\n") in section(FORMATS, "e5m2")


class TestContracts:
    AWKWARD = section(CONTRACTS_PAGE, "A dozen awkward sums").split("With the zero point")[0]
    [SUMS, *RESULTS] = rows(AWKWARD, 13)

    def result(self, name, total):
        [row] = [cells for cells in self.RESULTS if cells[0] == f"`{name}`"]
        return row[self.SUMS.index(total)]

    def test_every_contract_is_in_the_table_and_has_its_section(self):
        assert [cells[0] for cells in self.RESULTS] == [f"`{name}`" for name in CONTRACTS]
        titles = re.findall(r"^## (\w+)$", CONTRACTS_PAGE, re.MULTILINE)
        assert [title for title in titles if title in CONTRACTS] == list(CONTRACTS)
        for name in CONTRACTS:
            assert f"```text\n{contract(name).formula()}\n```" in section(CONTRACTS_PAGE, name)

    @pytest.mark.parametrize("total, results", [
        ("1/2", {"half_up": 1, "half_even": 0, "half_away": 1, "floor": 0, "zero": 0}),
        ("-1/2", {"half_up": 0, "half_even": 0, "half_away": -1, "floor": -1, "zero": 0,
                  "tflite": 0, "precise": -1, "rndnu": 0, "onnx": 0}),
        ("-3/2", {"half_up": -1, "half_even": -2, "half_away": -2, "floor": -2, "zero": -1}),
        ("1/4", {"tflite": 1, "q31": 1, "tflite_single": 0, "half_up": 0}),
        ("-2/4", {"tflite": -1, "tflite_single": 0, "nvdla": -1, "pulp": -1, "pulp_round": 0}),
        ("11/8", {"tflite": 2, "tflite_single": 1, "onnx": 1}),
        ("131072001/2^21", {"onnx": 62, "half_even": 63, "floor": 62}),
        ("1001/2", {"half_up": 127, "thresholds": 7, "none": 1001})])
    def test_results_that_are_known(self, total, results):
        for name, result in results.items():
            assert self.result(name, total) == str(result), name

    def test_the_zero_point_goes_in_before_or_after(self):
        """ONNX Runtime: rne(0.5) + 1, or rne(0.5 + 1)."""
        assert contracts.result("onnx", 1, 1, 1) == 1
        assert contracts.result("onnx_zp_inside", 1, 1, 1) == 2

    def test_the_table_of_roundings(self):
        table = {cells[0].strip("`"): cells[2:] for cells in rows(CONTRACTS_PAGE, 7)}
        # Nearest to -0.1 of 1/1024, which rounds as it does.
        numbers = [round(float(number) * 1024) for number in table.pop("rounding")]
        assert len(numbers) == 5 and list(table) == list(CONTRACTS[:5])
        for name, results in table.items():
            assert [int(result) for result in results] == shift_right(
                numbers, 10, Rounding(name)).tolist(), name

    def test_every_user_is_in_the_table(self):
        users = [(user.project, user.part, f"`{name}`") for name in CONTRACTS
                 for user in contract(name).users]
        listed = [tuple(cells) for cells in rows(CONTRACTS_PAGE, 3)[1:]]
        assert sorted(listed) == sorted(users) and len(listed) > 40

    def test_the_fixed_parameters_fit(self, tmp_path, monkeypatch):
        [text] = re.findall(r"^```json\n(.*?)^```$", CONTRACTS_PAGE, re.MULTILINE | re.DOTALL)
        assert json.loads(text)
        (tmp_path / "FILE.json").write_text(text)
        monkeypatch.chdir(tmp_path)
        arguments = re.search(r"exactmac build (--bits 4 .*FILE\.json)$", CONTRACTS_PAGE,
                              re.MULTILINE)[1].split()
        check_fixed(request.request_of(options.parser().parse_args(arguments), arguments).config)
