"""What the adapters have in common: inputs from a file, sample by sample, and tensors to a file."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["run"]


def run(start: Callable[[Path], Callable[[list[np.ndarray]], Mapping[int, np.ndarray]]]):
    """Run a model as the command line's last three arguments say: model, inputs, outputs.

    Parameters
    ----------
    start : callable
        Function of the model's path that returns a function of one sample's inputs, which returns
        the tensors of that sample by index.
    """
    model, inputs, outputs = map(Path, sys.argv[-3:])
    with np.load(inputs) as archive:
        arrays = [archive[str(k)] for k in range(len(archive.files))]
    invoke = start(model)
    samples = [dict(invoke([each[k:k + 1] for each in arrays])) for k in range(len(arrays[0]))]
    shown: dict[str, Any] = {str(index): np.concatenate([sample[index] for sample in samples])
                             for index in samples[0]}
    np.savez(outputs, **shown)
