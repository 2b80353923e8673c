"""Workflows whose networks :mod:`golden.train` trained: each is named by the formats of a tile."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from statistics import fmean

from exactmac.networks.digits import check_chain
from golden.contracts import Contract
from golden.formats import Format, parse
from golden.networks import Linear
from golden.train import Result, load, results
from hw.tile.config import TileConfig

__all__ = ["POST", "SCRATCH", "TUNED", "committed", "float_accuracy", "tile_for", "workflow_of"]

POST, SCRATCH, TUNED = "post-training", "trained", "fine-tuned"
"""Workflows: quantized after training; trained with quantized weights and inputs from the first
step; quantized, then trained on."""


def workflow_of(result: Result) -> str:
    """Return the workflow of a result that is not a float network's."""
    if result.workflow == "post":
        return POST
    return SCRATCH if result.start == "scratch" else TUNED


@cache
def _by_formats(data: str, workflow: str) -> Mapping[tuple[Format, Format], Result]:
    # Of several results of the same formats, that of the best validation accuracy, the first of
    # equals. A codebook is another one in each layer, which no formats of one tile say.
    found: dict[tuple[Format, Format], Result] = {}
    for each in results().values():
        if (each.data != data or each.workflow == "float" or workflow_of(each) != workflow
                or each.weights.startswith("codebook") or each.input != each.activations):
            continue
        formats = parse(each.weights), parse(each.activations)
        if formats not in found or fmean(each.validation) > fmean(found[formats].validation):
            found[formats] = each
    return found


@cache
def _contracts(name: str) -> tuple[Contract, ...]:
    return tuple(layer.contract for layer in load(name).layers if isinstance(layer, Linear))


def committed(data: str, workflow: str, config: TileConfig) -> Result:
    """Return the result whose network has the formats of a tile.

    Parameters
    ----------
    data, workflow : str
    config : TileConfig
        Tile of the network's first layer.

    Raises
    ------
    ValueError
        If no result has these formats, or the tile is for other numbers than its network's.
    """
    known = _by_formats(data, workflow)
    if (config.weights, config.activations) not in known:
        formats = ", ".join(f"{weights} x {inputs}" for weights, inputs in known)
        raise ValueError("Weights and activations must be those of a committed network, "
                         f"{formats}, not {config.weights} x {config.activations}")
    check_chain(config)
    found = known[config.weights, config.activations]
    for own in _contracts(found.name):
        if own != config.contract:
            raise ValueError(f"Contract must be that of the committed network, {own.name} of "
                             f"{own.multiplier_bits} bits, not {config.contract.name} of "
                             f"{config.contract.multiplier_bits} bits")
    for name, value in (("zero_points", "none"), ("lut", None)):
        if (own := getattr(config, name)) != value:
            raise ValueError(f"{name.replace('_', ' ').capitalize()} must be "
                             f"{value or 'left out'} for a committed network, not {own}")
    return found


def tile_for(config: TileConfig, layer: Linear) -> TileConfig:
    """Return a tile with the output of a layer: a trained network's last one has 16 bits."""
    return replace(config, output=layer.output.format)


def float_accuracy(data: str) -> float:
    """Return the test accuracy of the float network of the committed networks' seed."""
    return results()[f"{data}-float"].test[0]
