"""Description of a tile as one small immutable value, and all that follows from it."""

from dataclasses import dataclass, replace
from functools import cached_property

from golden import contracts
from golden.contracts import WORD_BITS, Contract, Scaled, Stochastic, Thresholds, title_of
from golden.formats import (
    BLOCK,
    BlockScaled,
    Codebook,
    Format,
    IntFormat,
    LoadedCodebook,
    element_of,
)
from golden.inner_products import Folded, check_formats, products_range, sums_range
from golden.ranges import Range, check_ends, dot_range, levels_range
from hw.requantize.thresholds import PARALLEL_BITS, apart
from hw.targets.fabric import FABRICS, Fabric
from hw.tile.choices import TileChoices, usual_zero_points
from hw.tile.prepared import may_be_prepared, prepared_formats

__all__ = ["TileConfig", "CODE_BITS", "LUT_WORDS"]

_MOST_MACS = 1 << 14

CODE_BITS = 8
"""Width of a table's input and output codes."""

LUT_WORDS = (CODE_BITS << CODE_BITS) // WORD_BITS
"""Words of a table: code ``k`` at bits ``[8 * (k % 4), 8 * (k % 4) + 8)`` of word ``k // 4``."""


@dataclass(frozen=True, kw_only=True)
class TileConfig(TileChoices):
    """Everything that decides what a :class:`~hw.tile.tile.MacTile` is, and what follows from it.

    A job computes ``rows * cols`` sums: ``rows`` activation vectors by ``cols`` weight vectors.

    Parameters
    ----------
    **choices
        Choices of :class:`~hw.tile.choices.TileChoices`. Fixed parameters are kept in the order
        of the record; equal levels for every channel become one.

    Raises
    ------
    TypeError, ValueError
        If a choice is not allowed, or the contract does not take the sums.
    """

    def __post_init__(self):
        super().__post_init__()
        if self.macs > _MOST_MACS:
            raise ValueError(f"Rows * cols * lanes must be at most {_MOST_MACS}, not {self.macs}")
        if self.lanes > self.depth:
            raise ValueError(f"Lanes must be at most the depth {self.depth}, not {self.lanes}")
        if self.cols % self.outputs:
            raise ValueError(
                f"Outputs must divide the {self.cols} cols, not be {self.outputs}")
        for name, zero_points in (("activations", ("activations", "both")), ("weights", ("both",))):
            fmt = getattr(self, name)
            if self.zero_points in zero_points and not isinstance(fmt, IntFormat):
                raise ValueError(f"Zero points must be none where {name} have a format without "
                                 f"them, {fmt}, not {self.zero_points!r}")
        if self.inner_product != "direct":
            self._check_folded(self.inner_product)
        if isinstance(self.output, BlockScaled):
            self._check_output_blocks()
        if self.block_scaled:
            self._check_blocks()
        elif self.window != TileConfig.window:
            raise ValueError("Window must be left out where no operand is block-scaled, "
                             f"not {self.window}")
        if isinstance(self.output, LoadedCodebook) and isinstance(self.contract, Thresholds):
            raise ValueError("Output must be a format whose levels are known for contract "
                             f"{self.contract.name}, which loads the borders between them, "
                             f"not {self.output}")
        if self.propagates and not (self.output is not None and self.output.propagates):
            raise ValueError("Output must be a format whose specials propagate, as an operand's "
                             f"do, not {self.output}")
        self.contract.fields(self.unbiased, self.contract.output_format(self.unbiased, self.output))
        if self.lut is not None:
            self._check_lut()
        if self.parameters is not None:
            self._check_parameters()
        if self.prepared:
            self._check_prepared()

    def _check_folded(self, kind: Folded):
        if not self.fabric.heaps:
            raise ValueError("Inner product must be direct for target "
                             f"{self.target}, which has no carry cells, not {kind}")
        check_formats(kind, self.weights, self.activations, self.lanes)
        if self.zero_points == "both":
            raise ValueError("Inner product must be direct where weights have zero points, "
                             f"not {kind}")
        if self.parameters is not None:
            raise ValueError("Inner product must be direct where parameters are fixed, since their "
                             f"bias is to have a term of the weights, not {kind}")

    def _check_blocks(self):
        if BLOCK % self.lanes:
            raise ValueError(f"Lanes must divide the {BLOCK} elements of a block where operands "
                             f"are block-scaled, not be {self.lanes}")
        if self.zero_points != "none":
            raise ValueError("Zero points must be none where operands are block-scaled, "
                             f"not {self.zero_points!r}")

    def _check_output_blocks(self):
        if self.cols % BLOCK:
            raise ValueError(f"Cols must be a multiple of the {BLOCK} results of a block where "
                             f"the output is block-scaled, not {self.cols}")
        if BLOCK % self.outputs:
            raise ValueError(f"Outputs must divide the {BLOCK} results of a block where the output "
                             f"is block-scaled, not be {self.outputs}")
        if self.lut is not None:
            raise ValueError(f"Lut must be left out for {self.output}, whose codes alone are no "
                             f"numbers, not {'loaded' if self.lut == 'loaded' else 'fixed'}")
        if self.parameters is not None and self.channels % BLOCK:
            raise ValueError(f"Channels must be a multiple of the {BLOCK} results of a block where "
                             "the output is block-scaled and parameters are fixed, "
                             f"not {self.channels}")

    def _check_lut(self):
        fmt = self.output_format
        if fmt.bits != CODE_BITS:
            exact = f", the exact sum of contract {self.contract.name}" * (self.output is None)
            raise ValueError(f"Lut must be for an output of {CODE_BITS} bits, not {fmt}{exact}")
        if self.lut == "loaded":
            return
        if not isinstance(self.lut, tuple):
            raise TypeError(f"Lut must be a tuple of levels, loaded or None, not {self.lut!r}")
        if len(self.lut) != 1 << CODE_BITS:
            raise ValueError(f"Lut must have {1 << CODE_BITS} levels, not {len(self.lut)}")
        for index, level in enumerate(self.lut):
            if not isinstance(level, int) or isinstance(level, bool):
                raise TypeError(f"Lut must be a list of integers, not {level!r} at index {index}")
        fmt.check(self.lut, "Lut level")

    def _check_parameters(self):
        if not isinstance(self.parameters, tuple):
            raise TypeError("Parameters must be a tuple of fields and values, or None, "
                            f"not {self.parameters!r}")
        if self.apart:
            raise ValueError(f"Parameters must not be fixed for contract {self.contract.name} with "
                             f"an output of more than {PARALLEL_BITS} bits, {self.output}")
        names = [name for name, _ in self.parameters]
        if sorted(names) != sorted(self.record):
            missing = [name for name in self.record if name not in names]
            fault = (f"lacking {', '.join(missing)}" if missing else
                     f"having {', '.join(name for name in names if name not in self.record)}")
            listed = f"{', '.join(names)} ({fault})" if names else "none"
            raise ValueError(f"Parameters must be {', '.join(self.record)}, not {listed}")
        if self.lut == "loaded":
            raise ValueError("Lut must not be loaded where parameters are fixed")
        for name in self.head:
            raise ValueError(f"{name.capitalize()} must not be a loaded codebook where parameters "
                             f"are fixed, not {getattr(self, name)}")
        for name, value in self.parameters:
            title = title_of(name)
            for index, each in enumerate(value if isinstance(value, tuple) else (value,)):
                if not isinstance(each, int) or isinstance(each, bool):
                    place = f" at index {index}" * isinstance(value, tuple)
                    raise TypeError(f"{title} must be an integer, or a list of one per channel, "
                                    f"not {each!r}{place}")
            if isinstance(value, tuple) and len(value) != self.channels:
                raise ValueError(f"{title} must be one value, or a list of {self.channels}, one "
                                 f"per channel, not a list of {len(value)}")
            self.record[name].check(value, title)
        levels = dict(self.parameters)
        for name in ("clamp", "exponent"):
            if f"{name}_min" in levels:
                check_ends(name.capitalize(), levels[f"{name}_min"], levels[f"{name}_max"])
        # Tiles of the same parameters are equal, whatever the order of these.
        object.__setattr__(self, "parameters", tuple(
            (name, _alike(levels[name])) for name in self.record))

    def _check_prepared(self):
        if not self.fabric.prepares:
            raise ValueError(f"Prepared must be left out for target {self.target}, whose clamp "
                             "takes the parameters as they are")
        if self.parameters is not None:
            raise ValueError("Prepared must be left out where parameters are fixed")
        if not may_be_prepared(self.contract, self.record):
            raise ValueError(f"Prepared must be left out for contract {self.contract.name} and "
                             f"output {self.output}, where no zero point is added last")

    @cached_property
    def sums(self) -> Range:
        """Range of a sum of at most ``depth`` products, with the products of unused lanes.

        If a format has a level 0, unused lanes add nothing. Sums of block-scaled operands are in
        units of a job's base. Those of an inner product of codes have the weights' term.
        """
        # Idle lanes of a pair of codes add the square of a weight's offset.
        idle = self.weights.idle * self.activations.idle or self.inner_product == "winograd"
        count = self.max_beats * self.lanes if idle else self.depth
        most = 1 << self.window - 1 if self.block_scaled else 1
        if self.inner_product == "direct":
            products = dot_range(self.weights, self.activations, count)
        else:
            products = sums_range(self.inner_product, self.weights, self.activations, count)
        return Range(min(products.lo, 0), max(products.hi, 0)).times(most)

    @property
    def block_scaled(self) -> bool:
        """True if an operand has exponents, and sums are in units of a job's base."""
        return any(isinstance(fmt, BlockScaled) for fmt in (self.weights, self.activations))

    @property
    def propagates(self) -> bool:
        """True if infinities and NaN of an operand reach the output."""
        return self.weights.propagates or self.activations.propagates

    @property
    def accumulator(self) -> IntFormat:
        """Format of a sum of products, exactly as wide as ``depth`` of them need.

        For an inner product of codes it is at least as wide as what is added in a cycle.
        """
        sums = self.sums.format
        if self.inner_product == "direct":
            return sums
        added = products_range(self.inner_product, self.weights, self.activations,
                               self.lanes).format
        return replace(sums, width=max(sums.width, added.width))

    @property
    def row_sum(self) -> IntFormat:
        """Format of a sum of ``depth`` activations."""
        return levels_range(self.activations).times(self.depth).format

    @property
    def unbiased(self) -> Range:
        """Range of the sums before the bias, weight zero points subtracted."""
        return self.sums if self.zero_points != "both" else self.sums - self.sums

    @property
    def sum_format(self) -> IntFormat:
        """Format of sum plus bias, the total that the requantizer scales."""
        return self.contract.sum_format(self.unbiased)

    @property
    def draws(self) -> bool:
        """True if results draw random bits from a state that a job brings for each row."""
        return isinstance(self.contract, Stochastic)

    @property
    def output_format(self) -> Format:
        """Format of the results."""
        return self.contract.output_format(self.unbiased, self.output)

    @cached_property
    def record(self) -> dict[str, IntFormat | Format]:
        """Fields of a channel's parameters, in the order of the record."""
        record: dict[str, IntFormat | Format] = dict(
            self.contract.fields(self.unbiased, self.output_format))
        if self.zero_points == "both":
            record["weight_zero_point"] = self.weights
        return record

    @cached_property
    def stored(self) -> dict[str, IntFormat | Format]:
        """Fields of a record as the tile has it, low bits first; prepared, or as they are."""
        return prepared_formats(self.record) if self.prepared else self.record

    @property
    def apart(self) -> tuple[str, ...]:
        """Fields of a record that requantizers have in memories of their own."""
        return tuple(apart(self.contract, self.output_format, self.record))

    @cached_property
    def fixed(self) -> dict[str, int]:
        """Fields that never change and are the same for every channel."""
        return {name: value for name, value in self.parameters or () if isinstance(value, int)}

    @cached_property
    def fixed_per_channel(self) -> dict[str, tuple[int, ...]]:
        """Fields that never change, for each record; surplus records repeat the last channel."""
        surplus = self.groups * self.cols - self.channels
        return {name: value + value[-1:] * surplus for name, value in self.parameters or ()
                if isinstance(value, tuple)}

    @property
    def record_bits(self) -> int:
        """Width of a parameter record."""
        return sum(fmt.bits for fmt in self.stored.values())

    @property
    def words(self) -> int:
        """Words of one record on the parameter stream."""
        return -(-self.record_bits // WORD_BITS)

    @property
    def head(self) -> dict[str, int]:
        """Words in front of the records of a parameter set, by the table that they load.

        First comes the table for results; then one for each operand and for the output that is a
        loaded codebook, with level ``k`` in word ``k``.
        """
        head = {"lut": LUT_WORDS} if self.lut == "loaded" else {}
        return head | {name: 1 << fmt.bits for name, fmt in (
            ("weights", self.weights), ("activations", self.activations),
            ("output", self.output)) if isinstance(fmt, LoadedCodebook)}

    @property
    def fabric(self) -> Fabric:
        """Fabric of the tile's arithmetic."""
        fabric = FABRICS[self.target]
        return fabric if fabric.optimize == self.optimize else replace(
            fabric, optimize=self.optimize)

    @property
    def max_beats(self) -> int:
        """Beats of the longest job."""
        return -(-self.depth // self.lanes)

    @property
    def groups(self) -> int:
        """Groups of ``cols`` records in the store."""
        return -(-self.channels // self.cols)

    @property
    def steps(self) -> int:
        """Output transfers of one job."""
        return self.rows * self.cols // self.outputs

    @property
    def macs(self) -> int:
        """Products per cycle."""
        return self.rows * self.cols * self.lanes

    @property
    def name(self) -> str:
        """Default name of the emitted module: formats, shape, and choices other than the defaults.

        Digits of the digest are added where the name alone would not be unique.
        """
        formats = self.weights, self.activations, self.output_format
        usual_contract = "none" if self.output is None else TileConfig.contract.name
        usual = contracts.parse(self.contract.name)
        choices = [
            ("", self.contract.name, usual_contract),
            ("m", _sign_and_bits(self.contract), _sign_and_bits(usual)),
            ("a", contracts.options_of(self.contract).get("addend_bits"), None),
            *((name[0], getattr(self, name), getattr(TileConfig, name))
              for name in ("depth", "outputs", "channels", "window")),
            ("zero_points_", self.zero_points, usual_zero_points(*formats[:2])),
            ("", self.target, TileConfig.target),
            ("dsp", self.dsp, None),
            ("", self.optimize, TileConfig.optimize),
            ("", self.inner_product, TileConfig.inner_product),
        ]
        parts = ["mac", *(fmt.stem for fmt in formats), f"{self.rows}x{self.cols}x{self.lanes}",
                 *(f"{mark}{value}" for mark, value, usual in choices if value != usual)]
        parts += [mark for mark, is_there in (
            ("prepared", self.prepared), ("lut", self.lut is not None),
            ("fixed", self.parameters is not None)) if is_there]
        if (isinstance(self.lut, tuple) or self.parameters is not None
                or any(isinstance(element_of(fmt), Codebook) for fmt in formats)):
            parts.append(self.digest[:6])
        return "_".join(parts)


def _sign_and_bits(contract: Contract) -> str:
    """Return the multiplier's width; in front of it an s if the multiplier is signed."""
    signed = isinstance(contract, Scaled) and contract.multiplier.signed
    return f"{'s' * signed}{contract.multiplier_bits}"


def _alike(value: int | tuple[int, ...]) -> int | tuple[int, ...]:
    """Return one level for a field whose levels are equal for every channel."""
    return value[0] if isinstance(value, tuple) and len(set(value)) == 1 else value
