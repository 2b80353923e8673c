"""LiteRT, with the kernels that the first argument names: every tensor that it keeps."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from exactmac.oracles import samples

__all__ = ["start"]


def start(model: Path) -> Callable[[list[np.ndarray]], Mapping[int, np.ndarray]]:
    """Return a function that runs one sample."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_path=str(model), num_threads=1, experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=getattr(OpResolverType, sys.argv[1]))
    interpreter.allocate_tensors()
    places = [each["index"] for each in interpreter.get_input_details()]
    shown = [each["index"] for each in interpreter.get_tensor_details() if len(each["shape"])]

    def invoke(inputs: list[np.ndarray]) -> Mapping[int, np.ndarray]:
        for place, each in zip(places, inputs, strict=True):
            interpreter.set_tensor(place, each)
        interpreter.invoke()
        kept = {}
        for index in shown:
            try:
                kept[index] = interpreter.get_tensor(index)
            except ValueError:
                continue  # a tensor that a fusion has swallowed
        return kept

    return invoke


if __name__ == "__main__":
    samples.run(start)
