"""Golden and a runtime on the same inputs: every tensor of a model, element by element."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from pathlib import Path

import numpy as np

from exactmac.inputs import levels
from exactmac.oracles import Runtime, tensors
from exactmac.oracles.probe import uncertain
from exactmac.oracles.rounding import Rounding, own_levels
from golden.formats import IntFormat
from golden.networks import Network
from golden.readers import Model, read_model
from golden.readers.borders import reals_of
from golden.run import run
from hw.flow.tools import require

__all__ = ["Comparison", "Difference", "compare", "inputs_for"]


@dataclass(frozen=True)
class Difference:
    """The first element in which golden and a runtime differ.

    Parameters
    ----------
    tensor, operator : str
    index : tuple of int
        Place of the element, the sample first.
    golden, runtime : int
        Levels.
    exact : str or None
        Exact number that golden rounded to its level, in levels, with 20 digits; None where golden
        has another arithmetic than exact.
    """

    tensor: str
    operator: str
    index: tuple[int, ...]
    golden: int
    runtime: int
    exact: str | None = None

    def __str__(self) -> str:
        exact = "" if self.exact is None else f", exact {self.exact}"
        return (f"tensor {self.tensor!r} ({self.operator}) at {self.index}: golden {self.golden}, "
                f"runtime {self.runtime}{exact}")


@dataclass(frozen=True)
class Comparison:
    """A model in golden and in a runtime.

    Parameters
    ----------
    runtime, version : str
        Name and installed version of the runtime.
    tensors, elements : int
        Number of tensors and of their elements that were compared.
    mismatches : int
        Number of elements that differ.
    hidden : tuple of str
        Tensors that the runtime does not show.
    first : Difference or None
    excluded : tuple of str
        Tensors that are not compared, as the runtime orders their float32 operations, or those of
        their inputs, otherwise on this processor.
    rounded : int
        Number of elements that differ by the runtime's float32 alone: golden has the level of the
        exact number (:mod:`exactmac.oracles.rounding`). They are no mismatches.
    first_rounded : Difference or None
        The first of them.
    """

    runtime: str
    version: str
    tensors: int
    elements: int
    mismatches: int
    hidden: tuple[str, ...]
    first: Difference | None
    excluded: tuple[str, ...] = ()
    rounded: int = 0
    first_rounded: Difference | None = None


def inputs_for(network: Network, samples: int, seed: int) -> dict[str, np.ndarray]:
    """Return random levels for each input, over the whole range of its format."""
    rng = np.random.default_rng(seed)
    return {each.name: rng.choice(each.quantization.format.levels(), (samples, *each.shape))
            for each in network.inputs}


def compare(model: Path, runtime: Runtime, inputs: Mapping[str, np.ndarray] | None = None, *,
            samples: int = 32, seed: int = 0) -> Comparison:
    """Compare every tensor of a model with a runtime.

    Parameters
    ----------
    model : Path
    runtime : Runtime
    inputs : mapping of str to array, optional
        Levels of each input, ``(samples, *shape)``, or the float32 numbers that the model
        quantizes; by default random levels.
    samples, seed : int
        Number of random inputs, and their seed.

    Raises
    ------
    ToolMissing, ToolFailed
        If the runtime is not installed, refuses the model, crashes or takes too long.
    ValueError, OSError
        If the model cannot be read, or the inputs do not fit it.
    """
    version = runtime.require()
    require("tflite" if runtime.kind == "tflite" else "onnx", runtime.kind,
            "pip install 'exactmac[models]'")
    read = read_model(model, runtime.name)
    network = read.network
    given = inputs_for(network, samples, seed) if inputs is None else inputs
    # ONNX Runtime runs without the operators in front of the levels.
    real = {each.levels for each in read.quantize} if runtime.kind != "onnx" else set()
    if runtime.kind == "qonnx":
        # Float32 numbers of levels need not give these back: QONNX has roundings with borders at
        # whole numbers.
        given = {name: _elements(read, name, each, True) for name, each in given.items()}
    taken = levels(read, given)
    shown = _placed(read, tensors(runtime, model, [
        _elements(read, name, (given if name in real else taken)[name], name in real)
        for name in read.inputs]))
    rounding = None
    if runtime.kind == "qonnx":
        rounding = Rounding(read, {**taken, **shown})
        own = {**taken, **own_levels(read, rounding.given)}
    else:
        own = run(network, taken)
    excluded = uncertain(network, runtime)
    count = elements = mismatches = rounded = 0
    hidden, first, first_rounded = [], None, None
    operators = {each.levels: each.operator for each in read.quantize if each.levels in real} | {
        layer.name: type(layer).__name__ for layer in network.layers}
    for name, operator in operators.items():
        if name not in read.tensors or name in excluded:
            continue
        if name not in shown:
            hidden.append(name)
            continue
        mine = own[name]
        theirs = shown[name].reshape(mine.shape)
        differ = theirs != mine
        title = name, operator
        if rounding is not None and differ.any() and name not in taken:
            by_rounding = differ & rounding.explained(name, mine, theirs)
            rounded += int(by_rounding.sum())
            differ &= ~by_rounding
            first_rounded = first_rounded or _first(title, by_rounding, mine, theirs, rounding)
        first = first or _first(title, differ, mine, theirs, rounding)
        count, elements = count + 1, elements + theirs.size
        mismatches += int(differ.sum())
    return Comparison(runtime.name, version, count, elements, mismatches, tuple(hidden), first,
                      tuple(name for name in excluded if name in read.tensors), rounded,
                      first_rounded)


def _placed(read: Model, shown: Mapping[int, np.ndarray]) -> dict[str, np.ndarray]:
    # Levels by the network's tensors, in its layout.
    placed = {}
    for name, index in read.tensors.items():
        if index in shown:
            levels = shown[int(index)].astype(np.int64)
            placed[name] = np.moveaxis(levels, 1, -1) if name in read.channels_last else levels
    return placed


def _first(title: tuple[str, str], differ: np.ndarray, mine: np.ndarray, theirs: np.ndarray,
           rounding: Rounding | None) -> Difference | None:
    if not differ.any():
        return None
    place = tuple(np.argwhere(differ)[0].tolist())
    exact = None if rounding is None else rounding.value(title[0], place)
    return Difference(*title, place, int(mine[place]), int(theirs[place]),
                      None if exact is None else _decimal(exact))


def _decimal(value: Fraction) -> str:
    # So many digits that a tie is told from what is only near one.
    with localcontext() as context:
        context.prec = 20
        return f"{Decimal(value.numerator) / Decimal(value.denominator)}"


def _elements(model: Model, name: str, x: np.ndarray, real: bool) -> np.ndarray:
    # Elements of an input of the file: levels, or the real numbers that its QUANTIZE takes.
    if real:
        return x if np.issubdtype(x.dtype, np.floating) else reals_of(model, name, x)
    fmt = model.network.quantization(name).format
    assert isinstance(fmt, IntFormat)
    return x.astype(f"{'int' if fmt.signed else 'uint'}{fmt.bits}")
