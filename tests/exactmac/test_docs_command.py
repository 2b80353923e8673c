"""``python -m exactmac.docs`` writes every page or says why not, in one line."""

import pytest

from exactmac.docs.__main__ import main
from exactmac.docs.pages import PAGES


def test_a_folder_that_takes_no_files(capsys):
    with pytest.raises(SystemExit) as end:
        main(["/proc"])
    said = capsys.readouterr()
    assert (end.value.code, said.out) == (2, "")
    assert said.err == ("python -m exactmac.docs: error: Page must be writable, not "
                        f"/proc/{PAGES[0]} (No such file or directory)\n")


def test_no_page_is_written_before_all_can_be(tmp_path, capsys):
    (tmp_path / PAGES[-1]).mkdir()
    with pytest.raises(SystemExit) as end:
        main([str(tmp_path)])
    assert end.value.code == 2
    assert capsys.readouterr().err == ("python -m exactmac.docs: error: Page must be a file, not "
                                       f"the folder {tmp_path / PAGES[-1]}\n")
    assert [path.name for path in tmp_path.iterdir()] == [PAGES[-1]]
