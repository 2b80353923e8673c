"""What the command says of itself, whatever follows its name."""

import json
import subprocess
import sys
from importlib import import_module, metadata

import pytest

from exactmac import __main__ as exactmac
from exactmac import compare, explain, network, options, prove, quantize_model, timing
from exactmac.density import command as density
from exactmac.study import command as study
from exactmac.sweep import command as sweep

PARSERS = {"build": options.parser, "quantize": quantize_model.parser, "network": network.parser,
           "compare": compare.parser, "explain": explain.parser, "sweep": sweep.parser,
           "study": study.parser,
           "bench time": timing.parser, "bench density": density.parser, "prove": prove.parser}
VERSION = f"exactmac {metadata.version('exactmac')}\n"


def test_each_command_has_a_parser():
    assert list(dict.fromkeys(name.split()[0] for name in PARSERS)) == list(exactmac.COMMANDS)
    assert exactmac.DEFAULT in exactmac.COMMANDS


@pytest.mark.parametrize("name", PARSERS)
def test_help_names_every_command(name):
    said = PARSERS[name]().format_help()
    model = {"build": "[MODEL] ", "network": "[MODEL] ", "explain": "MODEL ",
             "compare": "MODEL ", "quantize": "MODEL "}.get(name, "")
    assert said.startswith(f"usage: exactmac {name} {model}[OPTIONS]\n")
    for other, what in exactmac.COMMANDS.items():
        assert f"\n  exactmac {other:<8}  {what}\n" in said
    assert "--help-all" in said


@pytest.mark.parametrize("name", PARSERS)
@pytest.mark.parametrize("option", ["--version", "--help-all", "--help"])
def test_every_command_takes(capsys, name, option):
    with pytest.raises(SystemExit) as end:
        PARSERS[name]().parse_args(["--bits", "4", option])
    said = capsys.readouterr()
    assert (end.value.code, said.err) == (0, "")
    if option == "--version":
        assert said.out == VERSION
    if option == "--help-all" and name not in ("compare", "explain", "bench density", "study"):
        # Those of a tile.
        assert all(word in said.out for word in ("--weights", "e4m3fn", "stochastic"))


@pytest.mark.parametrize("name", PARSERS)
def test_first_options_are_options(name):
    module = {"build": "options", "quantize": "quantize_model", "bench time": "timing",
              "bench density": "density.command", "sweep": "sweep.command",
              "study": "study.command"}
    first = import_module(f"exactmac.{module.get(name, name)}").FIRST
    assert set(first) <= set(PARSERS[name]()._option_string_actions)


def test_an_unknown_command_as_json(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["exactmac", "bild", "--json"])
    with pytest.raises(SystemExit) as end:
        exactmac.main()
    said = capsys.readouterr()
    assert (end.value.code, said.err) == (2, "")
    assert json.loads(said.out) == {
        "error": f"Command must be one of {', '.join(exactmac.COMMANDS)}, not 'bild' (did you mean "
                 "build?)"}


@pytest.mark.parametrize("name", ["build", pytest.param("prove", marks=pytest.mark.slow),
                                  pytest.param("bench", marks=pytest.mark.slow),
                                  pytest.param("network", marks=pytest.mark.slow)])
def test_a_module_is_its_command(name):
    done = subprocess.run([sys.executable, "-m", f"exactmac.{name}", "--version"],
                          capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, VERSION, "")
