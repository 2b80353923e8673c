"""Tests that make the comparisons of :mod:`golden.contracts.users`, and how much each compares."""

from collections.abc import Callable
from functools import wraps
from math import prod

from golden.contracts import Comparison
from golden.contracts import parse as contract

__all__ = ["SHARES", "compares", "comparison"]

SHARES: dict[tuple[str, str], dict[str, int]] = {}
"""Results that are compared, of each contract and operator, by test; all runs together."""


def comparison(name: str, operator: str) -> Comparison:
    """Entry of a contract that names an operator."""
    [entry] = [each for each in contract(name).comparisons if operator in each.other.split(", ")[0]]
    return entry


def compares(name: str, operator: str, results: int | None = None) -> Callable:
    """Decorate a test, above its parameters, that returns the number of results it has compared.

    Without ``results`` the test's runs are the whole comparison, each an equal share of the entry.
    """
    def decorate(test: Callable) -> Callable:
        marks = getattr(test, "pytestmark", [])
        runs = prod(len(mark.args[1]) for mark in marks if mark.name == "parametrize")
        whole = comparison(name, operator).cases
        shares = SHARES.setdefault((name, operator), {})
        shares[test.__qualname__] = whole if results is None else results * runs

        @wraps(test)
        def counted(*arguments, **fixtures):
            count = test(*arguments, **fixtures)
            assert count * runs == shares[test.__qualname__]

        return counted
    return decorate
