# amaranth: UnusedElaboratable=no

import re

import numpy as np
import pytest
from amaranth.hdl import ResetInserter, Signal, Value
from amaranth.lib import data

from golden.contracts import CONTRACTS as EVERY_CONTRACT
from golden.contracts import S32, Contract, MultiplyShift, contract
from golden.formats import IntFormat, parse
from golden.lfsr import draws
from golden.ranges import Range, dot_range, levels_range
from golden.requantize import requantize
from hw.config import TileConfig
from hw.requantize import Requantizer
from sim.streams import measure_latency, measure_throughput, run, transform
from sim.vectors import random_parameters

ROUNDINGS = ["floor", "zero", "half_up", "half_even", "half_away"]
ONE_SHIFT = [*ROUNDINGS, "stochastic"]
SCALED = [*ONE_SHIFT, "tflite", "tflite_single"]
STATE = IntFormat(32, signed=False)
CONTRACTS = ["none", *SCALED]
WEIGHTS, ACTIVATIONS, DEPTH = parse("s5"), parse("u4"), 8


class Case:
    """A requantizer for sums of a range, and rows of a sum and parameters to put through it."""

    def __init__(self, name, sums: Range, output, *, multiplier_bits=31, zero_points=False):
        self.contract = contract(name) if name in ("none", "tflite", "tflite_single") \
            else contract(name, multiplier_bits=multiplier_bits)
        self.output = None if name == "none" else parse(output)
        self.sums, self.zero_points = sums, zero_points
        self.draws = name == "stochastic"
        self.unbiased = sums - dot_range(WEIGHTS, ACTIVATIONS, DEPTH) if zero_points else sums
        self.fields = self.contract.fields(self.unbiased, self.output)
        self.total = self.contract.sum_format(self.unbiased)
        record, row_sum = dict(self.fields), None
        if zero_points:
            record["weight_zero_point"] = WEIGHTS
            row_sum = levels_range(ACTIVATIONS).times(DEPTH).format
        self.dut = Requantizer(
            contract=self.contract, sums=sums.format, total=self.total,
            output=self.contract.output_format(self.unbiased, self.output), record=record,
            row_sum=row_sum)

    @property
    def shifts(self) -> Range:
        return self.contract.shift_range(self.total)

    def payloads(self, rows):
        """Packed low bits first: the sum, the record, the row sum, the state."""
        dut = self.dut
        formats = {"sum": dut.sums, **dut.record}
        if self.zero_points:
            formats["row_sum"] = dut.row_sum
        if self.draws:
            formats["state"] = STATE
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
        """One row per cycle."""
        dut, received = self.dut, []

        async def testbench(ctx):
            payload = Value.cast(dut.i.payload)
            ctx.set(dut.i.valid, 1)
            for row in self.payloads(rows) + [-1] * dut.latency:
                ctx.set(payload, row)
                if row == -1:
                    ctx.set(dut.i.valid, 0)
                received.append((ctx.get(dut.o.valid), ctx.get(dut.o.payload)))
                await ctx.tick()

        run(dut, testbench, max_cycles=1 << 20)
        want = self.golden(rows)
        if self.output is not None and not isinstance(self.output, IntFormat):
            want = self.output.encode(want)
        valid, levels = zip(*received, strict=True)
        assert valid == (0,) * dut.latency + (1,) * len(want)
        np.testing.assert_array_equal(levels[dut.latency:], want.tolist())

    def complete(self, rng, rows, *, wide=False):
        """Fill in the fields that a row may have in any way."""
        count = len(rows["sum"])
        rows = dict(rows)
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


def everything(case, rng, records):
    """Every sum, with each of a few records that bring it near the output's range."""
    sums = np.arange(case.sums.lo, case.sums.hi + 1)
    parts = []
    for _ in range(records):
        bias = int(rng.integers(-case.sums.magnitude, case.sums.magnitude + 1)) // 2
        rows = {"sum": sums, "bias": np.full(len(sums), bias)}
        if "shift" in case.fields:
            bits = max(abs(case.sums.lo + bias), abs(case.sums.hi + bias)).bit_length()
            right = max(0, bits - case.output.bits + int(rng.integers(-1, 3)))
            multiplier = case.fields["multiplier"]
            shift = -right if case.contract.shifts_left else right + multiplier.bits
            rows["multiplier"] = np.full(len(sums), rng.choice(
                [1 << multiplier.bits - 1, int(rng.integers(multiplier.max >> 1, multiplier.max))]))
            rows["shift"] = np.full(len(sums), shift)
        parts.append(rows)
    rows = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return case.complete(rng, rows)


@pytest.mark.parametrize("output", ["s8", "u8"])
@pytest.mark.parametrize("name", CONTRACTS)
def test_every_sum_of_ten_bits(rng, name, output):
    case = Case(name, Range(-512, 511), output)
    case.check(everything(case, rng, 4))


@pytest.mark.slow
@pytest.mark.parametrize("output", ["s8", "u4"])
@pytest.mark.parametrize("name", CONTRACTS)
def test_every_sum_of_sixteen_bits(rng, name, output):
    case = Case(name, Range(-32768, 32767), output)
    case.check(everything(case, rng, 1))


@pytest.mark.parametrize("name", ONE_SHIFT)
def test_every_sum_multiplier_and_shift_of_a_small_unit(rng, name):
    # 64 sums x 8 multipliers x 12 shifts, rounding exposed: the output holds all that comes out.
    case = Case(name, Range(-32, 31), "s10", multiplier_bits=3)
    sums, multipliers, shifts = (axis.reshape(-1) for axis in np.meshgrid(
        np.arange(-32, 32), np.arange(8), np.arange(12)))
    zeros = np.zeros_like(sums)
    rows = {"sum": sums, "bias": zeros, "multiplier": multipliers, "shift": shifts,
            "zero_point": zeros, "clamp_min": zeros - 512, "clamp_max": zeros + 511}
    case.check(case.complete(rng, rows))


def corners(case, rng, sums: Range):
    """Every shift, with totals at the ends and multipliers at theirs."""
    lo, hi = case.total.min, case.total.max
    if case.contract.takes is None:
        lo = max(lo, sums.lo + case.fields["bias"].min)
        hi = min(hi, sums.hi + case.fields["bias"].max)
    most = case.fields["multiplier"].max
    chosen = []
    for shift in range(case.shifts.lo, case.shifts.hi + 1):
        multipliers = [0, 1, most, most // 2 + 1, int(rng.integers(most, endpoint=True))]
        for multiplier in multipliers:
            totals = [lo, lo + 1, -1, 0, 1, hi - 1, hi, int(rng.integers(lo, hi, endpoint=True))]
            if not case.fits(lo, multiplier, shift):
                # As far as they go to each side.
                for end in (lo, hi):
                    near, far = 0, end
                    while abs(far - near) > 1:
                        middle = (near + far) // 2 if far > near else -((-near - far) // 2)
                        near, far = (middle, far) if case.fits(middle, multiplier, shift) \
                            else (near, middle)
                    totals += [near, near - 1 if end > 0 else near + 1]
            chosen += [(total, multiplier, shift) for total in totals
                       if lo <= total <= hi and case.fits(total, multiplier, shift)]
    assert len({shift for _, _, shift in chosen}) == case.shifts.hi - case.shifts.lo + 1
    totals, multipliers, shifts = zip(*chosen, strict=True)
    return case.complete(rng, case.split(rng, totals) | {
        "multiplier": np.array(multipliers), "shift": np.array(shifts)})


@pytest.mark.parametrize("output", ["s8", "u8"])
@pytest.mark.parametrize("name", SCALED)
def test_every_shift_at_the_ends_of_int32(rng, name, output):
    case = Case(name, levels_range(S32), output)
    case.check(corners(case, rng, case.sums))


@pytest.mark.parametrize("output", ["u1", "s1", "s2n", "s4", "u3n", "s16", "u16"])
@pytest.mark.parametrize("name", ["half_even", "half_away", "stochastic", "tflite",
                                  "tflite_single"])
def test_outputs_of_any_width(rng, name, output):
    case = Case(name, Range(-5000, 9000), output)
    case.check(everything_near(case, rng, 1500))


LEVELS = ["odd4", "e4m3fn", "cfloat8_1_4_3:denormals=paper", "codebook:-9/-4/-1/0/2/3/11"]
MORE_LEVELS = ["binary", "odd2", "odd8", "e2m1", "e3m2", "e5m2", "cfloat8_1_4_3",
               "cfloat8_1_5_2:denormals=paper", "codebook:-30/7", "codebook:-9/-8/-3/-1"]


@pytest.mark.parametrize("output", [
    *LEVELS, *(pytest.param(each, marks=pytest.mark.slow) for each in MORE_LEVELS)])
@pytest.mark.parametrize("name", [*ROUNDINGS, "pulp"])
def test_levels_that_are_not_integers(rng, name, output):
    """Every sum of eight bits, by powers of two and odd multiples of them: every kind of tie."""
    if name == "zero" and not parse(output).contains(0):
        return  # refused, which test_contracts holds it to
    case = Case(name, Range(-128, 127), output)
    case.check(nearly_every_place(case, rng))


def nearly_every_place(case, rng):
    """Every sum scaled to beyond the largest level, to a fraction of it, and to the smallest."""
    sums, parts = np.arange(case.sums.lo, case.sums.hi + 1), []
    multiplier, top = case.fields["multiplier"], case.output.max.bit_length()
    for power in (min(top - 8, 24), min(top - 7, 25), min(top - 2, 28), -3, -1):
        # Real scales 2**power and 0.75 * 2**power.
        for factor, more in ((1, 0), (3, 2)):
            shift = max(case.shifts.lo, more - power, 0)
            parts.append({"sum": sums, "bias": 0 * sums + int(rng.integers(-3, 4)),
                          "multiplier": 0 * sums + (factor << shift + power - more),
                          "shift": 0 * sums + shift}
                         | ({"addend": 0 * sums + int(rng.integers(-9, 9))}
                            if "addend" in case.fields else {}))
    assert max(part["multiplier"][0] for part in parts) <= multiplier.max
    return case.complete(rng, {name: np.concatenate([part[name] for part in parts])
                               for name in parts[0]})


@pytest.mark.parametrize("sums, multiplier_bits", [
    (Range(-1 << 43, (1 << 43) - 1), 32), (Range(0, (1 << 40) - 1), 16), (Range(0, 225), 1),
    (Range(-8, 7), 8)], ids=str)
@pytest.mark.parametrize("name", ONE_SHIFT)
def test_accumulators_and_multipliers_of_other_widths(rng, name, sums, multiplier_bits):
    case = Case(name, sums, "s8", multiplier_bits=multiplier_bits)
    assert case.shifts.hi == max(62, case.total.width + multiplier_bits - 1)
    case.check(corners(case, rng, sums))


def everything_near(case, rng, count):
    """Random totals and records, of any size, whose results are mostly within the output."""
    chosen = []
    lo, hi = case.unbiased.lo, case.unbiased.hi
    most = case.fields["multiplier"].max
    while len(chosen) < count:
        total = int(rng.integers(lo, hi, endpoint=True)) >> int(rng.integers(12))
        multiplier = int(rng.integers(most // 2, most, endpoint=True))
        down = max(0, abs(total).bit_length() - case.output.bits) + int(rng.integers(-2, 4))
        shift = -down if case.contract.shifts_left else down + case.fields["multiplier"].bits
        shift = min(max(shift, case.shifts.lo), case.shifts.hi)
        if case.fits(total, multiplier, shift):
            chosen.append((total, multiplier, shift))
    totals, multipliers, shifts = zip(*chosen, strict=True)
    return case.complete(rng, case.split(rng, totals) | {
        "multiplier": np.array(multipliers), "shift": np.array(shifts)})


@pytest.mark.parametrize("output", ["s8", "u8"])
@pytest.mark.parametrize("name", SCALED)
def test_random_totals(rng, name, output):
    case = Case(name, levels_range(S32), output)
    case.check(everything_near(case, rng, 3000))


def ties(case, rng):
    """Quotients of exactly n + 1/2, and of one step to either side, for small n of both signs."""
    chosen = []
    for right in range(1, 32):
        for odd in range(-15, 16, 2):
            product_bits = right - 1
            # The half as it is, or shared between the total and a multiplier.
            for up in {0, min(product_bits, 3), product_bits // 2}:
                total = odd << product_bits - up
                chosen += [(total, 1 << up, right), (total + 1, 1 << up, right),
                           (total - 1, 1 << up, right)]
    if case.contract.shifts_left:
        # The first rounding of both is at 31 bits: multiples of 2**30 reach its ties.
        chosen = [(total, multiplier << 30, 1 - right) for total, multiplier, right in chosen
                  if multiplier == 1]
        chosen += [(total, 1 << 30 - up, shift) for total in range(-40, 41)
                   for up in (0, 1, 2, 3) for shift in (0, -1, -2, -3, 1, 2)]
    chosen = [row for row in chosen if S32.contains(row[0]) and case.fits(*row)]
    totals, multipliers, shifts = zip(*chosen, strict=True)
    zeros = np.zeros(len(chosen), dtype=int)
    return case.complete(rng, case.split(rng, totals) | {
        "multiplier": np.array(multipliers), "shift": np.array(shifts),
        "zero_point": zeros + (128 if case.output.min == 0 else 0)}, wide=True)


@pytest.mark.parametrize("output", ["s8", "u8"])
@pytest.mark.parametrize("name", SCALED)
def test_ties(rng, name, output):
    case = Case(name, levels_range(S32), output)
    case.check(ties(case, rng))


def test_double_rounding_is_not_single_rounding(rng):
    # The totals of the ties tell the two contracts apart, and each rounding from every other.
    rows = ties(Case("tflite", levels_range(S32), "s8"), rng)
    keep = rows["shift"] <= 0
    rows = {name: values[keep] for name, values in rows.items()}
    double, single = (Case(name, levels_range(S32), "s8").golden(rows)
                      for name in ("tflite", "tflite_single"))
    assert (double != single).any()
    cases = [Case(name, levels_range(S32), "s8") for name in ROUNDINGS]
    results = [tuple(case.golden(ties(cases[0], np.random.default_rng(0))).tolist())
               for case in cases]
    assert len(set(results)) == len(ROUNDINGS)


@pytest.mark.parametrize("sums", [Range(-1 << 31, (1 << 31) - 1), Range(0, 1000)], ids=str)
def test_exact_sum(rng, sums):
    case = Case("none", sums, None)
    bias = case.fields["bias"]
    ends = [(total, b) for total in (sums.lo, sums.lo + 1, sums.hi - 1, sums.hi)
            for b in (bias.min, bias.min + 1, -1, 0, 1, bias.max - 1, bias.max)]
    totals, biases = np.array(ends).T
    case.check({
        "sum": np.concatenate([totals, rng.integers(sums.lo, sums.hi, 500, endpoint=True)]),
        "bias": np.concatenate([biases, rng.integers(bias.min, bias.max, 500, endpoint=True)])})


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


@pytest.mark.parametrize("name", CONTRACTS)
def test_weight_zero_points(rng, name):
    case = Case(name, dot_range(WEIGHTS, ACTIVATIONS, DEPTH), "s8", zero_points=True)
    case.check(with_zero_points(case, rng, 1500))


LATENCY = dict.fromkeys(ONE_SHIFT, 5) | {"none": 1, "tflite": 7, "tflite_single": 5}


@pytest.mark.parametrize("zero_points", [False, True])
@pytest.mark.parametrize("name", CONTRACTS)
def test_latency_throughput_and_bubbles(rng, name, zero_points):
    sums = dot_range(WEIGHTS, ACTIVATIONS, DEPTH)
    case = Case(name, sums, "s8", zero_points=zero_points)
    rows = with_zero_points(case, rng, 30)
    if not zero_points:
        del rows["weight_zero_point"], rows["row_sum"]
    shape = case.dut.i.payload.shape()
    assert isinstance(shape, data.StructLayout)
    payloads = [shape.from_bits(row) for row in case.payloads(rows)]
    assert case.dut.latency == LATENCY[name] + 2 * zero_points
    assert measure_latency(case.dut, payloads[0]) == case.dut.latency
    assert measure_throughput(case.dut, payloads, len(payloads)) == 1
    received = transform(case.dut, payloads, len(payloads), stall_i=lambda: rng.random() < 0.4)
    np.testing.assert_array_equal(received, case.golden(rows))


@pytest.mark.parametrize("cycle", range(1, 9))
def test_a_reset_forgets_sums_under_way(cycle):
    dut = Case("tflite", levels_range(S32), "s8").dut
    reset = Signal()
    seen = []

    async def testbench(ctx):
        ctx.set(dut.i.valid, 1)
        for _ in range(cycle):
            await ctx.tick()
        ctx.set(dut.i.valid, 0)
        ctx.set(reset, 1)
        await ctx.tick()
        ctx.set(reset, 0)
        for _ in range(2 * dut.latency):
            seen.append(ctx.get(dut.o.valid))
            await ctx.tick()

    run(ResetInserter(reset)(dut), testbench)
    assert not any(seen)


def test_bad_parameters():
    class Other(MultiplyShift):
        def __repr__(self):
            return "Other()"

    kwargs = dict(sums=S32, total=S32, output=IntFormat(8))
    for bad in (Other("other"), "tflite", Contract):
        with pytest.raises(TypeError, match=(
                f"^{re.escape(f'Contract must be one with hardware, not {bad!r}')}$")):
            Requantizer(contract=bad, record={}, **kwargs)
    message = ("Row sum must be given where the record has a weight_zero_point, and only there, "
               "not {}")
    for record, row_sum in (({"bias": S32}, IntFormat(9)),
                            ({"bias": S32, "weight_zero_point": IntFormat(4)}, None)):
        with pytest.raises(ValueError, match=f"^{re.escape(message.format(row_sum))}$"):
            Requantizer(contract=contract("none"), record=record, row_sum=row_sum, **kwargs)


LATENCIES = LATENCY | {"tflite_int16x8": 5, "onnx": 9, "onnx_zp_inside": 13, "q31": 6, "precise": 5,
                       "rndnu": 5, "pulp": 6, "pulp_round": 6, "nvdla": 5, "thresholds": 5}


@pytest.mark.parametrize("name", EVERY_CONTRACT)
def test_every_contract_has_its_latency_and_is_golden(rng, name):
    config = TileConfig(
        weights=WEIGHTS, activations=ACTIVATIONS, contract=contract(name), depth=DEPTH,
        output=None if name == "none" else parse("s4"))
    dut = Requantizer(contract=config.contract, sums=config.accumulator, total=config.sum_format,
                      output=config.output_format, record=config.record)
    sums = rng.integers(config.unbiased.lo, config.unbiased.hi + 1, size=200)
    parameters = random_parameters(config, rng, len(sums))
    layout = dut.i.payload.shape()
    assert isinstance(layout, data.StructLayout)
    states = draws(5, sums.shape) if name == "stochastic" else None
    payloads = [layout.const({"sum": int(x), "parameters": {
        field: int(values[k]) for field, values in parameters.items()},
        **({} if states is None else {"state": int(states[k])})}) for k, x in enumerate(sums)]
    assert dut.latency == LATENCIES[name]
    assert measure_latency(dut, payloads[0]) == dut.latency
    assert measure_throughput(dut, payloads[:20], 20) == 1
    want = [requantize(np.array([x]), config.contract, config.output,
                       {field: values[k] for field, values in parameters.items()},
                       unbiased=config.unbiased,
                       draws=None if states is None else states[k:k + 1])[0]
            for k, x in enumerate(sums)]
    np.testing.assert_array_equal(transform(dut, payloads, len(payloads)), want)
