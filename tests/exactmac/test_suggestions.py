"""A suggested name is one that parses."""

import re

import pytest

import exactmac
from golden.contracts import CONTRACTS

TYPED = ("int{}", "INT_{}", "sint{}", "uint{}", "i{}", "S{}", "U{}", "S{}N", "ODD{}")
WRITTEN = [each.format(bits) for bits in range(1, 100) for each in TYPED]


def suggested(parse, name):
    try:
        parse(name)
    except ValueError as error:
        found = re.search(r" \(did you mean (.*)\?\)$", str(error))
        return found and found[1]
    return None


@pytest.mark.parametrize("name", ["int32", "uint32", "INT17", "i99", "S1N", "mx_int32"])
def test_a_format_that_is_refused_is_not_suggested(name):
    assert suggested(exactmac.parse, name) is None


def test_every_suggested_format_parses():
    names = [name for each in WRITTEN if (name := suggested(exactmac.parse, each))]
    assert {"s1", "s16", "u16", "s16n", "odd8"} <= set(names)
    for name in names:
        exactmac.parse(name)


def test_every_suggested_contract_parses():
    for name in ("xnnpack", "tflm", "qnnpack", "dory", "finn", "exact", "tosa", "rne", "tvm"):
        assert suggested(exactmac.contract, name) in CONTRACTS
