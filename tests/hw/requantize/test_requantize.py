# amaranth: UnusedElaboratable=no

import re

import numpy as np
import pytest

from golden.contracts import S32, Contract, MultiplyShift
from golden.contracts import parse as contract
from golden.formats import IntFormat
from golden.ranges import Range, dot_range, levels_range
from hw.requantize.requantizer import Requantizer
from hw.targets.fabric import ECP5
from sim.verilator import available
from tests.hw.requantizers import (
    ACTIVATIONS,
    ADDED,
    CONTRACTS,
    DEPTH,
    ONE_SHIFT,
    ROUNDINGS,
    SCALED,
    WEIGHTS,
    Case,
    with_zero_points,
)

WITH_ADDED = [*SCALED, *ADDED]


def turning(names, outputs=("s8", "u8")):
    """Each name with an output, which turn; the others beside it are slow."""
    return [pytest.param(name, output, marks=(
        [] if (index + place) % len(outputs) == 0 else [pytest.mark.slow]))
        for index, name in enumerate(names) for place, output in enumerate(outputs)]


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


@pytest.mark.parametrize("name, output", turning(CONTRACTS))
def test_every_sum_of_ten_bits(rng, build_each, name, output):
    case = build_each(name, Range(-512, 511), output)
    case.check(everything(case, rng, 4))


@pytest.mark.parametrize("name, output", [
    ("half_up", "s4"), pytest.param("tflite", "u4", marks=pytest.mark.slow),
    pytest.param("stochastic", "s8", marks=pytest.mark.slow)])
def test_every_sum_of_ten_bits_with_prepared_parameters(rng, name, output):
    case = Case(name, Range(-512, 511), output, fabric=ECP5, prepared=True)
    case.check(everything(case, rng, 4))


@pytest.mark.slow
@pytest.mark.parametrize("name, output", [
    ("half_even", "u4"), ("zero", "s8"), ("tflite", "u4"), ("stochastic", "u4")])
def test_every_sum_of_sixteen_bits(rng, build, name, output):
    case = build(name, Range(-32768, 32767), output)
    case.check(everything(case, rng, 1))


@pytest.mark.parametrize("name", ONE_SHIFT)
def test_every_sum_multiplier_and_shift_of_a_small_unit(rng, build, name):
    # 64 sums x 8 multipliers x 12 shifts, rounding exposed: the output holds all that comes out.
    case = build(name, Range(-32, 31), "s10", multiplier_bits=3)
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
    least, most = case.fields["multiplier"].min, case.fields["multiplier"].max
    chosen = []
    for shift in range(case.shifts.lo, case.shifts.hi + 1):
        multipliers = [least, 1, most, most // 2 + 1, int(rng.integers(most, endpoint=True))]
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


def test_every_sum_and_factor_of_a_small_unit_with_an_addend(rng, build_each):
    """32 sums x 16 signed multipliers x 3 shifts x 3 addends, rounding exposed."""
    case = build_each(contract("half_up", multiplier_bits=4, addend_bits=6, signed_multiplier=True),
                 Range(-16, 15), "s10")
    sums, multipliers, shifts, addends = (axis.reshape(-1) for axis in np.meshgrid(
        np.arange(-16, 16), np.arange(-8, 8), [0, 1, 3], [-32, -3, 31]))
    zeros = np.zeros_like(sums)
    case.check({"sum": sums, "bias": zeros, "multiplier": multipliers, "shift": shifts,
                "addend": addends, "zero_point": zeros, "clamp_min": zeros - 512,
                "clamp_max": zeros + 511})


@pytest.mark.parametrize("name, output", turning(WITH_ADDED))
def test_every_shift_at_the_ends_of_int32(rng, build_each, name, output):
    case = build_each(name, levels_range(S32), output)
    case.check(corners(case, rng, case.sums))


@pytest.mark.parametrize("name, output", turning(
    ["half_even", "half_away", "stochastic", "tflite", "tflite_single"],
    ["u1", "s1", "s2n", "s4", "u3n", "s16", "u16"]))
def test_outputs_of_any_width(rng, build, name, output):
    case = build(name, Range(-5000, 9000), output)
    case.check(everything_near(case, rng, 1500))


@pytest.mark.parametrize("sums, multiplier_bits", [
    (Range(-1 << 43, (1 << 43) - 1), 32), (Range(0, (1 << 40) - 1), 16), (Range(0, 225), 1),
    (Range(-8, 7), 8)], ids=str)
@pytest.mark.parametrize("name", ONE_SHIFT)
@pytest.mark.thinned(2)
def test_accumulators_and_multipliers_of_other_widths(rng, build, name, sums, multiplier_bits):
    case = build(name, sums, "s8", multiplier_bits=multiplier_bits)
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


@pytest.mark.parametrize("name, output", turning(WITH_ADDED))
@pytest.mark.thinned(2)
def test_random_totals(rng, build, name, output):
    case = build(name, levels_range(S32), output)
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


@pytest.mark.parametrize("name, output", turning(WITH_ADDED))
@pytest.mark.thinned(2)
def test_ties(rng, build_each, name, output):
    case = build_each(name, levels_range(S32), output)
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
def test_exact_sum(rng, build, sums):
    case = build("none", sums, None)
    bias = case.fields["bias"]
    ends = [(total, b) for total in (sums.lo, sums.lo + 1, sums.hi - 1, sums.hi)
            for b in (bias.min, bias.min + 1, -1, 0, 1, bias.max - 1, bias.max)]
    totals, biases = np.array(ends).T
    case.check({
        "sum": np.concatenate([totals, rng.integers(sums.lo, sums.hi, 500, endpoint=True)]),
        "bias": np.concatenate([biases, rng.integers(bias.min, bias.max, 500, endpoint=True)])})


@pytest.mark.parametrize("name", CONTRACTS)
def test_weight_zero_points(rng, build_each, name):
    case = build_each(name, dot_range(WEIGHTS, ACTIVATIONS, DEPTH), "s8", zero_points=True)
    case.check(with_zero_points(case, rng, 1500))


@pytest.mark.skipif(available() is not None, reason=str(available()))
@pytest.mark.parametrize("name, output", [
    ("half_up", "s8"), ("tflite", "u8"), ("half_even", "u3"), ("stochastic", "s4")])
@pytest.mark.thinned(3)
def test_cells_in_their_verilog(rng, name, output):
    """As emitted, with the models of the cells: corners, ties and random totals."""
    case = Case(name, levels_range(S32), output, fabric=ECP5)
    parts = [corners(case, rng, case.sums), everything_near(case, rng, 4000)]
    if case.output.bits == 8:
        parts.append(ties(case, rng))
    rows = {each: np.concatenate([part[each] for part in parts]) for each in parts[0]}
    np.testing.assert_array_equal(case.compiled(rows),
                                  case.output.encode(case.golden(rows)).tolist())


def test_bad_parameters():
    class Other(MultiplyShift):
        def __repr__(self):
            return "Other()"

    kwargs = dict(accumulator=S32, total=S32, output=IntFormat(8))
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
