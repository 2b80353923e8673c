"""Limits of the formats, wherever they are written, are those that the formats enforce."""

import re

import pytest

from exactmac import options, summary
from exactmac.docs.pages import PAGES, VALUES, page
from golden.formats import (
    CODEBOOK_RANGE,
    MAX_BIAS,
    MAX_BITS,
    MAX_CODE_BITS,
    MAX_LEVELS,
    MAX_ODD_BITS,
    parse,
)
from hw.tile.config import TileConfig

LIMITS = [
    (f"s{MAX_BITS}", f"s{MAX_BITS + 1}"), (f"u{MAX_BITS}n", f"u{MAX_BITS + 1}n"),
    (f"odd{MAX_ODD_BITS}", f"odd{MAX_ODD_BITS + 1}"),
    (f"codebook{MAX_CODE_BITS}:loaded=s8", f"codebook{MAX_CODE_BITS + 1}:loaded=s8"),
    (f"codebook4:loaded={CODEBOOK_RANGE}", f"codebook4:loaded=s{CODEBOOK_RANGE.width + 1}"),
    (f"codebook4:loaded=u{CODEBOOK_RANGE.width - 1}", f"codebook4:loaded=u{CODEBOOK_RANGE.width}"),
    *((f"codebook:{'/'.join(map(str, range(levels)))}",
       f"codebook:{'/'.join(map(str, range(more)))}") for levels, more in (
        (2, 1), (MAX_LEVELS, MAX_LEVELS + 1))),
    (f"cfloat8_1_4_3:bias={MAX_BIAS}", f"cfloat8_1_4_3:bias={MAX_BIAS + 1}"),
]


@pytest.mark.parametrize("fits, refused", LIMITS)
def test_the_limits_are_enforced(fits, refused):
    parse(fits)
    with pytest.raises(ValueError):
        parse(refused)


def test_help_and_list_have_the_limits():
    shown = summary.listing_json()["formats"]
    for name in (f"s1 .. s{MAX_BITS}", f"u2n .. u{MAX_BITS}n", f"odd1 .. odd{MAX_ODD_BITS}"):
        assert name in shown
    assert f":bias=0..{MAX_BIAS} " in shown["cfloat8_1_4_3"]
    assert f"N bits, 1 to {MAX_BITS};" in options.NUMBERS
    assert f"oddN: odd integers of N bits, 1 to {MAX_ODD_BITS}\n" in options.NUMBERS


@pytest.mark.parametrize("name", PAGES)
def test_every_value_is_filled_in(name):
    assert not re.search(r"[{]{2}|[}]{2}", page(name))


@pytest.mark.parametrize("name, value", [
    ("e4m3fn", "SUM_BITS_E4M3FN"), ("cfloat8_1_5_2", "SUM_BITS_CFLOAT")])
def test_sums_have_the_widths_of_the_page(name, value):
    tile = TileConfig(weights=name, activations=name, output="s8")
    assert tile.accumulator.bits == VALUES[value]
