"""Golden and a runtime on the same inputs: every tensor of a model, element by element."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal, localcontext
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from exactmac.inputs import levels
from exactmac.oracles import Runtime, dtype_of, tensors
from exactmac.oracles.probe import uncertain
from exactmac.rounding import Rounding, rounding_of
from golden.block_scaled import Blocks
from golden.formats import BLOCK, BlockScaled
from golden.networks import Float32, Network
from golden.readers import Model, read_model
from golden.readers.borders import reals_of
from golden.run import run

__all__ = ["Comparison", "Difference", "Observed", "compare", "counted", "decimal", "inputs_for",
           "observed"]


@dataclass(frozen=True)
class Difference:
    """The first element in which golden and a runtime differ.

    Parameters
    ----------
    tensor, operator : str
    index : tuple of int
        Place of the element, the sample first.
    golden, runtime : int or float
        Levels, or numbers of float32.
    exact : str or None
        Exact number that golden rounded to its level, in levels, with 20 digits; None where golden
        has another arithmetic than exact.
    """

    tensor: str
    operator: str
    index: tuple[int, ...]
    golden: int | float
    runtime: int | float
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
        exact number (:mod:`exactmac.rounding`). They are no mismatches.
    first_rounded : Difference or None
        The first of them.
    wrong : tuple of str
        Tensors with mismatches.
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
    wrong: tuple[str, ...] = ()


def inputs_for(network: Network, samples: int, seed: int) -> dict[str, Any]:
    """Return random levels for each input, over the whole range of its format.

    Inputs of float32 are drawn from the standard normal distribution. Blocks have any exponents of
    their tensor.
    """
    rng, inputs = np.random.default_rng(seed), {}
    for each in network.inputs:
        own, shape = each.quantization, (samples, *each.shape)
        if isinstance(own.format, Float32):
            inputs[each.name] = rng.standard_normal(shape, np.float32)
            continue
        inputs[each.name] = levels = rng.choice(own.format.levels(), shape)
        if isinstance(own.format, BlockScaled):
            inputs[each.name] = Blocks(levels, rng.integers(
                own.exponents.lo, own.exponents.hi + 1, (*shape[:-1], -(-shape[-1] // BLOCK))))
    return inputs


def compare(model: Path, runtime: Runtime, inputs: Mapping[str, np.ndarray] | None = None, *,
            samples: int = 32, seed: int = 0, read: Model | None = None) -> Comparison:
    """Compare every tensor of a model with a runtime, as :func:`counted` does.

    Parameters
    ----------
    model : Path
    runtime : Runtime
    inputs : mapping of str to array, optional
        Levels of each input, ``(samples, *shape)``, or the float32 numbers that the model
        quantizes; by default random levels.
    samples, seed : int
        Number of random inputs, and their seed.
    read : Model, optional
        The model as read with the runtime's arithmetic; by default it is read.

    Raises
    ------
    ToolMissing, ToolFailed
        If the runtime is not installed, refuses the model, crashes or takes too long.
    ValueError, OSError
        If the model cannot be read, or the inputs do not fit it.
    """
    read = read_model(model, runtime.name) if read is None else read
    given = inputs_for(read.network, samples, seed) if inputs is None else inputs
    return observed(model, runtime, read, given).comparison


class Observed(NamedTuple):
    """A runtime that has run.

    Parameters
    ----------
    comparison : Comparison
    inputs : dict of str to array of integers
        Levels of each input of the network, as the runtime has them.
    tensors : dict of str to array
        Tensors that the runtime shows, by their names in the network and in its layout.
    """

    comparison: Comparison
    inputs: dict[str, np.ndarray]
    tensors: dict[str, np.ndarray]


def observed(model: Path, runtime: Runtime, read: Model, given: Mapping[str, np.ndarray]
             ) -> Observed:
    """Run a model in a runtime, and compare golden with every tensor that it shows.

    Parameters and errors as of :func:`compare`; ``given`` are its inputs.
    """
    version = runtime.require()
    # ONNX Runtime runs without the operators in front of the levels.
    real = {each.levels for each in read.quantize} if runtime.kind != "onnx" else set()
    if runtime.kind == "qonnx":
        # Float32 numbers of levels need not give these back: QONNX has roundings with borders at
        # whole numbers.
        given = {name: _elements(read, name, each, True) for name, each in given.items()}
    own = levels(read, given)
    shown = tensors(runtime, model, [
        _elements(read, name, (given if name in real else own)[name], name in real)
        for name in read.inputs])
    return Observed(counted(read, own, shown, runtime, version, real), own,
                    _in_network(read, read.tensors, shown))


def counted(read: Model, inputs: Mapping[str, np.ndarray], shown: Mapping[int, np.ndarray],
            runtime: Runtime, version: str, quantized: Collection[str] = ()) -> Comparison:
    """Compare golden with the tensors that a runtime shows.

    Golden computes each layer of the levels that the runtime has for the layer's inputs, where the
    runtime shows them: a difference does not make others behind it. A difference is a mismatch
    unless golden is exact there and the runtime's float32 makes it.

    Parameters
    ----------
    read : Model
    inputs : mapping of str to array of integers
        Levels of each input, ``(samples, *shape)``.
    shown : mapping of int to array
        Tensors of the runtime, by their place in the file (:func:`exactmac.oracles.tensors`).
    runtime : Runtime
    version : str
        Installed version of the runtime.
    quantized : collection of str
        Inputs whose levels the runtime made of real numbers.
    """
    network = read.network
    theirs, reals = (_in_network(read, places, shown) for places in (read.tensors, read.reals))
    own = run(network, inputs, given=theirs)
    rounding = rounding_of(read, {**own, **theirs}, reals)
    excluded = uncertain(network, runtime, read.reals)
    count = elements = mismatches = rounded = 0
    hidden, wrong, first, first_rounded = [], [], None, None
    operators = {each.levels: each.operator for each in read.quantize if each.levels in quantized}
    operators |= {layer.name: type(layer).__name__ for layer in network.layers}
    for name, operator in operators.items():
        if name not in read.tensors or name in excluded:
            continue
        if name not in theirs:
            hidden.append(name)
            continue
        pair = own[name], theirs[name]
        differ = _bits(pair[0]) != _bits(pair[1])
        if differ.any() and name not in inputs:
            by_rounding = differ & rounding.explained(name, *pair)
            rounded += int(by_rounding.sum())
            differ &= ~by_rounding
            first_rounded = first_rounded or _first(name, operator, by_rounding, pair, rounding)
        first = first or _first(name, operator, differ, pair, rounding)
        count, elements = count + 1, elements + differ.size
        mismatches += int(differ.sum())
        if differ.any():
            wrong.append(name)
    return Comparison(runtime.name, version, count, elements, mismatches, tuple(hidden), first,
                      tuple(name for name in excluded if name in read.tensors), rounded,
                      first_rounded, tuple(wrong))


def _in_network(read: Model, places: Mapping[str, int | str], shown: Mapping[int, np.ndarray]
                ) -> dict[str, np.ndarray]:
    # Tensors that a runtime shows, in the network's layout.
    found = {}
    for name, place in places.items():
        if place in shown:
            array = shown[int(place)]
            array = array if array.dtype == np.float32 else array.astype(np.int64)
            if name in read.channels_last:
                array = np.moveaxis(array, 1, -1)
            found[name] = array.reshape(len(array), *read.network.tensors[name].shape)
    return found


def _bits(array: np.ndarray) -> np.ndarray:
    # Numbers of float32 are equal if their bits are.
    return np.ascontiguousarray(array).view(np.int32) if array.dtype == np.float32 else array


def _first(name: str, operator: str, differ: np.ndarray, pair: tuple[np.ndarray, np.ndarray],
           rounding: Rounding) -> Difference | None:
    if not differ.any():
        return None
    place = tuple(np.argwhere(differ)[0].tolist())
    exact = rounding.value(name, place)
    mine, theirs = (each[place].item() for each in pair)
    return Difference(name, operator, place, mine, theirs,
                      None if exact is None else decimal(exact))


def decimal(value: Fraction) -> str:
    """Return a number with 20 digits, so many that a tie is told from what is only near one."""
    with localcontext() as context:
        context.prec = 20
        return f"{Decimal(value.numerator) / Decimal(value.denominator)}"


def _elements(model: Model, name: str, x: np.ndarray, real: bool) -> np.ndarray:
    # Elements of an input of the file: levels, or the real numbers that its operator quantizes.
    if real:
        return x if np.issubdtype(x.dtype, np.floating) else reals_of(model, name, x)
    return x.astype(dtype_of(model.network.quantization(name).format))
