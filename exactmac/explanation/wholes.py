"""The whole network with one contract throughout, and the sentence that sums an explanation up."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

import numpy as np

from exactmac.explanation.alternatives import NAMES, whole
from exactmac.explanation.data import Contracted
from exactmac.explanation.differences import Effects, difference
from exactmac.explanation.readings import Reading
from golden.block_scaled import parts
from golden.contracts import parse
from golden.readers.report import report
from golden.recontract import rounds
from golden.run import prove, run

__all__ = ["contracted", "sentence"]


def contracted(effects: Effects, readings: Sequence[Reading]) -> Iterator[Contracted]:
    """Yield each contract that some layer takes, and the network with it throughout.

    Parameters
    ----------
    effects : Effects
        The reference.
    readings : sequence of Reading
        Runtimes, of which those are named whose every tensor is equal.
    """
    model, mine = effects.model, effects.tensors
    network = model.network
    computing = sum(map(rounds, network.layers))
    inputs = {each.name: mine[each.name] for each in network.inputs}
    for name in NAMES:
        own, kept = whole(model, parse(name))
        if len(kept) == computing:
            continue
        layers = computing - len(kept)
        try:
            tensors = mine if all(a is b for a, b in zip(own.layers, network.layers, strict=True)
                                  ) else run(own, inputs, prove(own))
        except ValueError as error:
            yield Contracted(name, layers, len(kept), reason=str(error))
            continue
        far = [difference(network, each, tensors[each], mine[each]) for each in network.outputs]
        yield Contracted(
            name, layers, len(kept), sum(each.count for each in far),
            sum(np.size(parts(mine[each])["levels"]) for each in network.outputs),
            max(each.largest for each in far),
            tuple(each.name for each in readings if each.equals(tensors, model)),
            effects.accuracy({each: tensors[each] for each in network.outputs}))


def sentence(contracts: Sequence[Contracted], reference: Reading, others: Sequence[Reading]
             ) -> str:
    """Return whose answers a network gives with which contract, in one sentence.

    Parameters
    ----------
    contracts : sequence of Contracted
    reference : Reading
    others : sequence of Reading
        The other runtimes that ran.
    """
    ran = [each for each in (reference, *others) if each.observed is not None]
    clauses = [f"golden differs from {each.name} in {each.mismatches:,} of "
               f"{_compared(each):,} elements, so that nothing here is its answer"
               for each in ran if each.mismatches]
    equal = len(clauses)
    told: dict[str, Contracted] = {}
    for reading in ran:
        own = _usual(reading, [each for each in contracts if reading.name in each.equal_to])
        if own is not None and not any(reading.name in each.equal_to for each in told.values()):
            told[own.name] = own
            clauses.append(_equal_clause(own, reference, ran, first=len(clauses) == equal))
    if not contracts:
        clauses.append("no operator of this network has a contract")
    elif not ran:
        clauses.append("no runtime was compared")
    elif not told:
        clauses.append("no contract throughout is bit for bit one of the runtimes, on these inputs")
    unequal: dict[str, list[str]] = {}
    for each in ran:
        if not each.mismatches and not any(each.name in own.equal_to for own in contracts):
            unequal.setdefault(_mixture(each), []).append(each.name)
    clauses += [f"{_listed(names)} {'has' if len(names) == 1 else 'have'} {own}"
                for own, names in unequal.items()]
    rest = [each for each in contracts if each.name not in told and not each.reason]
    if not ran:
        return "; ".join([*clauses, *_among(rest)])
    if len(told) < 2:
        # One more for comparison, the one that most would ask for.
        ranks = {name: rank for rank, name in enumerate(_ASKED)}
        rest = sorted(rest, key=lambda each: (bool(each.equal_to) or not each.outputs_differ,
                                              ranks.get(each.name, len(ranks))))
        clauses += [f"with {each.name}, {_share(each, reference)}" for each in rest[:1]]
    return "; ".join(clauses)


_ASKED = "onnx", "tflite", "half_up"


def _usual(reading: Reading, equal: Sequence[Contracted]) -> Contracted | None:
    # Of the contracts that a runtime equals, the one that most of its operators have.
    own = Counter(each.name for layer in reading.model.network.layers
                  if (each := getattr(layer, "contract", None)) is not None)
    return max(equal, key=lambda each: own[each.name], default=None)


def _compared(reading: Reading) -> int:
    assert reading.observed is not None
    return reading.observed.comparison.elements


def _equal_clause(own: Contracted, reference: Reading, ran: Sequence[Reading], first: bool) -> str:
    hidden = {each.name for each in ran
              if each.observed is not None and each.observed.comparison.hidden}
    names = _listed([f"{name} in every tensor that it shows" if name in hidden else name
                     for name in own.equal_to])
    _, kept = whole(reference.model, parse(own.name))
    besides = _listed(_arithmetic(reference, kept))
    title = f"{own.name}{f' (and {besides})' if besides else ''}"
    if not first:
        return f"with {title}, bit for bit {names}, {_share(own, reference)}"
    share = f"; there {_share(own, reference)}" if own.outputs_differ else ""
    return f"with contract {title} this network is bit for bit {names}, on these inputs{share}"


def _mixture(reading: Reading) -> str:
    # The arithmetic of a runtime that no contract alone has.
    texts = _arithmetic(reading, {layer.name for layer in reading.model.network.layers
                                  if rounds(layer)} - {*reading.unknown})
    if count := len(reading.unknown):
        texts.append(f"a rounding that golden does not have in {count} "
                     f"operator{'s' * (count > 1)}")
    assert reading.observed is not None
    if count := reading.observed.comparison.rounded:
        texts.append(f"a float32 that rounds {count:,} elements otherwise")
    return _listed(texts)


def _arithmetic(reading: Reading, names: Collection[str]) -> list[str]:
    # Each arithmetic of some layers, and the operators that have it.
    found: dict[str, set[str]] = {}
    for own in report(reading.model).computed:
        if own.tensor in names:
            title = "exact sums" if own.arithmetic == "contract none" else own.arithmetic
            found.setdefault(title, set()).add(own.operator)
    return [f"{title} in {_listed(sorted(each))}" for title, each in found.items()]


def _among(contracts: Sequence[Contracted]) -> list[str]:
    # Contracts in groups of as many outputs that differ from the reference's.
    groups: dict[str, list[str]] = {}
    for each in sorted(contracts, key=lambda each: each.outputs_differ):
        groups.setdefault(_share(each), []).append(each.name)
    return [f"{share}{' from the reference, on these inputs,' * (not k)} with {_listed(names)}"
            for k, (share, names) in enumerate(groups.items())]


def _share(own: Contracted, reference: Reading | None = None) -> str:
    if not own.outputs_differ:
        return "no output differs"
    share = f"{100 * own.outputs_differ / own.outputs:.1f} % of the outputs differ"
    return share if reference is None else f"{share} from {reference.name}'s"


def _listed(names: Sequence[str]) -> str:
    *most, last = names or [""]
    return f"{', '.join(most)} and {last}" if most else last
