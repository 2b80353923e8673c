# amaranth: UnusedElaboratable=no
"""Check of every product of every pair of formats, in compiled Verilog."""

from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
from amaranth.hdl import Cat, Const, Module, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from golden.formats import FLOATS, FloatFormat, Format, parse
from golden.ranges import INT64, dot_range
from hw.blocks import block_for
from hw.delay import delay
from hw.drive import Beats
from hw.targets.fabric import GENERIC, Fabric
from sim.components import component_simulation

__all__ = ["CODE_BITS", "Pair", "ProductMismatch", "Products", "batches", "check", "formats",
           "pairs"]

CODE_BITS = 16
"""Most bits of both operands' codes together."""

BATCH = 150
"""Blocks per module; with so many the run takes as long as the compilation."""

Pair = tuple[Format, Format]
"""Format of the weight, format of the activation."""


class ProductMismatch(Exception):
    """The product of a pair of codes is not the product of their levels."""


@cache
def formats() -> tuple[Format, ...]:
    """Formats whose pairs are checked.

    Integers have their full range: a narrow one has the same hardware, less a code. A float with
    another bias has the same hardware too. Codebooks may have any table; one of each width is here.
    """
    names = [f"{kind}{width}" for width in range(1, CODE_BITS) for kind in "su"]
    names += ["ternary", *(f"odd{width}" for width in range(1, 9)), *FLOATS]
    names += [f"{family}:denormals=paper" for family in FLOATS if family.startswith("cfloat")]
    names += ["codebook:-3/5", "codebook:-9/-2/0/5", "codebook:-100/-7/-3/0/3/7",
              "codebook:-30/-21/-15/-10/-6/-3/-1/0/1/3/6/10/15/21/30/127"]
    return tuple(map(parse, names))


def pairs() -> Iterator[Pair]:
    """Every pair of formats with at most 16 code bits together."""
    for weights in formats():
        for activations in formats():
            if weights.bits + activations.bits <= CODE_BITS:
                yield weights, activations


def batches(chosen: Sequence[Pair]) -> list[list[Pair]]:
    """Pairs that are compiled together, in descending order of their code bits."""
    ordered = sorted(chosen, key=lambda pair: -_bits(pair))
    return [ordered[start:start + BATCH] for start in range(0, len(ordered), BATCH)]


def _bits(pair: Pair) -> int:
    return pair[0].bits + pair[1].bits


class Products(wiring.Component):
    """Blocks of one product each, with the same input bits for all.

    Parameters
    ----------
    pairs : sequence of Pair
        Formats of each block.
    fabric : Fabric

    Members
    -------
    i : In(stream.Signature(bits, always_ready=True))
        Code of a weight, from the lowest bit up, and the code of an activation above it; each block
        has codes of its own widths.
    o : Out(stream.Signature(8 * sum(bytes), always_ready=True))
        Product of each block, sign-extended to whole bytes.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, pairs: Sequence[Pair], fabric: Fabric = GENERIC):
        self.pairs = pairs
        self.fabric = fabric
        self.bytes = [-(-dot_range(*pair, 1).format.bits // 8) for pair in pairs]
        super().__init__({
            "i": In(stream.Signature(max(map(_bits, pairs)), always_ready=True)),
            "o": Out(stream.Signature(8 * sum(self.bytes), always_ready=True)),
        })

    def elaborate(self, platform):
        m = Module()
        blocks = [block_for(fabric=self.fabric, weights=weights, activations=activations, rows=1,
                            cols=1, lanes=1) for weights, activations in self.pairs]
        latency = max(block.latency for block in blocks)
        products = []
        for index, (block, size) in enumerate(zip(blocks, self.bytes, strict=True)):
            m.submodules[f"block_{index}"] = block
            code, split = self.i.payload, block.weights.bits
            m.d.comb += [
                block.i.valid.eq(self.i.valid),
                Value.cast(block.i.p.weights).eq(code[:split]),
                Value.cast(block.i.p.activations).eq(code[split:split + block.activations.bits]),
            ]
            product = delay(m, block.o.p[0][0], latency - block.latency, f"product_{index}")
            sign = product[-1] if block.sum_format.signed else Const(0, 1)
            products += [product, sign.replicate(8 * size - len(product))]
        m.d.comb += [
            self.o.payload.eq(Cat(*products)),
            self.o.valid.eq(delay(m, self.i.valid, latency, "valid", reset_less=False)),
        ]
        return m


def check(batch: Sequence[Pair], name: str = "products", simulator: str = "verilator",
          fabric: Fabric = GENERIC) -> int:
    """Compare every product of a batch with golden's levels; return the number of products.

    Raises
    ------
    ProductMismatch
        If a product differs; the message has the first.
    """
    products = Products(batch, fabric)
    codes = np.arange(1 << max(map(_bits, batch)), dtype="<u4")
    size = -(-max(map(_bits, batch)) // 8)
    beats = Beats(codes.view(np.uint8).reshape(-1, 4)[:, :size], np.zeros(len(codes), bool), {})
    backend = component_simulation(products, name, simulator)
    raw = backend.run({"s_axis_i": beats}, len(codes)).data
    count, start = 0, 0
    for pair, width in zip(batch, products.bytes, strict=True):
        count += _compare(pair, raw[:1 << _bits(pair), start:start + width])
        start += width
    return count


def _compare(pair: Pair, raw: np.ndarray) -> int:
    weights, activations = pair
    code = np.arange(len(raw))
    w, a = code & (1 << weights.bits) - 1, code >> weights.bits
    sound = _numbers(weights)[w] & _numbers(activations)[a]
    raw, w, a = raw[sound], w[sound], a[sound]
    signed = dot_range(*pair, 1).format.signed
    x, y = weights.decode(w), activations.decode(a)
    if dot_range(*pair, 1) in INT64:
        fill = np.where(signed & (raw[:, -1:] > 127), 255, 0).astype(np.uint8)
        wide = np.concatenate([raw, np.repeat(fill, 8 - raw.shape[1], axis=1)], axis=1)
        got, expected = wide.view("<i8")[:, 0], x * y
    else:
        got = np.array([int.from_bytes(row.tobytes(), "little", signed=signed) for row in raw],
                       dtype=object)
        expected = x.astype(object) * y
    bad = np.argwhere(got != expected)
    if len(bad):
        at = bad[0, 0]
        raise ProductMismatch(f"Product of {weights} {x[at]} (code {w[at]}) and {activations} "
                              f"{y[at]} (code {a[at]}) is {got[at]}, not {expected[at]}; "
                              f"{len(bad)} of {len(got)} differ")
    return len(got)


def _numbers(fmt: Format) -> np.ndarray:
    # True for each code of a level; a float has two codes of 0.
    codes = np.arange(1 << fmt.bits)
    if isinstance(fmt, FloatFormat):
        return np.array([not fmt.special(code) for code in codes.tolist()])
    return np.isin(codes, fmt.encode(fmt.levels()))
