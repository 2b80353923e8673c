"""The public names, and the one command."""

import ast
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

import exactmac
from exactmac.__main__ import COMMANDS
from golden.contracts import parse as contract
from golden.formats import FLOATS, parse
from hw.tile.config import TileConfig

ROOT = Path(__file__).parents[2]
PUBLIC = ["AxiTile", "FloatConv2d", "FloatDense", "FloatNetwork", "Network", "TileConfig",
          "check_scales", "contract", "dequantize", "digest", "linear_parameters", "load", "parse",
          "quantize", "quantize_network", "run", "run_network", "save", "simulation", "verilog"]


def command(*arguments, module="exactmac"):
    done = subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, text=True,
                          capture_output=True)
    return done.returncode, done.stdout, done.stderr


def test_the_public_names_are_these():
    """A name that goes, or comes, is a change of the interface."""
    assert exactmac.__all__ == PUBLIC
    assert dir(exactmac) == sorted([*PUBLIC, "__version__"])
    for name in PUBLIC:
        assert getattr(exactmac, name).__name__ == exactmac._OWN_NAMES.get(name, name)
    assert exactmac.TileConfig is TileConfig
    assert exactmac.__version__ == metadata.version("exactmac")
    with pytest.raises(AttributeError, match="^module 'exactmac' has no attribute 'nothing'$"):
        getattr(exactmac, "noth" + "ing")


def test_type_checkers_see_the_same_names():
    tree = ast.parse((ROOT / "exactmac" / "__init__.py").read_text())
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {node.module: tuple(alias.asname or alias.name for alias in node.names)
            for node in block.body}
    assert seen == exactmac._HOMES
    assert sorted(sum(seen.values(), ())) == sorted(PUBLIC)


def test_an_import_takes_nothing_along():
    done = subprocess.run([sys.executable, "-c", "import sys, exactmac; print(sorted({"
                           "name.split('.')[0] for name in sys.modules} & {"
                           "'amaranth', 'numpy', 'golden', 'hw', 'sim', 'rich'}))"],
                          cwd=ROOT, text=True, capture_output=True, check=True)
    assert done.stdout == "[]\n"


def test_a_configuration_takes_names():
    got = TileConfig(weights="s4n", activations="u8", output="e4m3fn", contract="half_even")
    assert got == TileConfig(weights=parse("s4n"), activations=parse("u8"),
                             output=parse("e4m3fn"), contract=contract("half_even"))
    assert TileConfig(weights="s4n", activations="u8", output="s8", rows=np.int64(4),
                      lut=tuple(np.arange(-128, 128))).digest == TileConfig(
        weights="s4n", activations="u8", output="s8", lut=tuple(range(-128, 128))).digest
    with pytest.raises(ValueError, match=r"^Output: Format must be one of .*, not 's0x'$"):
        TileConfig(weights="s4n", activations="u8", output="s0x")
    with pytest.raises(ValueError, match=r"^Contract must be one of .*, not 'up'$"):
        TileConfig(weights="s4n", activations="u8", output="u8", contract="up")


@pytest.mark.parametrize("name, meant", [
    ("int4", "s4"), ("INT8", "s8"), ("uint8", "u8"), ("i8", "s8"), ("S4", "s4"), ("U8", "u8"),
    ("fp8", "e4m3fn"), ("float8_e5m2", "e5m2"), ("E4M3", "e4m3fn"), ("fp4", "e2m1"),
    ("MXFP4", "mx_e2m1"), ("bool", "bit"), ("bipolar", "binary"), ("tenary", "ternary"),
    ("cfloat8-1-4-3", "cfloat8_1_4_3")])
def test_a_format_that_is_meant(name, meant):
    with pytest.raises(ValueError, match=rf"^Format must be .*, not '{name}' "
                                         rf"\(did you mean {meant}\?\)$"):
        parse(name)
    assert parse(meant)  # there is one


@pytest.mark.parametrize("name, meant", [
    ("half-up", "half_up"), ("HALF_EVEN", "half_even"), ("tflight", "tflite"),
    ("xnnpack", "onnx"), ("CMSIS-NN", "tflite"), ("finn", "thresholds")])
def test_a_contract_that_is_meant(name, meant):
    with pytest.raises(ValueError, match=rf"^Contract must be .*, not '{name}' "
                                         rf"\(did you mean {meant}\?\)$"):
        contract(name)
    assert contract(meant)


@pytest.mark.parametrize("name", ["", "nothing", "s99", "q" * 999])
def test_nothing_is_meant(name):
    with pytest.raises(ValueError) as raised:
        parse(name)
    assert "did you mean" not in str(raised.value)


def test_the_command_without_a_known_word():
    assert command("bild") == (2, "", "exactmac: error: Command must be one of "
                                      f"{', '.join(COMMANDS)}, not 'bild' (did you mean build?)\n")
    assert command("--version") == (0, f"exactmac {exactmac.__version__}\n", "")


@pytest.mark.parametrize("name", COMMANDS)
def test_each_word_has_its_help(name):
    status, out, err = command(name, "--help")
    assert (status, err) == (0, "") and out.startswith(f"usage: exactmac {name} ")


def test_the_old_names_run_the_same():
    for module, name in (("hw.build", "build"), ("sim.prove", "prove")):
        assert command("--bad", module=module) == command(name, "--bad") == (
            2, "", f"exactmac {name}: error: unrecognized arguments: --bad\n")


def test_help_shows_the_first_options_and_help_all_the_rest():
    _, short, _ = command("--help")
    _, whole, _ = command("build", "--help-all")
    options = {word for word in short.split() if word.startswith("--")}
    assert {"--bits", "--requant", "--rows", "--cols", "--lanes", "--area", "--help-all"} <= options
    assert "--vcd" not in short and "--vcd" in whole
    assert len(short.splitlines()) < 40 and "\nplace and route: --pnr\nall: --help-all\n" in short
    for name, what in list(COMMANDS.items())[1:]:
        assert re.search(rf"\n  exactmac {name} +{what}\n", short)
    assert all(name in whole for name in (*FLOATS, "stochastic", "exit status"))
