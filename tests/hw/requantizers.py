# amaranth: UnusedElaboratable=no
"""Requantizers to test, and rows of sums and parameters to put through them."""

from functools import cache

import numpy as np
from amaranth.hdl import Value

from golden.contracts import S32
from golden.contracts import parse as contract
from golden.formats import IntFormat, parse
from golden.ranges import Range, dot_range, levels_range
from golden.requantize import requantize
from hw.requantize.requantizer import Requantizer
from hw.targets.fabric import ECP5, GENERIC
from hw.tile.prepared import prepared_formats, prepared_levels
from sim.streams import run
from sim.verilator import available
from tests.hw.piped import piped, results

ROUNDINGS = ["floor", "zero", "half_up", "half_even", "half_away"]
ONE_SHIFT = [*ROUNDINGS, "stochastic"]
SCALED = [*ONE_SHIFT, "tflite", "tflite_single"]
ADDED = {"half_even, addend": contract("half_even", addend_bits=48, signed_multiplier=True)}
"""Contract with an addend and a signed multiplier, by a name for tests."""
STATE = IntFormat(32, signed=False)
CONTRACTS = ["none", *SCALED]
WEIGHTS, ACTIVATIONS, DEPTH = parse("s5"), parse("u4"), 8
MOST, MOST_CELLS = 20_000, 400
"""Rows for which Amaranth's simulator takes as long as Verilog's compilation: without cells of a
fabric, and with them."""


class Case:
    """A requantizer for sums of a range, and rows of a sum and parameters to put through it."""

    def __init__(self, name, sums: Range, output, *, multiplier_bits=31, zero_points=False,
                 fabric=GENERIC, prepared=False):
        if isinstance(name, str):
            options = {"multiplier_bits": multiplier_bits}
            name = ADDED[name] if name in ADDED else contract(
                name, **{} if name in ("none", "tflite", "tflite_single") else options)
        self.contract, name = name, name.name
        self.output = None if name == "none" else parse(output) if isinstance(
            output, str) else output
        self.sums, self.zero_points = sums, zero_points
        self.draws = name == "stochastic"
        self.unbiased = sums - dot_range(WEIGHTS, ACTIVATIONS, DEPTH) if zero_points else sums
        self.fields = self.contract.fields(self.unbiased, self.output)
        self.total = self.contract.sum_format(self.unbiased)
        record, row_sum = dict(self.fields), None
        if zero_points:
            record["weight_zero_point"] = WEIGHTS
            row_sum = levels_range(ACTIVATIONS).times(DEPTH).format
        self.record = record
        self.prepared = prepared
        self.dut = Requantizer(
            contract=self.contract, accumulator=sums.format, total=self.total,
            output=self.contract.output_format(self.unbiased, self.output),
            record=prepared_formats(record) if prepared else record,
            row_sum=row_sum, fabric=fabric)

    @property
    def shifts(self) -> Range:
        return self.contract.shift_range(self.total)

    def payloads(self, rows):
        """Packed low bits first: the sum, the record, the row sum, the state."""
        dut = self.dut
        formats = {"sum": dut.accumulator, **dut.record}
        if self.zero_points:
            formats["row_sum"] = dut.row_sum
        if self.draws:
            formats["state"] = STATE
        if self.prepared:
            others = {name: rows[name] for name in rows if name not in self.record}
            rows = others | prepared_levels(self.record, rows)
        assert set(rows) == set(formats)
        packed, lsb = np.zeros(len(rows["sum"]), object), 0
        for name, fmt in formats.items():
            packed += fmt.encode(rows[name]).astype(object) << lsb
            lsb += fmt.bits
        assert lsb == len(Value.cast(dut.i.payload))
        return packed.tolist()

    def golden(self, rows):
        sums = rows["sum"]
        if self.zero_points:
            sums = sums - rows["weight_zero_point"] * rows["row_sum"]
        parameters = {name: rows[name] for name in self.fields}
        return requantize(sums, self.contract, self.output, parameters, unbiased=self.unbiased,
                          draws=rows.get("state"))

    def check(self, rows):
        """One row per cycle, in the simulator that takes less time for so many."""
        most = MOST_CELLS if self.dut.fabric is ECP5 else MOST
        compiled = len(rows["sum"]) > most and available() is None
        got = self.compiled(rows) if compiled else self.simulated(rows)
        np.testing.assert_array_equal(got, self.dut.output.encode(self.golden(rows)).tolist())

    def compiled(self, rows):
        """Return the bits of each result of the emitted Verilog."""
        backend = compilation(self.contract, self.sums, self.output, zero_points=self.zero_points,
                              fabric=self.dut.fabric, prepared=self.prepared)
        return results(backend, self.payloads(rows), self.dut.latency)

    def simulated(self, rows):
        """Return the bits of each result of the design in Amaranth's simulator."""
        dut, received = self.dut, []

        async def testbench(ctx):
            payload = Value.cast(dut.i.payload)
            result = Value.cast(dut.o.payload).as_unsigned()
            ctx.set(dut.i.valid, 1)
            for row in self.payloads(rows) + [-1] * dut.latency:
                ctx.set(payload, row)
                if row == -1:
                    ctx.set(dut.i.valid, 0)
                received.append((ctx.get(dut.o.valid), ctx.get(result)))
                await ctx.tick()

        run(dut, testbench, max_cycles=1 << 20)
        valid, codes = zip(*received, strict=True)
        assert valid == (0,) * dut.latency + (1,) * len(rows["sum"])
        return codes[dut.latency:]

    def complete(self, rng, rows, *, wide=False):
        """Fill in the fields that a row may have in any way."""
        count = len(rows["sum"])
        rows = dict(rows)
        if "multiplier" in self.fields and self.fields["multiplier"].signed:
            sign = rng.choice([-1, 1], count)
            rows["multiplier"] = np.where(rows["multiplier"] > 0, sign, 1) * rows["multiplier"]
        if "addend" in self.fields and "addend" not in rows:
            rows["addend"] = self._addends(rng, rows["shift"])
        if self.draws:
            rows["state"] = rng.choice([1, 2**31, STATE.max, *rng.integers(1, 2**32, 13)], count)
        if "clamp_min" in self.fields:
            lo, hi = self.output.min, self.output.max
            ends = np.sort(rng.choice(self.output.levels(), size=(2, count)), axis=0)
            some = wide | (rng.integers(2, size=count) == 0)
            rows.setdefault("clamp_min", np.where(some, lo, ends[0]))
            rows.setdefault("clamp_max", np.where(some, hi, ends[1]))
        if "zero_point" in self.fields:
            zero_point = self.fields["zero_point"]
            rows.setdefault("zero_point", rng.choice(
                [zero_point.min, zero_point.max, 0, *rng.integers(
                    zero_point.min, zero_point.max + 1, size=3)], size=count))
        return rows

    def _addends(self, rng, shifts):
        """None, a few units of the output, halves of them, either end, and any."""
        fmt = self.fields["addend"]
        addends = [[0, int(rng.integers(-9, 10)) << shift, int(rng.integers(-9, 10)) << shift >> 1,
                    fmt.min, fmt.max, int(rng.integers(fmt.min, fmt.max, endpoint=True))][
            rng.integers(6)] for shift in shifts.tolist()]
        return np.array([min(max(each, fmt.min), fmt.max) for each in addends])

    def split(self, rng, totals):
        """Sums and biases that make up ``totals``, at the ends of their ranges where they can."""
        bias = self.fields["bias"]
        rows = []
        for total in totals:
            lo = max(bias.min, total - self.unbiased.hi)
            hi = min(bias.max, total - self.unbiased.lo)
            value = [lo, hi, min(max(0, lo), hi), int(rng.integers(lo, hi, endpoint=True))][
                rng.integers(4)]
            rows.append((total - value, value))
        sums, biases = np.array(rows, dtype=object).T
        return {"sum": sums, "bias": biases}

    def fits(self, total, multiplier, shift):
        """Whether the contract takes that total with that multiplier and shift."""
        if self.contract.name == "tflite":
            return S32.contains(total << max(shift, 0))
        if self.contract.name == "tflite_single":
            return S32.contains((total * multiplier + (1 << 30 - shift)) >> 31 - shift)
        return True


@cache
def compilation(*design, **options):
    """Return the emitted Verilog of a case of these parameters, compiled once a session."""
    return piped(Case(*design, **options).dut)


def with_zero_points(case, rng, count):
    zero_points, row_sums = levels_range(WEIGHTS), levels_range(ACTIVATIONS).times(DEPTH)
    ends = [(s, z, r) for s in (case.sums.lo, case.sums.hi, 0)
            for z in (zero_points.lo, zero_points.hi, 0) for r in (row_sums.lo, row_sums.hi)]
    s, z, r = np.array(ends).T
    rows = {
        "sum": np.concatenate([s, rng.integers(case.sums.lo, case.sums.hi + 1, count)]),
        "weight_zero_point": np.concatenate([z, rng.integers(WEIGHTS.min, WEIGHTS.max + 1, count)]),
        "row_sum": np.concatenate([r, rng.integers(row_sums.lo, row_sums.hi + 1, count)]),
    }
    count = len(rows["sum"])
    rows["bias"] = rng.integers(-300, 300, count)
    if "shift" in case.fields:
        multiplier = case.fields["multiplier"]
        down = rng.integers(0, 8, count)
        rows["multiplier"] = rng.integers(multiplier.max // 2, multiplier.max, count)
        rows["shift"] = -down if case.contract.shifts_left else down + 31
    return case.complete(rng, rows)
