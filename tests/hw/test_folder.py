import pytest

from hw.folder import FolderError, install


def test_what_stood_there_is_back_if_the_new_cannot_be_put_there(tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    (place / "file").write_text("old")
    with pytest.raises(FolderError):
        install(tmp_path / "nowhere", place, tmp_path / "aside", ["file"])
    assert [path.name for path in tmp_path.iterdir()] == ["place"]
    assert (place / "file").read_text() == "old"
