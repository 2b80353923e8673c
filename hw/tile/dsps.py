# amaranth: UnusedElaboratable=no
"""Parts of a tile that multiply, each with its share of the tile's DSPs."""

from dataclasses import replace
from functools import cache
from typing import NamedTuple

from amaranth.utils import ceil_log2

from golden.formats import Format, LoadedCodebook, element_of
from hw.blocks import Block, block_for
from hw.requantize.requantizer import Requantizer
from hw.tile.config import TileConfig

__all__ = ["Shares", "block_of", "requantizer_of", "saved", "shares"]


class Shares(NamedTuple):
    """DSPs of each requantizer, and number of a cell's products that DSPs make."""

    requantizer: int
    products: int


def saved(size: int) -> float:
    """LUTs that a DSP saves, for a product of factors with ``size`` pairs of bits.

    A pair takes a LUT. Of what the DSP gives, which is as wide as both factors, each bit takes one.
    """
    return size - 2 * size**0.5


@cache
def shares(config: TileConfig) -> Shares:
    """Give the tile's DSPs, at most ``config.dsp``, to the parts where each saves most.

    All requantizers get as many, and all cells.
    """
    left = config.fabric.most_dsp if config.dsp is None else config.dsp
    block = _block(config, None)
    product = block.multipliers
    steps = [(saved(size), "requantizer", config.outputs)
             for size in _requantizer(config, None).multipliers]
    if product:
        count = len(product) * config.rows * config.cols
        steps += [(sum(map(saved, product)) / len(product), "products", count)] * (
            config.lanes // block.lanes_per_product)
    counts = {"requantizer": 0, "products": 0}
    for gain, part, count in sorted(steps, reverse=True):
        if gain > 0 and count <= left:
            counts[part] += 1
            left -= count
    return Shares(**counts)


def block_of(config: TileConfig) -> Block:
    """Return the block of a tile; for block-scaled operands, that of their elements."""
    return _block(config, shares(config).products if config.fabric.most_dsp else None)


def requantizer_of(config: TileConfig) -> Requantizer:
    """Return a requantizer of a tile."""
    return _requantizer(config, shares(config).requantizer if config.fabric.most_dsp else None)


def _known(fmt: Format) -> Format:
    # Format for the block: levels of a loaded codebook, elements of a block-scaled format.
    return fmt.range if isinstance(fmt, LoadedCodebook) else element_of(fmt)


def _block(c: TileConfig, produced: int | None) -> Block:
    return block_for(fabric=c.fabric, weights=_known(c.weights), activations=_known(c.activations),
                     rows=c.rows, cols=c.cols, lanes=c.lanes,
                     total=None if c.block_scaled else c.accumulator, produced=produced,
                     inner_product=c.inner_product)


def _requantizer(c: TileConfig, dsp: int | None) -> Requantizer:
    # Records of a requantizer's memories, if it has any: those of two banks.
    places = 2 << ceil_log2(c.groups * c.cols // c.outputs) if c.apart else 0
    return Requantizer(
        contract=c.contract, accumulator=c.accumulator, total=c.sum_format,
        output=c.output_format, record=c.stored, fixed=c.fixed,
        row_sum=c.row_sum if c.zero_points == "both" else None, propagates=c.propagates,
        places=places, fabric=c.fabric if dsp is None else replace(c.fabric, dsp=dsp))
