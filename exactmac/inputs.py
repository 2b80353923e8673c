"""Inputs of a model from files, levels or real numbers that the model quantizes, and labels."""

import argparse
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from golden.block_scaled import Blocks, Levels, parts
from golden.formats import BlockScaled
from golden.networks import Float32, Network, Tensor
from golden.quantize import quantize
from golden.readers import Model, files_of
from golden.readers.borders import levels_of
from golden.readers.contents import opened
from golden.readers.saved import RUNTIME as SAVED

__all__ = ["HELP", "apart", "count_of", "labels_for", "levels", "random_samples", "read_inputs",
           "read_labels", "read_reals"]

MOST_SAMPLES = 4096
"""Most samples of an input."""

HELP = ("levels, or real numbers where the model quantizes them, (samples, *shape): a .npy file, "
        "or a .npz file with an array for each input by its name")
"""Help of the option."""


def read_inputs(path: str, model: Model) -> dict[str, np.ndarray]:
    """Return the samples of each input of a model's network, by name.

    Parameters
    ----------
    path : str
        A ``.npy`` file for a model of one input; a ``.npz`` file has one array for each input, by
        the name of the input or of the file's real numbers. A saved network takes real numbers too.
    model : Model

    Returns
    -------
    dict of str to array, ``(samples, *shape)``
        int64 where they are levels, float32 where they are real numbers.

    Raises
    ------
    OSError, ValueError
        If the file cannot be read, an array is missing, unknown, of another shape or type, or has
        a number that its input cannot take.
    """
    arrays, inputs = _arrays(path, "Inputs"), model.network.inputs
    titles = {each.levels: each.real for each in model.quantize}
    if model.runtime == SAVED:
        titles = {each.name: each.name for each in inputs}
    if isinstance(arrays, np.ndarray):
        if len(inputs) != 1:
            raise ValueError(f"Inputs must be a .npz file for a model of {len(inputs)} inputs, "
                             f"not {path}")
        arrays = {inputs[0].name: arrays}
    else:
        names = {titles.get(each.name, each.name): each.name for each in inputs}
        given = {names.get(name, name): array for name, array in arrays.items()}
        if set(given) != set(names.values()):
            raise ValueError(f"Inputs must be {', '.join(names)}, not "
                             f"{', '.join(arrays) or 'none'}")
        arrays = given
    samples = {each.name: _samples(arrays[each.name], each, each.name in titles)
               for each in inputs}
    if len(counts := {len(each) for each in samples.values()}) > 1:
        raise ValueError(f"Inputs must have as many samples each, not {sorted(counts)}")
    levels(model, samples)  # refuses numbers that are not finite
    return samples


def count_of(inputs: Mapping[str, Levels]) -> int:
    """Return the number of samples."""
    return len(parts(next(iter(inputs.values())))["levels"])


def random_samples(args: argparse.Namespace, default: int) -> int:
    """Return how many random inputs the arguments ask for.

    Raises
    ------
    ValueError
        If there are too few or too many, or their seed is negative.
    """
    samples = default if args.samples is None else args.samples
    if not 1 <= samples <= MOST_SAMPLES:
        raise ValueError(f"Samples must be in range [1, {MOST_SAMPLES}], not {samples}")
    if args.seed < 0:
        raise ValueError(f"Seed must not be negative, not {args.seed}")
    return samples


def apart(output: Path, title: str, args: argparse.Namespace) -> Path:
    """Return a file to be written.

    Raises
    ------
    ValueError
        If it is one that the arguments have as input, or has constants of their model.
    OSError
        If the model's file cannot be read.
    """
    if not output.exists():
        return output
    for name in ("model", "calibration", "inputs", "labels"):
        other = getattr(args, name, None)
        if other is None or not Path(other).exists():
            continue
        for path in files_of(other) if name == "model" else (Path(other),):
            if path.exists() and output.samefile(path):
                what = name if path == Path(other) else f"model's constants {path.name}"
                raise ValueError(f"{title} must be another file than the {what}, not {output}")
    return output


def read_reals(path: str, title: str, shape: Sequence[int]) -> np.ndarray:
    """Return samples of real numbers, as ``float64``.

    Parameters
    ----------
    path : str
        A ``.npy`` file of numbers, ``(samples, *shape)``.
    title : str
        Name of the samples in messages.
    shape : sequence of int
        Shape of a sample.

    Raises
    ------
    OSError, ValueError
        If the file cannot be read, has no samples or other ones, or a number that is not finite in
        float32.
    """
    array = _arrays(path, title)
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{title} must be a .npy file, not {path}")
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{title} must be real numbers, not {array.dtype}")
    array = _without_batch(array, shape)
    if array.ndim < 1 or array.shape[1:] != tuple(shape):
        raise ValueError(f"{title} must have shape (samples, {', '.join(map(str, shape))}), "
                         f"not {array.shape}")
    if not len(array):
        raise ValueError(f"{title} must have one sample at least, not shape {array.shape}")
    _check_finite(array, title)
    return array.astype(np.float64)


def _check_finite(array: np.ndarray, title: str):
    with np.errstate(over="ignore"):
        bad = np.argwhere(~np.isfinite(array.astype(np.float32)))
    if len(bad):
        place = tuple(bad[0].tolist())
        raise ValueError(f"{title} must be finite in float32, not {array[place]} at {place}")


def labels_for(network: Network, path: str | None, samples: int) -> np.ndarray | None:
    """Return the labels in a file for a network with one output; None without a file.

    Raises
    ------
    OSError, ValueError
        If there are several outputs, or :func:`read_labels` would raise it.
    """
    if path is None:
        return None
    output, *others = network.outputs
    if others:
        raise ValueError(f"Labels must be left out for a model of {len(others) + 1} outputs, "
                         f"not {path}")
    return read_labels(path, samples, prod(network.tensors[output].shape))


def read_labels(path: str, samples: int, classes: int) -> np.ndarray:
    """Return the label of each sample: the place of its class among the outputs.

    Parameters
    ----------
    path : str
        A ``.npy`` file of integers, ``(samples,)``.
    samples, classes : int
        Number of samples and of outputs.

    Raises
    ------
    OSError, ValueError
        If the file cannot be read, or has no such label for each sample.
    """
    labels = _arrays(path, "Labels")
    if not isinstance(labels, np.ndarray):
        raise ValueError(f"Labels must be a .npy file, not {path}")
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"Labels must be integers, not {labels.dtype}")
    if classes < 2:
        raise ValueError(f"Labels must be left out for an output of one element, not {path}")
    if labels.shape != (samples,):
        raise ValueError(f"Labels must have shape ({samples},), one for each sample, "
                         f"not {labels.shape}")
    if (bad := labels[(labels < 0) | (labels >= classes)]).size:
        raise ValueError(f"Labels must be in range [0, {classes - 1}] of {classes} outputs, "
                         f"not {bad[0]}")
    return labels.astype(np.int64)


def _arrays(path: str, title: str) -> np.ndarray | dict[str, np.ndarray]:
    # What the file has, without a word of numpy's on what it has not.
    with opened(Path(path), title) as file:
        try:
            if file.read(6) == b"\x93NUMPY":
                # A map of the file: one that claims to be larger than it is has none.
                return np.load(path, mmap_mode="r", allow_pickle=False)
            file.seek(0)
            loaded: Any = np.load(file, allow_pickle=False)
            arrays = {name: loaded[name] for name in loaded.files}
            if all(isinstance(each, np.ndarray) for each in arrays.values()):
                return arrays
        except Exception as error:  # numpy's code of files may fail anywhere
            raise ValueError(f"{title} {_NO_NUMBERS}{path}") from error
    raise ValueError(f"{title} {_NO_NUMBERS}{path}")


_NO_NUMBERS = "must be a .npy or .npz file of numbers, not the contents of "


def _samples(array: np.ndarray, tensor: Tensor, real: bool) -> np.ndarray:
    fmt, is_float = tensor.quantization.format, np.issubdtype(array.dtype, np.floating)
    only = isinstance(fmt, Float32 | BlockScaled)
    real |= only
    if not (is_float if only else np.issubdtype(array.dtype, np.integer) or (is_float and real)):
        kinds = ("real numbers" if only else f"levels, integers of {fmt}" + (
            ", or real numbers" if real else ", where the model quantizes no input itself"))
        raise ValueError(f"Inputs must be {kinds}, not {array.dtype}")
    array = _without_batch(array, tensor.shape)
    if array.ndim < 1 or array.shape[1:] != tensor.shape:
        raise ValueError(f"Inputs must have shape (samples, {', '.join(map(str, tensor.shape))}), "
                         f"not {array.shape}")
    if not 1 <= len(array) <= MOST_SAMPLES:
        raise ValueError(f"Inputs must have from 1 to {MOST_SAMPLES} samples, not {len(array)}")
    if is_float:
        with np.errstate(over="ignore"):
            array = array.astype(np.float32)
    if is_float and not isinstance(fmt, Float32):
        return array
    return np.array(fmt.check(array, "Inputs"))


def _without_batch(array: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    # Files often have the batch of 1 of each sample.
    for axis in (0, 1):
        if array.ndim == len(shape) + 2 and array.shape[axis] == 1:
            array = array.squeeze(axis)
    return array


def levels(model: Model, samples: Mapping[str, Any]) -> dict[str, Any]:
    """Return each input as the network takes it: its levels, or Blocks.

    Real numbers become levels as the model's runtime makes them, but where the network itself has
    an input of float32. Those of a saved network become the nearest levels, in a block-scaled
    format with their exponents (:func:`golden.quantize.quantize`).
    """
    quantized, found = {each.levels for each in model.quantize}, dict(samples)
    for name, each in samples.items():
        if isinstance(each, Blocks) or not np.issubdtype(each.dtype, np.floating):
            continue
        if model.runtime == SAVED:
            _check_finite(each, "Inputs")
            found[name] = quantize(each, model.network.quantization(name))
        elif name in quantized:
            found[name] = levels_of(model, name, each)
    return found
