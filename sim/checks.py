"""Checks before a design is built or simulated: it must compute what golden computes."""

import numpy as np

from golden.block_scaled import requantize_tensor
from golden.contracts import Clamped, Contract, ExactSum, MultiplyShift, Scaled
from golden.formats import Format, IntFormat, LoadedCodebook
from golden.networks import Linear, Reduce
from hw.shared import Shared, constructed
from hw.tile.config import TileConfig
from sim.backend import Backend

__all__ = ["check_design", "check_fixed", "check_layer", "check_tile"]


def check_fixed(config: TileConfig):
    """Raise ``ValueError`` if the contract refuses fixed parameters for any possible sum.

    As the sum rises, results and intermediate values never fall or, by a negative multiplier, never
    rise. So it is enough to try the smallest and the largest sum with the parameters of each
    channel.
    """
    if config.parameters is None:
        return
    parameters = {name: value for name, value in config.parameters if name != "weight_zero_point"}
    draws = np.ones(config.channels, dtype=np.int64) if config.draws else None
    for end in (config.unbiased.lo, config.unbiased.hi):
        requantize_tensor([end] * config.channels, config.contract, config.output, parameters,
                          unbiased=config.unbiased, draws=draws)


def check_design(design: TileConfig | Shared, backend: Backend):
    """Raise ``ValueError`` if ``backend`` is known to simulate another tile or component."""
    simulated = backend.design
    if simulated is None:
        return
    if type(simulated) is not type(design):
        raise ValueError(f"Backend must simulate the given {_kind(design)}, "
                         f"not {_kind(simulated)}")
    expected, actual = constructed(design), constructed(simulated)
    if names := [name for name in expected if expected[name] != actual[name]]:
        raise ValueError(f"Backend must simulate the given {_kind(design)}, "
                         f"not one that differs in {', '.join(names)}")


def check_tile(config: TileConfig, backend: Backend):
    """Raise ``ValueError`` if ``backend`` simulates another tile, or ``config`` is refused."""
    check_fixed(config)
    check_design(config, backend)


def check_layer(config: TileConfig, layer: Linear | Reduce):
    """Raise ``ValueError`` if a layer's contract, output or table differs from the tile's."""
    if layer.contract != config.contract:
        raise ValueError(f"Contract of layer {layer.name!r} must be the tile's, "
                         f"{_named(config.contract)}, not {_named(layer.contract)}")
    if not _rounds_alike(config, layer.output.format):
        raise ValueError(f"Output of layer {layer.name!r} must be the tile's, {config.output}, "
                         f"not {layer.output.format}")
    if isinstance(config.lut, tuple):
        table = layer.table if isinstance(layer, Linear) else None
        if table is None or tuple(table.tolist()) != config.lut:
            raise ValueError(f"Table of layer {layer.name!r} must be the tile's")


def _kind(design: object) -> str:
    return "tile" if isinstance(design, TileConfig) else type(design).__name__


def _named(contract: Contract) -> str:
    if not isinstance(contract, Scaled):
        return contract.name
    sign = "signed " * contract.multiplier.signed
    addend = contract.addend if isinstance(contract, MultiplyShift) else None
    return (f"{contract.name} with {sign}{contract.multiplier.width}-bit multipliers"
            + (f" and a {addend.width}-bit addend" if addend else ""))


def _rounds_alike(config: TileConfig, fmt: Format) -> bool:
    output = config.output_format
    # A loaded table is the layer's own; integer formats differ in the clamp only.
    if isinstance(config.contract, ExactSum) or isinstance(output, LoadedCodebook) or (
            isinstance(config.contract, Clamped) and isinstance(output, IntFormat)
            and isinstance(fmt, IntFormat)):
        return True
    return (type(output), output.propagates) == (type(fmt), fmt.propagates) and np.array_equal(
        output.levels(), fmt.levels())
