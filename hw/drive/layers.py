"""Jobs of a tile from a layer of sums and its input: the whole host side of a layer."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from golden.block_scaled import Blocks, Levels, parts
from golden.formats import EXPONENT_BIAS, Codebook, LoadedCodebook
from golden.networks import Dense, Linear, Quantization, Reduce
from hw.drive.lower import Lowering, lower
from hw.drive.schedule import Phase, fold, matmul_phases, matmul_results
from hw.tile.config import TileConfig

__all__ = ["LayerSchedule", "layer_schedule"]


@dataclass(frozen=True, eq=False)
class LayerSchedule:
    """Jobs of a layer, and the way from their results to its output.

    Parameters
    ----------
    lowering : Lowering
    products : tuple of tuple of Phase
        Phases of each product of the lowering.
    """

    lowering: Lowering
    products: tuple[tuple[Phase, ...], ...]

    @property
    def phases(self) -> list[Phase]:
        """Phases of all products, in order."""
        return [phase for phases in self.products for phase in phases]

    def output(self, results: Levels) -> Levels:
        """Return the output tensor.

        Parameters
        ----------
        results : array ``(jobs, rows, cols)``, or Blocks
            Results of the jobs of :attr:`phases`.
        """
        shape, matrices = self.lowering.shape, []
        for product, own in zip(self.lowering.products, self._cut(results), strict=True):
            *vectors, channels = product.results.counts
            matrices.append((product, matmul_results(*own, prod(vectors), channels)))
        [(product, first), *others] = matrices
        if isinstance(first, Blocks):
            return Blocks(first.levels.reshape(shape), first.exponents.reshape(*shape[:-1], -1))
        output = np.empty(shape, dtype=first.dtype)
        for product, matrix in matrices:
            product.scatter(matrix, output)
        return output

    def _cut(self, results: Levels) -> Iterator[tuple[tuple[Phase, ...], Levels]]:
        # The phases of each product, and the results of their jobs.
        start = 0
        for phases in self.products:
            jobs = slice(start, start + sum(len(phase.beats) for phase in phases))
            own = {name: each[jobs] for name, each in parts(results).items()}
            yield phases, Blocks(**own) if isinstance(results, Blocks) else own["levels"]
            start = jobs.stop


def layer_schedule(config: TileConfig, layer: Linear | Reduce, input: Quantization, x: Levels
                   ) -> LayerSchedule:
    """Cut a layer of sums into the jobs of a tile.

    The base of block-scaled operands is the unit of golden's sums: the least exponent that the
    layer's input may have, plus the least exponent of its weights.

    Parameters
    ----------
    config : TileConfig
    layer : Dense, Conv2d, TransposeConv2d or Reduce
    input : Quantization
        Quantization of the input tensor.
    x : array ``(batch, *shape)``, or Blocks
        Levels of the input tensor.

    Raises
    ------
    TypeError, ValueError
        If :func:`~hw.drive.lower.lower` refuses the layer, or :func:`~hw.drive.schedule.fold` or
        :func:`~hw.drive.schedule.matmul_phases` one of its products; if the layer is a Reduce, and
        the tile's weights have no level 1.
    """
    if isinstance(layer, Reduce) and not config.weights.contains(1):
        raise ValueError(f"Weights must be a format with level 1 for the sums of layer "
                         f"{layer.name!r}, not {config.weights}")
    if isinstance(x, Blocks) and not isinstance(layer, Dense):
        raise ValueError(f"Layer must be a Dense one to take blocks, not {type(layer).__name__} "
                         f"{layer.name!r}")
    levels = parts(x)["levels"]
    lowering = lower(layer, levels.shape, input, columns=config.cols, depth=config.depth)
    padded, tables = lowering.padded(levels), _codebooks(config, layer, input)
    linear = isinstance(layer, Linear)
    exponents, base = {}, input.exponents.lo
    if isinstance(x, Blocks):
        exponents["activations"] = x.exponents.reshape(-1, x.exponents.shape[-1])
    if linear and layer.exponents is not None:
        exponents["weights"] = layer.exponents
        base += int(layer.exponents.min())
    else:
        base += EXPONENT_BIAS
    # A fixed table is in the tile.
    table = layer.table if linear and not isinstance(config.lut, tuple) else None
    products = []
    for product in lowering.products:
        parameters = fold(config, product.weights, product.parameters,
                          zero_point=lowering.level, codebooks=tables,
                          weight_zero_points=product.weight_zero_points)
        products.append(tuple(matmul_phases(
            config, product.gather(padded), product.weights, parameters,
            first_draw=layer.seed if linear else 1, places=product.first_places, table=table,
            codebooks=tables, exponents=exponents, base=base)))
    return LayerSchedule(lowering, tuple(products))


def _codebooks(config: TileConfig, layer: Linear | Reduce, input: Quantization
               ) -> Mapping[str, Codebook]:
    # Codebooks that the tile loads for a layer's operands and output.
    formats = {"activations": input.format, "output": layer.output.format}
    if isinstance(layer, Linear):
        formats["weights"] = layer.weight.format
    return {name: fmt.check_table(formats[name]) for name in formats
            if isinstance(fmt := getattr(config, name), LoadedCodebook)}
