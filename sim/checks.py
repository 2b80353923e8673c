"""What is refused before a tile is built or simulated, for it would compute something else."""

from dataclasses import fields

import numpy as np

from golden.block_scaled import requantize_tensor
from golden.contracts import Clamped, Contract, ExactSum, Scaled
from golden.formats import Format, IntFormat, LoadedCodebook
from golden.networks import Linear
from hw.config import TileConfig
from sim.backend import Backend

__all__ = ["check_fixed", "check_layer", "check_tile"]


def check_fixed(config: TileConfig):
    """Raise ``ValueError`` where fixed parameters are not the contract's, for every sum there is.

    A result never falls where the sum rises, and neither does what a contract must hold on the
    way: it is enough to try the smallest and the largest sum with the parameters of each channel.
    """
    if config.parameters is None:
        return
    parameters = {name: value for name, value in config.parameters if name != "weight_zero_point"}
    draws = np.ones(config.channels, dtype=np.int64) if config.draws else None
    for end in (config.unbiased.lo, config.unbiased.hi):
        requantize_tensor([end] * config.channels, config.contract, config.output, parameters,
                          unbiased=config.unbiased, draws=draws)


def check_tile(config: TileConfig, backend: Backend):
    """Raise ``ValueError`` where ``backend`` simulates another tile, or none can be ``config``."""
    check_fixed(config)
    if backend.tile is not None and backend.tile != config:
        names = [field.name for field in fields(config)
                 if getattr(config, field.name) != getattr(backend.tile, field.name)]
        raise ValueError("Backend must simulate the tile that is asked for, not one of other "
                         f"{', '.join(names)}")


def check_layer(config: TileConfig, layer: Linear):
    """Raise ``ValueError`` where a layer's sums become results in another way than the tile's."""
    if layer.contract != config.contract:
        raise ValueError(f"Contract of layer {layer.name!r} must be the tile's, "
                         f"{_named(config.contract)}, not {_named(layer.contract)}")
    if not _rounds_alike(config, layer.output.format):
        raise ValueError(f"Output of layer {layer.name!r} must be the tile's, {config.output}, "
                         f"not {layer.output.format}")


def _named(contract: Contract) -> str:
    if not isinstance(contract, Scaled):
        return contract.name
    return f"{contract.name} with {contract.multiplier.width}-bit multipliers"


def _rounds_alike(config: TileConfig, fmt: Format) -> bool:
    own = config.output_format
    # The table of a loaded one is the layer's, and integers are one another's but for the clamp.
    if isinstance(config.contract, ExactSum) or isinstance(own, LoadedCodebook) or (
            isinstance(config.contract, Clamped) and isinstance(own, IntFormat)
            and isinstance(fmt, IntFormat)):
        return True
    return (type(own), own.propagates) == (type(fmt), fmt.propagates) and np.array_equal(
        own.levels(), fmt.levels())
