"""Generated parts of the page of contracts."""

from collections.abc import Iterable, Iterator

from exactmac.docs.markdown import item, paragraph, table
from golden import contracts
from golden.contracts import (
    CONTRACTS,
    LFSR_BITS,
    S32,
    THRESHOLD_BITS,
    WORD_BITS,
    Contract,
    ExactSum,
    Scaled,
    Stochastic,
    Thresholds,
)
from golden.formats import Format, IntFormat, parse
from golden.multipliers import linear_parameters
from golden.ranges import levels_range
from golden.requantize import requantize

__all__ = ["PARTS", "AWKWARD", "result"]

S8, S2 = parse("s8"), parse("s2")
TYPICAL = levels_range(IntFormat(17))
"""Sums of the default tile, 1024 products of s4n and s4."""

AWKWARD = ((1, 1), (-1, 1), (3, 1), (-3, 1), (5, 1), (-5, 1), (1, 2), (-2, 2), (5, 2), (11, 3),
           (125 * 2**20 + 1, 21), (1001, 1))
"""Sums ``x`` and places ``n``, for the result ``x / 2**n`` in levels of the output."""


def result(name: str, x: int, n: int, zero_point: int = 0) -> int:
    """Output level of the sum ``x`` with the scale ``2**-n``, as the contract rounds it.

    The output is s8. For contract ``thresholds`` it is s4, with thresholds that round as
    ``half_up``; contract ``stochastic`` has a state of one half.
    """
    chosen, output, draws = contracts.parse(name), S8, None
    ends = {"bias": 0}
    if isinstance(chosen, ExactSum):
        output = None
    elif isinstance(chosen, Thresholds):
        output = parse("s4")
        ends |= {f"threshold_{k}": (2 * (output.min + k) - 1) << n >> 1
                 for k in range(1, len(output.levels()))}
    else:
        ends |= {"zero_point": zero_point, "clamp_min": output.min, "clamp_max": output.max}
        ends |= linear_parameters(chosen, 2.0**-n, 1.0, 1.0, S32)  # pyright: ignore
    if isinstance(chosen, Stochastic):
        draws = [1 << LFSR_BITS - 1]
    return int(requantize([x], chosen, output, ends, draws=draws)[0])


def sums() -> Iterator[str]:
    """Table of every contract's results for the awkward sums."""
    return _results(CONTRACTS, 0)


def inside() -> Iterator[str]:
    """Table of the results with a zero point of 1."""
    return _results(("onnx", "onnx_zp_inside"), 1)


def _results(names: Iterable[str], zero_point: int) -> Iterator[str]:
    columns = [f"{x}/{1 << n if n < 10 else f'2^{n}'}" for x, n in AWKWARD]
    return table(["sum", *columns], (
        [f"`{name}`", *(result(name, x, n, zero_point) for x, n in AWKWARD)] for name in names))


def users() -> Iterator[str]:
    """Table of users and their contracts."""
    rows = sorted(((user.project, user.part, f"`{name}`") for name in CONTRACTS
                   for user in contracts.parse(name).users), key=lambda row: row[0].lower())
    return table(("project", "part", "contract"), rows)


def overview() -> Iterator[str]:
    """Table of the contracts: sums, multiplier, shift and output."""
    rows = []
    for name in CONTRACTS:
        chosen = contracts.parse(name)
        rows.append((f"`{name}`", chosen.takes or "any", _multiplier(chosen), _shifts(chosen),
                     _outputs(chosen)))
    return table(("name", "sum plus bias", "multiplier", "shift", "output"), rows)


def _multiplier(chosen: Contract) -> object:
    if isinstance(chosen, Scaled):
        return f"{chosen.multiplier}" + " (1 to 32 bits)" * (chosen.takes is None)
    return "float32" if "scale" in chosen.fields(TYPICAL, _output(chosen)) else ""


def _shifts(chosen: Contract) -> str:
    if not isinstance(chosen, Scaled):
        return ""
    shifts = chosen.shift_range(chosen.sum_format(TYPICAL))
    return f"{shifts.lo} to {shifts.hi}" + ", to the left" * chosen.shifts_left


def _outputs(chosen: Contract) -> str:
    if isinstance(chosen, ExactSum):
        return "as wide as sum plus bias"
    if isinstance(chosen, Thresholds):
        return f"any of at most {THRESHOLD_BITS} bits"
    accepted = []
    for what, name in (("integers", "s8"), ("floats", "e4m3fn"), ("odd", "odd3")):
        try:
            chosen.fields(TYPICAL, parse(name))
            accepted.append(what)
        except ValueError:
            pass
    if "floats" not in accepted:
        return "integers"
    return "any" if "odd" in accepted else "any with a level 0"


def _output(chosen: Contract) -> Format | None:
    return None if isinstance(chosen, ExactSum) else S2 if isinstance(chosen, Thresholds) else S8


def facts(name: str) -> Iterator[str]:
    """Formula of a contract, its parameters, users and comparisons."""
    chosen = contracts.parse(name)
    output = _output(chosen)
    yield from ("```text", chosen.formula(), "```", "")
    fields = chosen.fields(TYPICAL, output)
    bits = sum(fmt.bits for fmt in fields.values())
    shown = ", ".join(f"`{field}` {fmt}" for field, fmt in fields.items())
    of = f" of an output {output}" if output else ""
    yield from paragraph(f"Parameters{of}: {shown}; {bits} bits, "
                         f"{-(-bits // WORD_BITS)} word{'s' * (bits > WORD_BITS)}.")
    if chosen.users or chosen.comparisons:
        yield ""
    for user in chosen.users:
        yield from item(f"{user.project}: {user.part}.")
    for comparison in chosen.comparisons:
        yield from item(f"Compared with {comparison.other}: {comparison.cases:,} cases, "
                        f"0 mismatches.")


PARTS = {"sums": sums, "inside": inside, "users": users, "contracts": overview, "contract": facts}
"""Functions of the parts, by their names in the text."""
