"""The numbers of compared results in :mod:`golden.contracts.users` are those of tests."""

import importlib
from pathlib import Path

import pytest

from golden.contracts import CONTRACTS
from golden.contracts import parse as contract
from tests.golden.runtimes.comparisons import SHARES, compares, comparison

ROOT = Path(__file__).parents[3]
MODULES = [".".join(path.relative_to(ROOT).with_suffix("").parts)
           for path in sorted((ROOT / "tests" / "golden").glob("*/test_*.py"))
           if "@compares(" in path.read_text()]


def test_every_comparison_is_made():
    for module in MODULES:
        importlib.import_module(module)
    made = {comparison(*key): sum(shares.values()) for key, shares in SHARES.items()}
    assert made == {each: each.cases for name in CONTRACTS for each in contract(name).comparisons}


def test_a_test_that_compares_less_fails(monkeypatch):
    monkeypatch.setitem(SHARES, ("tflite", "CONV_2D"), {})
    cases = comparison("tflite", "CONV_2D").cases

    @compares("tflite", "CONV_2D")
    @pytest.mark.parametrize("missing", [0, 1])
    def test(missing):
        return cases // 2 - missing

    test(0)
    with pytest.raises(AssertionError):
        test(1)
