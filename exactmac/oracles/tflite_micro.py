"""tflite-micro: every tensor that an operator computes."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from exactmac.oracles import samples
from golden.readers.tflite.file import parse

__all__ = ["start"]

ARENAS = tuple(1 << bits for bits in range(20, 31, 2))
"""Bytes of working memory that are tried in turn."""


def start(model: Path) -> Callable[[list[np.ndarray]], Mapping[int, np.ndarray]]:
    """Return a function that runs one sample."""
    from tflite_micro.python.tflite_micro import runtime

    for arena in ARENAS:
        try:
            interpreter = runtime.Interpreter.from_bytes(
                model.read_bytes(), arena_size=arena,
                intrepreter_config=runtime.InterpreterConfig.kPreserveAllTensors)
            break
        except RuntimeError:
            if arena == ARENAS[-1]:
                raise
    computed = [each.index for op in parse(model).operators for each in op.outputs]

    def invoke(inputs: list[np.ndarray]) -> Mapping[int, np.ndarray]:
        for place, each in enumerate(inputs):
            interpreter.set_input(each, place)
        interpreter.invoke()
        return {index: interpreter.GetTensor(index, 0)["tensor_data"].copy() for index in computed}

    return invoke


if __name__ == "__main__":
    samples.run(start)
