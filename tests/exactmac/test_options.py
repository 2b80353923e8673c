"""How a front door ends where it cannot do what is asked, and what it takes unasked."""

from pathlib import Path

import pytest

from exactmac.options import Parser, config_of, parser
from exactmac.request import request_of
from golden.formats import parse
from hw.flow.tools import ToolFailed, ToolMissing
from hw.folder import FolderError


class Differs(Exception):
    pass


@pytest.mark.parametrize("error, status, line", [
    (Differs("at 3"), 1, "failed: at 3"),
    (ToolFailed("yosys", "out of gates"), 1, "failed: yosys failed: out of gates"),
    (ToolMissing("g++", "apt-get install g++"), 2,
     "error: g++ is not installed; run: apt-get install g++"),
    (ValueError("Bits must be 4, not 5"), 2, "error: Bits must be 4, not 5"),
    (OSError("disk is full"), 2, "error: disk is full"),
    (FolderError("Temporary", Path("/tmp"), "disk is full"), 2,
     "error: Temporary folder must be writable, not /tmp (disk is full)"),
])
def test_what_is_raised_becomes_a_line_and_a_status(capsys, error, status, line):
    parser = Parser(prog="door")
    with pytest.raises(SystemExit) as end, parser.reported(Differs):
        raise error
    assert end.value.code == status
    assert capsys.readouterr().err == f"door: {line}\n"


def test_what_nobody_expects_is_raised_on():
    with pytest.raises(Differs), Parser(prog="door").reported():
        raise Differs


@pytest.mark.parametrize("numbers, zero_points", [
    ("--bits 4", "activations"), ("--bits 1", "none"), ("--bits 4 --activations odd4", "none"),
    ("--weights binary --activations bit --output bit", "none"),
    ("--bits 1 --activations u8", "activations"),
    ("--weights mx_s3 --activations s8 --output s8", "none"),
    ("--weights s4 --activations mx_s8 --output s8", "none")])
def test_which_operands_have_zero_points_by_default(numbers, zero_points):
    assert config_of(parser().parse_args(numbers.split())).zero_points == zero_points


@pytest.mark.parametrize("option, message", [
    ("--zero-points", "Zero points must be one of none, activations, both, not ''"),
    ("--lut", "Lut must be loaded or a file of JSON, not ''"),
    ("--parameters", "Parameters must be a file of JSON, not ''"),
])
def test_what_is_empty_is_not_left_out(option, message):
    argv = ["--bits", "4", option, ""]
    with pytest.raises(ValueError) as error:
        request_of(parser().parse_args(argv), argv)
    assert str(error.value) == message


@pytest.mark.parametrize("option, text, message", [
    ("--lut", "[" + "1.5, " * 255 + "2]", "Lut must be a list of integers, not 1.5 at index 0"),
    ("--parameters", '{"bias": 0.5, "multiplier": 1, "shift": 0, "zero_point": 0, "clamp_min": 0, '
                     '"clamp_max": 1}',
     "Bias must be an integer, or a list of one per channel, not 0.5")])
def test_what_is_of_another_kind_is_bad_input(tmp_path, option, text, message):
    (tmp_path / "file").write_text(text)
    with pytest.raises(ValueError) as error:
        config_of(parser().parse_args(["--bits", "8", option, str(tmp_path / "file")]))
    assert str(error.value) == message


@pytest.mark.parametrize("option", ["weights", "activations", "output"])
def test_an_empty_format_is_not_left_out(option):
    with pytest.raises(ValueError) as known:
        parse("")
    with pytest.raises(ValueError) as error:
        config_of(parser().parse_args(["--bits", "4", f"--{option}", ""]))
    assert str(error.value) == f"{option.capitalize()}: {known.value}"


def test_a_number_of_too_many_digits(capsys):
    with pytest.raises(SystemExit):
        parser().parse_args(["--rows", "9" * 5000])
    assert capsys.readouterr().err == ("exactmac build: error: argument --rows: must be an "
                                       "integer of at most 1000 characters, not of 5000\n")
