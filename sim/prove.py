# amaranth: UnusedElaboratable=no
"""Prove parts of the hardware equal to their definitions, for every input.

``python -m sim.prove`` builds, for each part, a circuit that compares it with a definition written
without it, and lets Yosys's SAT solver look for an input on which the two differ. It prints what
was proven, by what, and in how long; it fails on the first input that is found.

- Multipliers, be they made of multiplexers or tables: the product of two codes as a dot product
  has it, for integer, odd and ternary operands of 1 to 6 bits, against the sum of shifted partial
  products. Left out are the pairs whose block has no product in it: affine splits, XNOR.
- Rounding shifters: 64 bits, any shift to 63, each rounding, against quotient and remainder.
- Requantizers: from the product, which is left free, to the output, with every parameter free.
- Fused multiply-adds: from the product, which is left free, to the float32, with any addend, for
  every distance of their exponents that the hardware tells from others.

Products are compared one by one: each code of each pair of formats with at most 16 code bits
together goes through the block of that pair, in emitted Verilog that Verilator compiles, and
what comes out must be the product of golden's levels; see :mod:`sim.products`.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from amaranth.back import rtlil  # pyright: ignore[reportAttributeAccessIssue] - not in the stubs
from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from golden.contracts import (
    CONTRACTS,
    LFSR_BITS,
    DoubleRounding,
    MultiplyShift,
    Rounding,
    Stochastic,
    contract,
)
from golden.formats import Format, IntFormat, parse
from golden.ranges import levels_range
from hw.arith import round_up, shift_right
from hw.blocks import kind_for
from hw.blocks.grid import Grid, Operand
from hw.blocks.popcount import XnorPopcountGrid
from hw.flow.tools import ToolFailed, ToolMissing
from hw.formats import shape_of
from hw.options import Parser
from hw.pipeline import Pipeline
from hw.scale import BIAS, SCALERS, SIGNIFICAND, offset_and_clamp
from hw.units.fused_add import LEFT_ADDEND, LEFT_PRODUCT, PRODUCT, Float, multiply_add
from sim.products import ProductMismatch, batches, check, pairs

__all__ = ["Claim", "Refuted", "claims", "main", "prove"]


class Refuted(Exception):
    """An input on which a part and its definition differ."""


@dataclass(frozen=True)
class Claim:
    """A part of the hardware beside its definition.

    Parameters
    ----------
    subject, instance : str
        What it is about, and which of its kind.
    circuit : callable
        Makes the RTLIL of a module ``claim``, all whose inputs are free and whose output
        ``differs`` is 1 where part and definition differ.
    """

    subject: str
    instance: str
    circuit: Callable[[], str]


def _circuit(m: Module, inputs: Sequence[Signal], got: Value, want: Value) -> str:
    # As wide as both, so that nothing is lost before they are compared.
    shape = signed(1 + max(len(got), len(want)))
    one, other = Signal(shape, name="part"), Signal(shape, name="definition")
    differs = Signal(name="differs")
    m.d.comb += [one.eq(got), other.eq(want), differs.eq(one != other)]
    ports = [(signal.name, signal, None) for signal in (*inputs, differs)]
    return rtlil.convert(m, name="claim", ports=ports, emit_src=False)


def multiplier(weights: Format, activations: Format) -> Claim:
    """A product, as the block that suits two formats forms it, against its partial products."""
    return Claim("multiplier", f"{weights} x {activations}",
                 lambda: _multiplier(weights, activations))


def _multiplier(weights: Format, activations: Format) -> str:
    m, kind = Module(), kind_for(weights, activations)
    assert issubclass(kind, Grid)
    dot = kind.dot(weights=weights, activations=activations, lanes=1)
    w = Signal(shape_of(weights), name="weight")
    a = Signal(shape_of(activations), name="activation")
    codes: dict[Operand, Signal] = {"weights": w, "activations": a}
    factors = []
    for operand, code in codes.items():
        element = dot.prepare(operand, code)
        factor = Signal(dot.prepared(operand), name=f"{operand}_prepared")
        if isinstance(element, dict):
            m.d.comb += [factor[name].eq(part) for name, part in element.items()]
        else:
            m.d.comb += factor.eq(element)
        factors.append(factor)
    got = Value.cast(dot.term(m, *factors))
    x, y = _level(weights, w), _level(activations, a)
    want: Value = Const(0, 1)
    for bit in range(len(y)):
        partial = Mux(y[bit], x, 0) << bit
        negative = y.shape().signed and bit == len(y) - 1
        want = want - partial if negative else want + partial
    # The code of a narrow format that has no level may give anything.
    sound = Const(1, 1)
    for fmt, code in ((weights, w), (activations, a)):
        if isinstance(fmt, IntFormat) and fmt.narrow:
            sound = sound & (code >= fmt.min) & (code <= fmt.max)
    return _circuit(m, (w, a), Mux(sound, got, 0), Mux(sound, want, 0))


def _level(fmt: Format, code: Signal) -> Value:
    # Level of an integer or odd code.
    return code if isinstance(fmt, IntFormat) else 2 * code - fmt.max


def divided(x: Value, shift: Value, rounding: Rounding) -> Value:
    """``x / 2**shift`` by its definition: the floor, and one more where the remainder says so."""
    most = (1 << len(shift)) - 1
    power = Const(1, 1) << shift
    extended = Cat(x, x[-1].replicate(most))
    rest = (extended & (power - 1))[:most]
    twice, quotient, negative = rest << 1, x >> shift, x < 0
    tie, above = twice == power, twice > power
    up = {
        Rounding.FLOOR: Const(0, 1),
        Rounding.ZERO: negative & (rest != 0),
        Rounding.HALF_UP: above | tie,
        Rounding.HALF_EVEN: above | (tie & quotient[0]),
        Rounding.HALF_AWAY: above | (tie & ~negative),
    }[rounding]
    return quotient + up


def shifter(rounding: Rounding, width: int = 64) -> Claim:
    """The rounding shifter against quotient and remainder."""
    return Claim("rounding shifter", f"{rounding.value}, {width} bits",
                 lambda: _shifter(rounding, width))


def _shifter(rounding: Rounding, width: int) -> str:
    m = Module()
    x, shift = Signal(signed(width), name="x"), Signal(6, name="shift")
    shifted, sticky = shift_right(x, shift)
    got = shifted[1:].as_signed() + round_up(shifted, sticky, rounding)
    return _circuit(m, (x, shift), got, divided(x, shift, rounding))


class Transparent(Pipeline):
    """A pipeline without registers, whose product is an input of its own."""

    def __init__(self, m: Module, held):
        super().__init__(m, held)
        self.product: Signal | None = None

    def register(self, value: Value, name: str, shape=None) -> Signal:
        """Return ``value`` at once, or for a product something free of its shape."""
        wire = Signal(value.shape() if shape is None else shape, name=name)
        if name.endswith("product"):
            self.product = wire
        else:
            self._m.d.comb += wire.eq(value)
        return wire


def requantizer(name: str, output: IntFormat) -> Claim:
    """A requantizer from its product on, against divisions of the product."""
    return Claim("requantizer, product free", f"{name} to {output}",
                 lambda: _requantizer(name, output))


def _requantizer(name: str, output: IntFormat) -> str:
    way, m = contract(name), Module()
    assert isinstance(way, MultiplyShift | DoubleRounding)
    sums = levels_range(way.takes or IntFormat(20))
    total = Signal(shape_of(way.sum_format(sums)), name="total")
    held = {field: Signal(shape_of(fmt), name=field)
            for field, fmt in way.fields(sums, output).items() if field != "bias"}
    if isinstance(way, Stochastic):
        held["state"] = Signal(LFSR_BITS, name="state")
    pipe, (scale, _) = Transparent(m, held), SCALERS[type(way)]
    got = offset_and_clamp(pipe, *scale(m, pipe, way, total, output.bits + 1))
    assert pipe.product is not None

    shift = held["shift"]
    if isinstance(way, DoubleRounding):
        # The first rounding gives an int32, whatever is multiplied; else nothing is free.
        high = divided(pipe.product, Const(31, 6), Rounding.HALF_UP)[:32].as_signed()
        right = Mux(shift < 0, -shift, 0)[:5] if way.left else shift
        scaled = divided(high, right, Rounding.HALF_AWAY)
    else:
        product = pipe.product + (held["addend"] if way.adds else 0)
        if isinstance(way, Stochastic):
            # As many of the state's highest bits as are shifted out.
            product = product + ((held["state"] << shift) >> LFSR_BITS)
        right = shift if way.origin is None else (way.origin - shift)[:6]
        scaled = divided(product, right, way.rounding)
    want = scaled + held["zero_point"]
    lo, hi = held["clamp_min"], held["clamp_max"]
    want = Mux(want < lo, lo, Mux(want > hi, hi, want))
    # An allowed shift, and a clamp that is not empty.
    allowed = way.shift_range(way.sum_format(sums))
    sound = (shift >= allowed.lo) & (shift <= allowed.hi) & (lo <= hi)
    inputs = (total, pipe.product, *held.values())
    return _circuit(m, inputs, Mux(sound, got, 0), Mux(sound, want, 0))


def fused(distance: int) -> Claim:
    """A fused multiply-add, its exponents so far apart, against the exact sum rounded."""
    return Claim("multiply-add, product free", f"distance {distance}", lambda: _fused(distance))


def _fused(distance: int) -> str:
    m = Module()
    level = Signal(signed(9), name="level")
    negative, significand = Signal(name="negative"), Signal(SIGNIFICAND + 1, name="significand")
    pipe = Transparent(m, {"x": level, "x_scale": Const(BIAS << SIGNIFICAND - 1, 31)})
    exponent = Const(BIAS - distance, signed(10))
    got = multiply_add(m, pipe, "x", Float(negative, exponent, significand))
    product, least, most = pipe.product, 1 << SIGNIFICAND - 1, 1 << SIGNIFICAND
    assert product is not None

    # In units of the smaller exponent.
    exact = ((product << max(distance, 0))
             + (Mux(negative, -significand, significand) << max(-distance, 0)))
    magnitude = Signal(len(exact), name="exact_magnitude")
    m.d.comb += magnitude.eq(Mux(exact < 0, -exact, exact))
    drop = Signal(range(len(exact)))
    for bit in range(SIGNIFICAND, len(exact)):
        with m.If(magnitude[bit]):
            m.d.comb += drop.eq(bit + 1 - SIGNIFICAND)
    rounded = divided(Cat(magnitude, Const(0, 1)).as_signed(), drop, Rounding.HALF_EVEN)
    # The hardware's is normalized, where the exact sum has as few as one bit.
    places = got.exponent - (BIAS - max(distance, 0)) - drop
    same = Mux(places < 0, (rounded << (-places)[:5]) == got.significand,
               rounded == got.significand << places[:5])
    right = Mux(rounded == 0, got.significand == 0,
                same & (places > -32) & (places < 32) & (got.negative == (exact < 0)))

    # What levels and significands multiply to, and what an addend may be.
    size = Mux(product < 0, -product, product)
    sound = (((product == 0) | ((size >= least) & (size < 1 << PRODUCT - 1)))
             & ((significand == 0) | ((significand >= least) & (significand <= most))))
    return _circuit(m, (level, negative, significand, product), ~sound | right, Const(1))


def claims() -> Iterator[Claim]:
    """Everything that is proven."""
    names = [f"{kind}{width}" for kind in ("s", "u", "odd") for width in range(1, 7)]
    formats = [parse(name) for name in (*names, "ternary")]
    yield from (multiplier(w, a) for w in formats for a in formats if multiplies(w, a))
    yield from (shifter(rounding) for rounding in Rounding)
    for name in CONTRACTS:
        if isinstance(contract(name), MultiplyShift | DoubleRounding):
            yield from (requantizer(name, _int(output)) for output in ("s8", "u4"))
    # Beyond these the hardware takes the ends' shifts, and the rounded sum is theirs.
    yield from (fused(distance) for distance in range(-LEFT_ADDEND - 2, LEFT_PRODUCT + 3))


def multiplies(weights: Format, activations: Format) -> bool:
    """Whether a block has a product in it, rather than a part of one or a count of many."""
    kind = kind_for(weights, activations)
    return issubclass(kind, Grid) and kind is not XnorPopcountGrid


def _int(name: str) -> IntFormat:
    fmt = parse(name)
    assert isinstance(fmt, IntFormat)
    return fmt


def prove(claim: Claim):
    """Prove a claim, or raise :class:`Refuted` with an input on which it does not hold."""
    with tempfile.TemporaryDirectory(prefix="exactmac_") as folder:
        (Path(folder) / "claim.il").write_text(claim.circuit())
        (Path(folder) / "claim.ys").write_text(
            "read_rtlil claim.il\nproc\nflatten\nopt -full\n"
            "sat -verify -show-inputs -prove differs 0 claim\n")
        done = subprocess.run(
            [sys.executable, "-c", "from pyosys import libyosys as y; "
             "y.run_pass('script claim.ys', y.Design())"],
            cwd=folder, capture_output=True, text=True)
    if "SAT proof finished - no model found: SUCCESS!" not in done.stdout:
        model = [line.split() for line in done.stdout.splitlines() if line.startswith("  \\")]
        where = ", ".join(f"{row[0][1:]} = {row[1]}" for row in model if len(row) > 1)
        raise Refuted(f"{claim.subject} {claim.instance} differs from its definition at {where}")


def _claimed(track: Callable) -> Iterator[tuple[str, int, str, float]]:
    # Rows of the table: a subject, how many instances, by what, in how many seconds.
    rows: dict[str, tuple[int, float]] = {}
    for claim in track(list(claims()), description="proving"):
        start = time.perf_counter()
        prove(claim)
        count, seconds = rows.get(claim.subject, (0, 0.0))
        rows[claim.subject] = count + 1, seconds + time.perf_counter() - start
    for subject, (count, seconds) in rows.items():
        yield subject, count, "Yosys sat", seconds


def _compared(track: Callable) -> Iterator[tuple[str, int, str, float]]:
    start, chosen = time.perf_counter(), list(pairs())
    made = batches(chosen)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        checked = pool.map(check, made, [f"products_{index}" for index in range(len(made))])
        count = sum(track(checked, total=len(made), description="multiplying"))
    yield (f"product, {len(chosen):,} pairs of formats", count, "simulation of all",
           time.perf_counter() - start)


KINDS = {"circuits": _claimed, "products": _compared}


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments, prove and print; return the exit status."""
    arguments = Parser(prog="python -m sim.prove", allow_abbrev=False,
                       description="Prove parts of the hardware equal to their definitions.",
                       formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    arguments.add_argument("--only", choices=KINDS, help="circuits by a solver, or products by "
                                                         "simulating every pair of codes")
    args = arguments.parse_args(argv)
    console = Console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("proven", "instances", "by", "seconds"):
        table.add_column(column, justify="right" if column in ("instances", "seconds") else "left")
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        try:
            for kind in [args.only] if args.only else KINDS:
                for subject, count, means, seconds in KINDS[kind](progress.track):
                    table.add_row(subject, f"{count:,}", means, f"{seconds:.1f}")
        except ToolMissing as error:
            arguments.error(str(error))
        except (Refuted, ProductMismatch, ToolFailed) as refuted:
            arguments.exit(1, f"{arguments.prog}: failed: {refuted}\n")
    console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
