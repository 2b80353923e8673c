"""LiteRT's own optimized kernels, told by their results.

They multiply by a library, ruy, whose rounding depends on the processor; golden does not claim it.
An operator has the arithmetic of one of LiteRT's other kernels if that gives every element that it
makes; else what it answers to other inputs is not known.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from exactmac.comparison import Comparison, Observed, observed
from exactmac.explanation.readings import same_tensors
from exactmac.oracles import RUNTIMES
from golden.readers import RUNTIMES as READ
from golden.readers import Model, UnsupportedModel, read_model
from golden.run import run

__all__ = ["NAME", "told"]

NAME = "litert-builtin"
"""Name of the runtime."""


def told(path: Path, model: Model, given: Mapping[str, np.ndarray]
         ) -> tuple[Model, Observed, list[str]]:
    """Run LiteRT's own kernels, and find the arithmetic of each operator.

    Parameters
    ----------
    path : Path
    model : Model
        The model, as read with another runtime's arithmetic.
    given : mapping of str to array
        Inputs, as of :func:`exactmac.comparison.compare`.

    Returns
    -------
    model : Model
        The model with the arithmetic that was found.
    observed : Observed
    unknown : list of str
        Outputs of the operators of which none was found.

    Raises
    ------
    ToolFailed
        If the runtime fails.
    """
    seen = observed(path, RUNTIMES[NAME], model, given)
    found = {}
    for name in READ["tflite"]:
        try:
            network = read_model(path, name).network
        except UnsupportedModel:
            continue
        made = run(network, seen.inputs, given=seen.tensors)
        for layer in network.layers:
            if same_tensors(made[layer.name], seen.tensors.get(layer.name, made[layer.name])):
                found.setdefault(layer.name, layer)
    unknown = [layer.name for layer in model.network.layers if layer.name not in found]
    shown = [each for name, each in seen.tensors.items()
             if name in found and name not in seen.inputs]
    comparison = replace(seen.comparison, tensors=len(shown), mismatches=0, first=None,
                         elements=sum(each.size for each in shown))
    assert isinstance(comparison, Comparison)
    network = replace(model.network, layers=tuple(
        found.get(layer.name, layer) for layer in model.network.layers))
    return replace(model, network=network, runtime=NAME), seen._replace(
        comparison=comparison), unknown
