"""An explanation in steps: runtimes run, then each operator, then each contract."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from exactmac.comparison import inputs_for, observed
from exactmac.explanation import builtin
from exactmac.explanation.data import Contracted, Explanation, Operator, RuntimeState
from exactmac.explanation.differences import Effects
from exactmac.explanation.operators import operator, quantizer
from exactmac.explanation.readings import UNKNOWN, Reading, chosen
from exactmac.explanation.wholes import contracted, sentence
from exactmac.inputs import count_of, labels_for, levels, read_inputs
from exactmac.oracles import RUNTIMES
from golden.costs import total
from golden.networks import Add, Float32, FloatAveragePool, Mul
from golden.readers import RUNTIMES as READ
from golden.readers import Model, UnsupportedModel, kind_of, read_model
from golden.readers.report import report
from hw.flow.tools import ToolFailed

__all__ = ["SAMPLES", "Request", "Session", "begin", "explain"]

SAMPLES = 32
"""Random inputs, by default."""


@dataclass(frozen=True)
class Request:
    """What an explanation is asked for.

    Parameters
    ----------
    model : str
        Path of the model's file.
    inputs, labels : str or None
        Paths of samples (:func:`exactmac.inputs.read_inputs`) and of their labels
        (:func:`exactmac.inputs.labels_for`).
    against : sequence of str or None
        Names of runtimes; the first is the reference. By default, all that are installed and run
        such a file.
    samples, seed : int
        Number of random inputs, where none are given, and their seed.
    """

    model: str
    inputs: str | None = None
    labels: str | None = None
    against: Sequence[str] | None = None
    samples: int = SAMPLES
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Session:
    """Runtimes that have run, and the tensors of the reference.

    Parameters
    ----------
    request : Request
    kind : str
        Kind of the model's file.
    readings : sequence of Reading
        The reference, and the other runtimes.
    states : sequence of RuntimeState
    effects : Effects
        The reference's tensors, and what other levels make of its outputs.
    given : mapping of str to array
        Levels of each input, or the real numbers that the model quantizes.
    """

    request: Request
    kind: Any
    readings: Sequence[Reading]
    states: Sequence[RuntimeState]
    effects: Effects
    given: Mapping[str, Any]

    @property
    def model(self) -> Model:
        """The reference's model."""
        return self.effects.model

    @property
    def samples(self) -> int:
        """Number of samples."""
        return count_of(self.given)

    @property
    def inputs(self) -> str:
        """What the inputs are."""
        if self.request.inputs is not None:
            return f"{self.samples} inputs of {self.request.inputs}"
        drawn = (", normally distributed" if all(
            isinstance(each.quantization.format, Float32) for each in self.model.network.inputs)
            else " over the whole range of each input")
        return f"{self.samples} random inputs (seed {self.request.seed}){drawn}"

    @property
    def reference(self) -> str:
        """Whose answers all others are compared with."""
        first = self.readings[0]
        if first.mismatches:
            return f"golden's arithmetic of {first.name}, which differs from the runtime"
        if first.observed is not None:
            return first.name
        return ("the network's own arithmetic" if self.kind == "saved"
                else f"the arithmetic of {first.name}")

    @cached_property
    def answers(self) -> dict[str, dict[str, Any]]:
        """What each runtime that ran makes of the reference's tensors."""
        return {each.name: each.answers(self.model, self.effects.tensors)
                for each in self.readings if each.observed is not None}

    def operators(self) -> Iterator[Operator]:
        """Yield each operator, in the network's order, behind those that quantize inputs."""
        models = [each.model for each in self.readings
                  if each.observed is not None and each.name != builtin.NAME]
        for boundary in self.model.quantize:
            reals = self.given[boundary.levels]
            if np.issubdtype(reals.dtype, np.floating):
                yield quantizer(boundary, reals, self.effects, models)
        for layer, computed in zip(self.model.network.layers, report(self.model).computed,
                                   strict=True):
            yield operator(layer, computed, self.effects, self.answers)

    def contracts(self) -> Iterator[Contracted]:
        """Yield the whole network with each contract."""
        yield from contracted(self.effects, self.readings)

    def explanation(self, operators: Sequence[Operator], contracts: Sequence[Contracted]
                    ) -> Explanation:
        """Return all that was found."""
        first, *others = self.readings
        return Explanation(
            model=self.request.model, kind=self.kind, network=self.model.network.name,
            inputs=self.inputs, samples=self.samples, reference=self.reference,
            runtimes=tuple(self.states), contracts=tuple(contracts),
            outputs=self.model.network.outputs, accuracy=self.effects.accuracy(),
            operators=tuple(operators), costs=total(each.cost for each in operators),
            sentence=sentence(contracts, first, others))


def begin(request: Request, track: Callable[[Sequence], Iterable] = iter) -> Session:
    """Read a model, run it in every runtime, and compute the reference's tensors.

    Parameters
    ----------
    request : Request
    track : callable
        Function that returns the members of a sequence, one after the other, to show progress.

    Raises
    ------
    OSError, ValueError
        If a file cannot be read or does not fit; if a runtime that was asked for does not run the
        model.
    ToolMissing
        If a runtime that was asked for is not installed.
    """
    path = Path(request.model)
    kind = kind_of(path)
    runtimes = sorted(chosen(kind, request.against), key=lambda each: each.name == builtin.NAME)
    states: list[RuntimeState] = []
    readings: list[Reading] = []
    given = None
    for runtime in track(runtimes):
        try:
            if runtime.name == builtin.NAME:
                # Its arithmetic is one of the others', so it is no reference.
                readings = readings or [Reading.of(_default(path, kind))]
                model = readings[0].model
                given = _given(request, model) if given is None else given
                reading = Reading.of(*builtin.told(path, model, given))
            else:
                model = read_model(path, runtime.name)
                given = _given(request, model) if given is None else given
                seen = observed(path, runtime, model, given)
                reading = Reading.of(model, seen, _uncertain(model, seen.comparison.excluded))
        except (UnsupportedModel, ToolFailed) as error:
            if request.against is not None:
                raise ValueError(str(error)) from error
            states.append(RuntimeState(runtime.name, runtime.installed, "refused", str(error)))
            continue
        states.append(_state(reading))
        readings.append(reading)
    reference, *others = readings or [Reading.of(_default(path, kind))]
    if given is None:
        given = _given(request, reference.model)
    own = (levels(reference.model, given) if reference.observed is None
           else reference.observed.inputs)
    effects = Effects(reference.model, reference.proof, reference.run(own),
                      labels_for(reference.model.network, request.labels, count_of(own)))
    return Session(request, kind, (reference, *others), (*states, *_others(kind, states)), effects,
                   given)


def explain(request: Request) -> Explanation:
    """Return whose answer a model's hardware gives; errors as of :func:`begin`."""
    session = begin(request)
    return session.explanation(list(session.operators()), list(session.contracts()))


def _state(reading: Reading) -> RuntimeState:
    assert reading.observed is not None
    found, reasons = reading.observed.comparison, []
    if found.first is not None:
        reasons.append(f"it differs from golden first in {found.first}")
    if count := len(found.hidden):
        reasons.append(f"{count} tensor{'s are' if count > 1 else ' is'} not shown")
    if count := len(reading.unknown):
        reasons.append(f"in {count} operator{'s' * (count > 1)} {UNKNOWN}")
    return RuntimeState(reading.name, found.version, "compared", "; ".join(reasons),
                        found.elements, found.mismatches, found.rounded)


def _uncertain(model: Model, excluded: Collection[str]) -> list[str]:
    # Of the tensors that are not compared, those whose own operator has another order of float32.
    return [layer.name for layer in model.network.layers if layer.name in excluded
            and isinstance(layer, Add | Mul | FloatAveragePool)]


def _given(request: Request, model: Model) -> Mapping[str, Any]:
    if request.inputs is not None:
        return read_inputs(request.inputs, model)
    return inputs_for(model.network, request.samples, request.seed)


def _default(path: Path, kind: str) -> Model:
    # The model as the first runtime that golden can read it as.
    first, *others = READ.get(kind, (None,))
    try:
        return read_model(path, first)
    except UnsupportedModel:
        for name in others:
            with suppress(UnsupportedModel):
                return read_model(path, name)
        raise


def _others(kind: str, states: Sequence[RuntimeState]) -> Iterator[RuntimeState]:
    # Runtimes that took no part.
    named = {each.name for each in states}
    for name, runtime in RUNTIMES.items():
        if name in named:
            continue
        version = runtime.installed
        if runtime.kind != kind:
            yield RuntimeState(name, version, "reads other files")
        elif version is None:
            yield RuntimeState(name, None, "not installed",
                               f"pip install 'exactmac[{runtime.extra}]'")
