"""Exponents of block-scaled operands, for a matrix and for its beats."""

from collections.abc import Mapping

import numpy as np

from golden.block_scaled import blocks_of, shifts
from golden.formats import BLOCK, EXPONENT, EXPONENT_BIAS, BlockScaled, integers
from hw.tile.config import TileConfig

__all__ = ["check_bases", "scaled_operands", "checked", "of_beats"]


def scaled_operands(config: TileConfig) -> list[str]:
    """Names of the block-scaled operands among ``activations`` and ``weights``."""
    return [name for name in ("activations", "weights")
            if isinstance(getattr(config, name), BlockScaled)]


def checked(config: TileConfig, exponents: Mapping[str, np.ndarray], base: int | None,
            shapes: Mapping[str, tuple[int, ...]]) -> tuple[dict[str, np.ndarray], int]:
    """Codes of the exponents of each block-scaled operand, by name, and the base.

    Parameters
    ----------
    config : TileConfig
    exponents : mapping of str to array ``(vectors, ceil(K / 32))``
        Codes of the exponents; 127 everywhere for a missing operand.
    base : int or None
        Base of the jobs; None for the least combined exponent of any two blocks.
    shapes : mapping of str to ``(vectors, K)``
        Shapes of the operands.

    Raises
    ------
    ValueError
        If exponents do not fit the operand or the tile, or a block is outside of the window.
    """
    scaled = scaled_operands(config)
    for name in exponents:
        if name not in scaled:
            raise ValueError(f"Exponents of {name} must be left out for "
                             f"{getattr(config, name)}, which is not block-scaled")
    codes = {}
    for name in scaled:
        vectors, depth = shapes[name]
        shape = (vectors, -(-depth // BLOCK))
        codes[name] = np.asarray(exponents.get(name, np.full(shape, EXPONENT_BIAS)))
        blocks_of(codes[name], (vectors, depth))
    if base is None:
        base = sum(int(codes[name].min()) if name in codes else EXPONENT_BIAS
                   for name in ("activations", "weights"))
    check_bases(base)
    if codes:
        # Each vector of one operand meets each vector of the other, so the ends of a block's
        # exponents suffice.
        ends = [np.stack([each.min(axis=0), each.max(axis=0)], axis=-1) for each in (
            codes.get(name, np.full((1, -(-shapes[name][1] // BLOCK)), EXPONENT_BIAS))
            for name in ("activations", "weights"))]
        shifts(*ends, base=base, window=config.window)
    return codes, base


def check_bases(base) -> np.ndarray:
    """Return bases as an array; raise if one is no combined code of exponents."""
    if base is None:
        raise ValueError("Base must be given where operands are block-scaled, not None")
    bases = integers(base, "Base")
    bad = bases[(bases < 0) | (bases > 2 * EXPONENT.max)]
    if bad.size:
        raise ValueError(f"Base must be in range [0, {2 * EXPONENT.max}], not {bad.flat[0]}")
    return bases


def of_beats(config: TileConfig, codes: np.ndarray, vectors: int, beats: int) -> np.ndarray:
    """Exponents of the beats of ``vectors``; vectors beyond ``codes`` repeat the last one.

    Returns
    -------
    array ``(vectors, beats)``
    """
    padded = np.pad(codes, ((0, vectors - len(codes)), (0, 0)), mode="edge")
    return padded[:, np.arange(beats) * config.lanes // BLOCK]
