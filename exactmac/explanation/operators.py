"""The answers of an operator: of each runtime and each contract, on the same inputs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np

from exactmac.comparison import decimal
from exactmac.explanation.alternatives import alternatives
from exactmac.explanation.data import Answer, First, Operator
from exactmac.explanation.differences import Difference, Effects, difference, plain
from exactmac.explanation.readings import packed, same_tensors
from exactmac.rounding.exact import exact
from exactmac.rounding.qonnx import QonnxRounding
from golden.block_scaled import Levels, parts
from golden.costs import Cost, cost_of
from golden.layers import kind_of
from golden.layers.linear import linear_results, linear_sums
from golden.networks import Float32, Layer, Linear, Network
from golden.readers import Model
from golden.readers.borders import levels_of
from golden.readers.model import Boundary
from golden.readers.report import Computed, described
from golden.run import Proof

__all__ = ["Answers", "exact_value", "operator", "quantizer"]


class _Group(NamedTuple):
    # Equal answers, and what is said of them.
    levels: Levels
    far: Difference
    first: First | None
    outputs: Difference
    accuracy: float | None


@dataclass(frozen=True, eq=False)
class Answers:
    """Answers of one operator, grouped by equality.

    Parameters
    ----------
    name : str
        Tensor that the operator makes.
    effects : Effects
        The reference: its model, tensors and outputs.
    exact : callable
        Returns the exact number of an element by its place, or None.
    """

    name: str
    effects: Effects
    exact: Callable[[tuple[int, ...]], Fraction | None]
    groups: list[_Group] = field(default_factory=list)
    found: list[Answer] = field(default_factory=list)

    def __post_init__(self):
        none = Difference(0, 0, None)
        self.groups.append(_Group(self.effects.tensors[self.name], none, None, none,
                                  self.effects.accuracy()))

    def add(self, name: str, kind: Literal["runtime", "contract"], levels: Levels | str):
        """Add an answer, or why there is none."""
        if isinstance(levels, str):
            self.found.append(Answer(name, kind, -1, reason=levels))
            return
        number = next((k for k, group in enumerate(self.groups)
                       if _equal(group.levels, levels)), len(self.groups))
        if number == len(self.groups):
            self.groups.append(self._group(levels))
        own = self.groups[number]
        self.found.append(Answer(name, kind, number, own.far.count, own.far.largest, own.first,
                                 own.outputs.count, own.outputs.largest, own.accuracy))

    def _group(self, levels: Levels) -> _Group:
        if isinstance(levels, np.ndarray) and levels.dtype.kind == "i":
            levels = levels.astype(np.int64)  # arithmetic on narrow integers would wrap
        name, mine = self.name, self.effects.tensors[self.name]
        far = difference(self.effects.model.network, name, levels, mine)
        first = None
        if far.first is not None:
            value = self.exact(far.first)
            level, reference = (plain(self.effects.model.network, name, each)[far.first]
                                for each in (levels, mine))
            first = First(far.first, None if value is None else str(value),
                          None if value is None else decimal(value), *(
                              each.item() if isinstance(each, np.generic) else each
                              for each in (level, reference)))
        return _Group(packed(levels), far, first, *self.effects.of(name, levels))

    @property
    def agreement(self) -> Literal["all", "runtimes", "differ", "alone"]:
        """Who agrees (:class:`exactmac.explanation.data.Operator`)."""
        given = [each for each in self.found if each.group >= 0]
        runtimes = {each.group for each in given if each.kind == "runtime"}
        if len(runtimes) > 1:
            return "differ"
        if any(each.group for each in given):
            return "runtimes"
        alone = len([each for each in given if each.kind == "runtime"]) < 2 and not any(
            each.kind == "contract" for each in given)
        return "alone" if alone else "all"


def operator(layer: Layer, computed: Computed, effects: Effects,
             runtimes: Mapping[str, Mapping[str, Any]]) -> Operator:
    """Return what is said of one operator.

    Parameters
    ----------
    layer : Layer
    computed : Computed
        What a report says of the layer.
    effects : Effects
        The reference.
    runtimes : mapping of str to mapping of str to array of integers or str
        What each runtime makes of the reference's inputs, or why that is not known, by the names of
        the outputs.
    """
    model, tensors = effects.model, effects.tensors
    answers = Answers(layer.name, effects,
                      lambda place: exact_value(layer, model, tensors, place))
    for name, made in runtimes.items():
        answers.add(name, "runtime", made.get(
            layer.name, "the runtime has no operator with this output"))
    results = _Results(layer, model.network, effects.proof, tensors)
    for name, own in alternatives(layer, model):
        answers.add(name, "contract", own if isinstance(own, str) else results.of(own))
    return _described(answers, computed, layer.inputs, cost_of(layer, model.network))


def quantizer(boundary: Boundary, reals: np.ndarray, effects: Effects, models: Sequence[Model]
              ) -> Operator:
    """Return what is said of an operator that makes an input's levels of real numbers.

    Parameters
    ----------
    boundary : Boundary
    reals : array of float32, ``(samples, *shape)``
        The real numbers.
    effects : Effects
        The reference.
    models : sequence of Model
        The model with the arithmetic of each runtime.
    """
    name = boundary.levels
    own = effects.model.network.quantization(name)

    def exact(place: tuple[int, ...]) -> Fraction:
        return Fraction(float(reals[place])) / Fraction(float(own.step)) + own.scalar_zero_point()

    answers = Answers(name, effects, exact)
    for model in models:
        answers.add(model.runtime, "runtime", levels_of(model, name, reals))
    places = effects.model.tensors
    return _described(answers, Computed(name, places.get(name), boundary.operator,
                                        "float32, rounded", described(own)),
                      (boundary.real,), Cost())


def _described(answers: Answers, computed: Computed, inputs: tuple[str, ...], cost: Cost
               ) -> Operator:
    effects, name = answers.effects, answers.name
    return Operator(
        name, computed.operator, inputs, computed.place,
        effects.model.network.tensors[name].shape, computed.quantization, computed.arithmetic,
        int(np.size(parts(effects.tensors[name])["levels"])), cost, answers.agreement,
        tuple(answers.found))


@dataclass(frozen=True, eq=False)
class _Results:
    # Results of a layer with other contracts. Sums of products are formed once.
    layer: Layer
    network: Network
    proof: Proof
    tensors: Mapping[str, Any]

    @cached_property
    def inputs(self) -> list[Levels]:
        return [self.tensors[name] for name in self.layer.inputs]

    @cached_property
    def sums(self) -> np.ndarray:
        assert isinstance(self.layer, Linear)
        return linear_sums(self.layer, self.inputs[0], self.network)

    def of(self, own: Layer) -> Levels:
        if own is self.layer:
            return self.tensors[own.name]
        unbiased = self.proof.sums.get(own.name)
        special = self.network.quantization(own.inputs[0]).format.propagates
        if isinstance(own, Linear) and unbiased is not None and not special:
            return linear_results(own, self.sums, unbiased)
        # Of sums over axes, the range is proven with the contract.
        kind = kind_of(own)
        return kind.run(own, self.network, self.inputs, kind.prove(own, self.network, None))


def exact_value(layer: Layer, model: Model, tensors: Mapping[str, Any], place: tuple[int, ...]
                ) -> Fraction | None:
    """Exact number of an element, in levels with the zero point, before it is rounded and cut off.

    Parameters
    ----------
    layer : Layer
        Layer of ``model.network``.
    model : Model
    tensors : mapping of str to array of integers or Blocks
        Levels of every tensor.
    place : tuple of int
        Place of the element in the layer's output, the sample first.

    Returns
    -------
    Fraction or None
        None where the layer's arithmetic is none of real numbers: tables, softmax, moves.
    """
    if isinstance(layer.output.format, Float32):
        return None
    if model.exact:
        return QonnxRounding(model, tensors).value(layer.name, place)
    found = exact(layer, model.network, [tensors[name] for name in layer.inputs], place)
    return None if found is None else found.value + layer.output.scalar_zero_point()


def _equal(a: Levels, b: Levels) -> bool:
    return all(map(same_tensors, parts(a).values(), parts(b).values()))
