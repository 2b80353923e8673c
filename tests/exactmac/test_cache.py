"""Results that are kept."""

import pytest

from exactmac.cache import Cache

KEY = {"verilog": "abc", "seed": 1, "passes": ("a", "b")}


@pytest.fixture
def kept(tmp_path):
    warnings = []
    return Cache(tmp_path / "own", warnings.append), warnings, tmp_path / "own"


def test_a_result_is_that_of_its_key(kept):
    cache, warnings, _ = kept
    assert cache.get(KEY) is None
    cache.put(KEY, {"lut": 7, "path": None, "places": ("a",)})
    assert cache.get(KEY) == {"lut": 7, "path": None, "places": ["a"]}
    assert cache.get({**KEY, "seed": 2}) is None
    assert not warnings


@pytest.mark.parametrize("damage", [
    lambda text: text[:-30], lambda text: text.replace("7", "8"), lambda text: "[]",
    lambda text: "{}", lambda text: ""])
def test_a_damaged_one_is_made_again_and_said(kept, damage):
    cache, warnings, folder = kept
    cache.put(KEY, {"lut": 7})
    [place] = folder.iterdir()
    place.write_text(damage(place.read_text()))
    assert cache.get(KEY) is None
    assert warnings == [f"{place} was damaged and is made again"]
    cache.put(KEY, {"lut": 7})
    assert cache.get(KEY) == {"lut": 7}


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file", [].append)
    with pytest.raises(OSError) as error:
        cache.put(KEY, 1)
    assert (error.value.filename, error.value.strerror) == (str(tmp_path / "file"), "File exists")
    assert cache.get(KEY) is None
