from pathlib import Path

from tests.mutations import MUTATIONS


def test_each_mutation_applies():
    """What it replaces is there once, and so are the tests that are to see it."""
    assert len(MUTATIONS) >= 60
    assert {each.file.split("/")[0] for each in MUTATIONS.values()} == {
        "exactmac", "golden", "hw", "sim"}
    bad = [name for name, each in MUTATIONS.items()
           if each.old == each.new or Path(each.file).read_text().count(each.old) != 1]
    assert not bad
    for each in MUTATIONS.values():
        for tests in each.tests.split():
            file, _, test = tests.partition("::")
            path = Path("tests", file)
            assert path.is_dir() or f"def {test}" in path.read_text(), tests
