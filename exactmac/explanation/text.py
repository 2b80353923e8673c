"""Texts of an explanation on a terminal of 100 columns, line by line as they are found."""

from collections.abc import Iterator, Sequence
from textwrap import wrap

from rich.table import Table

from exactmac.explanation.data import Answer, Contracted, Explanation, Operator, RuntimeState
from exactmac.explanation.session import Session
from exactmac.names import short
from golden.costs import SRAM_BYTES, Cost

__all__ = ["COLUMNS", "STYLES", "WIDTH", "contracts_table", "costs_lines", "heading", "notes",
           "operator_lines", "wrapped"]

WIDTH = 100
NAME, KIND = 20, 12
MOST_DIGITS = 80
"""Most digits of a fraction that is shown; of roots, a fraction has hundreds."""

COLUMNS = (
    f"{'':{NAME + KIND + 12}}{'agreeing':>18} {'':7} {'bytes':>7} {'bytes':>7} {'energy, nJ':>13}",
    f"{'operator':{NAME}} {'':{KIND}} {'values':>9} {'runtimes':>8} {'contracts':>9} {'BitOps':>7} "
    f"{'stored':>7} {'moved':>7} {'arith.':>6} {'memory':>6}")
"""Heading of the lines of operators."""

STYLES = {"all": "green", "runtimes": "cyan", "differ": "bold red", "alone": "dim"}
"""Style of the line of an operator on a terminal, by who agrees."""


def heading(session: Session) -> Iterator[str]:
    """Yield what is compared, and whether each runtime equals golden."""
    states = session.states
    yield from wrapped(f"{session.request.model} ({session.kind}), {session.inputs}")
    yield f"answers are compared with those of {session.reference}, the reference"
    for each in states:
        if each.status == "compared":
            rounded = f", {each.rounded:,} differ by float32" if each.rounded else ""
            title = "MISMATCHES" if each.mismatches else "mismatches"
            yield (f"  {each.name:20} {each.checked:>11,} elements compared with golden, "
                   f"{each.mismatches:,} {title}{rounded}")
    for status in ("not installed", "reads other files"):
        if names := [each.name for each in states if each.status == status]:
            text = "not installed" if status == "not installed" else "read other files"
            yield from wrapped(f"{text}: {', '.join(names)}", "  ")


def notes(states: Sequence[RuntimeState]) -> Iterator[str]:
    """Yield what is to be said of runtimes, mismatches first."""
    for each in sorted(states, key=lambda each: each.mismatches == 0):
        if each.status == "refused":
            yield f"{each.name} is left out: {each.reason}"
        elif each.status == "compared" and each.reason:
            yield f"{each.name}: {each.reason}"


def operator_lines(operator: Operator, outputs: int) -> Iterator[str]:
    """Yield the line of an operator, and what is to be said of those who differ.

    Parameters
    ----------
    operator : Operator
    outputs : int
        Elements of all outputs.
    """
    counts = [_share([each for each in operator.answers if each.kind == kind])
              for kind in ("runtime", "contract")]
    yield (f"{short(operator.name, NAME):{NAME}} {operator.operator[:KIND]:{KIND}} "
           f"{operator.elements:>9,} {counts[0]:>8} {counts[1]:>9} {_costs(operator.cost)}")
    groups: dict[int, list[Answer]] = {}
    for each in operator.answers:
        if each.group > 0:
            groups.setdefault(each.group, []).append(each)
    # Runtimes first, then the nearest contract; what is drawn at random last.
    ordered = sorted(groups.values(), key=lambda group: (
        group[0].kind == "contract", group[0].name == "stochastic", group[0].differ))
    for place, group in enumerate(ordered):
        first = group[0]
        yield from wrapped(_differing(group, operator, outputs), "  ")
        if first.first is not None and (first.kind == "runtime" or place == 0):
            yield from _exactly(first)


def wrapped(text: str, indent: str = "") -> list[str]:
    """Return lines of a text that fit the terminal."""
    return wrap(text, WIDTH, initial_indent=indent, subsequent_indent=f"{indent}    ",
                break_long_words=False, break_on_hyphens=False)


def _differing(group: Sequence[Answer], operator: Operator, outputs: int) -> str:
    first, kind = group[0], operator.arithmetic.split()[0]
    names = [each.name for each in group if each.kind == "runtime"]
    if others := [each.name for each in group if each.kind == "contract"]:
        title = "scheme" if kind == "scheme" else "contract"
        names.append(f"{title}{'s' * (len(others) > 1)} {', '.join(others)}")
    text = (f"{', '.join(names)}: {first.differ:,} of {operator.elements:,} differ, by "
            f"{first.largest:,}")
    text += (f", and so do {first.outputs_differ:,} of {outputs:,} outputs, by "
             f"{first.outputs_largest:,}" if first.outputs_differ else ", and no output")
    return text + ("" if first.accuracy is None else f"; accuracy {first.accuracy:.2%}")


def _exactly(answer: Answer) -> Iterator[str]:
    own = answer.first
    assert own is not None
    exact = "" if own.decimal is None else f"exactly {own.decimal}, "
    yield from wrapped(f"first at {own.index}: {exact}{answer.name} {own.level}, reference "
                       f"{own.reference}", "      ")
    if own.exact is not None and "/" in own.exact and len(own.exact) < MOST_DIGITS:
        yield f"        = {own.exact.replace('/', ' / ')}"


def _share(answers: Sequence[Answer]) -> str:
    given = [each for each in answers if each.group >= 0]
    return f"{sum(each.group == 0 for each in given)} of {len(given)}" if given else "-"


def _costs(own: Cost) -> str:
    memory = f"{_energy(own.sram_pj + own.dram_pj)}{'*' * (own.memory == 'DRAM')}"
    return (f"{_count(own.bit_operations):>7} {_count(own.stored_bytes):>7} "
            f"{_count(own.moved_bytes):>7} {_energy(own.arithmetic_pj):>6} {memory:>6}")


def costs_lines(explanation: Explanation) -> Iterator[str]:
    """Yield the sum of the costs, what they are, and the accuracy."""
    own = explanation.costs
    yield f"{'sum of one sample':{NAME + KIND + 30}} {_costs(own)}"
    yield (f"energy, a model and no measurement: arithmetic {_energy(own.arithmetic_pj)} nJ, "
           f"SRAM {_energy(own.sram_pj)} nJ, DRAM {_energy(own.dram_pj)} nJ")
    if own.memory == "DRAM":
        yield (f"* from DRAM: what this operator reads and writes is more than "
               f"{SRAM_BYTES // 1024} KB")
    if explanation.accuracy is not None:
        yield f"accuracy of the reference {explanation.accuracy:.2%}"


def contracts_table(contracts: Sequence[Contracted]) -> Table:
    """Return the table of the whole network with each contract."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    labelled = any(each.accuracy is not None for each in contracts)
    for column in ("contract", "operators", "others", "outputs differ", "by",
                   *["accuracy"] * labelled):
        table.add_column(column, justify="left" if column == "contract" else "right")
    table.add_column("bit for bit")
    for each in contracts:
        share = f"{each.outputs_differ / each.outputs:.1%}" if each.outputs else ""
        table.add_row(
            each.name, f"{each.layers:,}", f"{each.kept:,}",
            *((f"{each.outputs_differ:,}  {share:>6}", f"{each.largest:,}") if not each.reason
              else ("-", "-")),
            *[f"{each.accuracy:.2%}" if each.accuracy is not None else "-"] * labelled,
            each.reason or ", ".join(each.equal_to))
    return table


def _count(number: int) -> str:
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**3, "K")):
        if number >= size:
            return f"{_digits(number / size)}{letter}"
    return str(number)


def _digits(number: float) -> str:
    # Three digits at least.
    return f"{number:.0f}" if number >= 99.95 else f"{number:.{1 if number >= 9.995 else 2}f}"


def _energy(pj: float) -> str:
    # In nJ.
    return _digits(pj / 1000)
