"""A tile described as one small immutable value, and all that follows from it."""

import zlib
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Literal

from golden.contracts import WORD_BITS, Contract, Scaled, Stochastic, Thresholds, contract, title_of
from golden.formats import BLOCK, MAX_BITS, BlockScaled, Format, IntFormat, LoadedCodebook
from golden.ranges import Range, check_ends, dot_range, levels_range

__all__ = ["TileConfig", "ZERO_POINTS", "EMITTED", "CODE_BITS", "LUT_WORDS"]

EMITTED = ("generic",)
"""Targets whose cells the Verilog can use."""

_MOST = {"rows": 1024, "cols": 1024, "lanes": 1024, "depth": 1 << 24, "outputs": 1024,
         "channels": 1 << 16, "window": 64}
_MOST_MACS = 1 << 14

CODE_BITS = 8
"""Width of the codes that a table takes and gives."""

LUT_WORDS = (CODE_BITS << CODE_BITS) // WORD_BITS
"""Words of a table: code ``k`` at bits ``[8 * (k % 4), 8 * (k % 4) + 8)`` of word ``k // 4``."""

ZERO_POINTS = ("none", "activations", "both")
"""Which operands may have a zero point."""


@dataclass(frozen=True, kw_only=True)
class TileConfig:
    """Everything that decides what a :class:`~hw.tile.MacTile` is.

    Parameters
    ----------
    weights, activations : Format
        Of the operands.
    output : Format or None
        Of the results; ``None`` for the contract ``none``, whose output is the exact sum.
    contract : Contract
        How sums become outputs.
    rows, cols : int
        A job computes ``rows * cols`` sums: ``rows`` activation vectors by ``cols`` weight vectors.
        Where the output is block-scaled ``cols`` is a multiple of 32.
    lanes : int
        Products per sum and beat.
    depth : int
        Most products of one sum; sizes the accumulator.
    outputs : int
        Results per cycle, a divisor of ``cols``; also the number of requantizers. Where the output
        is block-scaled a divisor of 32.
    channels : int
        Records of the parameter store, which has whole groups of ``cols``.
    zero_points : str
        ``none``, ``activations`` (folded into the bias by the driver: the same hardware) or
        ``both`` (weights too, per channel).
    window : int
        Of block-scaled operands: combined exponents of blocks, above a job's base, that are summed
        exactly, 1 to 64. Others raise a flag.
    lut : tuple of int, "loaded" or None
        What becomes of each result, which then has 8 bits: the levels that its codes 0 to 255
        become; or ``loaded``, where each parameter set brings such a table. None where the output
        is block-scaled, whose codes alone are no numbers.
    parameters : tuple of (str, int or tuple of int) or None
        Every field of the record with its level, or with one for each channel, where they never
        change: the hardware then has neither the store nor the stream that fills it. Kept in the
        order of the record, and levels that are the same for every channel as one. Where the
        output is block-scaled ``channels`` is then a multiple of 32.
    target : str
        Whose cells the hardware may use.

    Raises
    ------
    TypeError, ValueError
        Where a parameter is not what it must be, or the contract does not take the sums.
    """

    weights: Format
    activations: Format
    output: Format | None
    contract: Contract = contract("half_up")
    rows: int = 4
    cols: int = 4
    lanes: int = 4
    depth: int = 1024
    outputs: int = 1
    channels: int = 256
    zero_points: Literal["none", "activations", "both"] = "none"
    window: int = 16
    lut: tuple[int, ...] | Literal["loaded"] | None = None
    parameters: tuple[tuple[str, int | tuple[int, ...]], ...] | None = None
    target: str = "generic"

    def __post_init__(self):
        for name in ("weights", "activations"):
            if not isinstance(getattr(self, name), Format):
                raise TypeError(
                    f"{name.capitalize()} must be a Format, not {getattr(self, name)!r}")
        for name in ("weights", "activations", "output"):
            fmt = getattr(self, name)
            if isinstance(fmt, IntFormat) and fmt.width > MAX_BITS:
                raise ValueError(
                    f"{name.capitalize()} must have at most {MAX_BITS} bits, not {fmt}")
        if self.output is not None and not isinstance(self.output, Format):
            raise TypeError(f"Output must be a Format or None, not {self.output!r}")
        if not isinstance(self.contract, Contract):
            raise TypeError(f"Contract must be a Contract, not {self.contract!r}")
        for name, most in _MOST.items():
            if not isinstance(getattr(self, name), int) or isinstance(getattr(self, name), bool):
                raise TypeError(f"{name.capitalize()} must be an integer, "
                                f"not {getattr(self, name)!r}")
            if not 1 <= getattr(self, name) <= most:
                raise ValueError(f"{name.capitalize()} must be in range [1, {most}], "
                                 f"not {getattr(self, name)!r}")
        if self.macs > _MOST_MACS:
            raise ValueError(f"Rows * cols * lanes must be at most {_MOST_MACS}, not {self.macs}")
        if self.lanes > self.depth:
            raise ValueError(f"Lanes must be at most the depth {self.depth}, not {self.lanes}")
        if self.cols % self.outputs:
            raise ValueError(
                f"Outputs must divide the {self.cols} cols, not be {self.outputs}")
        if self.zero_points not in ZERO_POINTS:
            raise ValueError(f"Zero points must be one of {', '.join(ZERO_POINTS)}, "
                             f"not {self.zero_points!r}")
        for name, zero_points in (("activations", ("activations", "both")), ("weights", ("both",))):
            fmt = getattr(self, name)
            if self.zero_points in zero_points and not isinstance(fmt, IntFormat):
                raise ValueError(f"Zero points must be none where {name} have a format without "
                                 f"them, {fmt}, not {self.zero_points!r}")
        if isinstance(self.output, BlockScaled):
            self._check_output_blocks()
        if self.block_scaled:
            self._check_blocks()
        if isinstance(self.output, LoadedCodebook) and isinstance(self.contract, Thresholds):
            raise ValueError("Output must be a format whose levels are known for contract "
                             f"{self.contract.name}, which loads the borders between them, "
                             f"not {self.output}")
        if self.propagates and not (self.output is not None and self.output.propagates):
            raise ValueError("Output must be a format whose specials propagate, as an operand's "
                             f"do, not {self.output}")
        if self.target not in EMITTED:
            raise ValueError(
                f"Target must be one of {', '.join(EMITTED)}, not {self.target!r}")
        self.contract.fields(self.unbiased, self.contract.output_format(self.unbiased, self.output))
        if self.lut is not None:
            self._check_lut()
        if self.parameters is not None:
            self._check_parameters()

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
        fmt.check(self.lut, "Lut level")

    def _check_parameters(self):
        if not isinstance(self.parameters, tuple):
            raise TypeError("Parameters must be a tuple of fields and values, or None, "
                            f"not {self.parameters!r}")
        names = [name for name, _ in self.parameters]
        if sorted(names) != sorted(self.record):
            missing = [name for name in self.record if name not in names]
            what = (f"lacking {', '.join(missing)}" if missing else
                    f"having {', '.join(name for name in names if name not in self.record)}")
            found = f"{', '.join(names)} ({what})" if names else "none"
            raise ValueError(f"Parameters must be {', '.join(self.record)}, not {found}")
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
                raise ValueError(f"{title} must be one value or {self.channels}, one per channel, "
                                 f"not {len(value)}")
            self.record[name].check(value, title)
        given = dict(self.parameters)
        for name in ("clamp", "exponent"):
            if f"{name}_min" in given:
                check_ends(name.capitalize(), given[f"{name}_min"], given[f"{name}_max"])
        # Tiles that do the same are equal, however their parameters were listed.
        object.__setattr__(self, "parameters", tuple(
            (name, _alike(given[name])) for name in self.record))

    @property
    def sums(self) -> Range:
        """Range of a sum of at most ``depth`` products, and of those of the lanes that are left.

        Where a format has a level 0, unused lanes add nothing. Of block-scaled operands in units
        of a job's base.
        """
        idle = self.weights.idle * self.activations.idle
        found = dot_range(self.weights, self.activations,
                          self.max_beats * self.lanes if idle else self.depth)
        most = 1 << self.window - 1 if self.block_scaled else 1
        return Range(min(found.lo, 0), max(found.hi, 0)).times(most)

    @property
    def block_scaled(self) -> bool:
        """Whether an operand has exponents, and sums are in units of a job's base."""
        return any(isinstance(fmt, BlockScaled) for fmt in (self.weights, self.activations))

    @property
    def propagates(self) -> bool:
        """Whether infinities and NaN of an operand reach the output."""
        return self.weights.propagates or self.activations.propagates

    @property
    def accumulator(self) -> IntFormat:
        """Format of a sum of products, exactly as wide as ``depth`` of them need."""
        return self.sums.format

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
        """Format of sum plus bias, which the requantizer takes."""
        return self.contract.sum_format(self.unbiased)

    @property
    def draws(self) -> bool:
        """Whether results draw from a register, of which a job brings a state for each row."""
        return isinstance(self.contract, Stochastic)

    @property
    def output_format(self) -> Format:
        """Format of the results."""
        return self.contract.output_format(self.unbiased, self.output)

    @cached_property
    def record(self) -> dict[str, IntFormat | Format]:
        """Fields of a parameter record, low bits first."""
        record: dict[str, IntFormat | Format] = dict(
            self.contract.fields(self.unbiased, self.output_format))
        if self.zero_points == "both":
            record["weight_zero_point"] = self.weights
        return record

    @cached_property
    def fixed(self) -> dict[str, int]:
        """Fields that never change and are the same for every channel."""
        return {name: value for name, value in self.parameters or () if isinstance(value, int)}

    @cached_property
    def fixed_per_channel(self) -> dict[str, tuple[int, ...]]:
        """Fields that never change, for each record; surplus ones are as the last channel's."""
        surplus = self.groups * self.cols - self.channels
        return {name: value + value[-1:] * surplus for name, value in self.parameters or ()
                if isinstance(value, tuple)}

    @property
    def record_bits(self) -> int:
        """Width of a parameter record."""
        return sum(fmt.bits for fmt in self.record.values())

    @property
    def words(self) -> int:
        """Words of the parameter stream in one record."""
        return -(-self.record_bits // WORD_BITS)

    @property
    def head(self) -> dict[str, int]:
        """Words of the parameter stream in front of the records of a set, by what they load.

        A table for results, and one for each operand that is a loaded codebook, then for such an
        output: level ``k`` in word ``k``.
        """
        head = {"lut": LUT_WORDS} if self.lut == "loaded" else {}
        return head | {name: 1 << fmt.bits for name, fmt in (
            ("weights", self.weights), ("activations", self.activations),
            ("output", self.output)) if isinstance(fmt, LoadedCodebook)}

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
        """Default name of the emitted module."""
        return (f"mac_{self.weights.stem}_{self.activations.stem}_{self.output_format.stem}_"
                f"{self.rows}x{self.cols}x{self.lanes}")

    def describe(self) -> dict[str, str | int | None]:
        """Every parameter as text or a number, in the order above."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        values["contract"] = self.contract.name
        values["window"] = self.window if self.block_scaled else None
        values["lut"] = "fixed" if isinstance(self.lut, tuple) else self.lut
        if self.parameters is not None:
            # Few letters that differ where the parameters do.
            values["parameters"] = f"fixed, {zlib.crc32(repr(self.parameters).encode()):08x}"
        values["multiplier_bits"] = (self.contract.multiplier.width
                                     if isinstance(self.contract, Scaled) else None)
        return {k: v if isinstance(v, int) or v is None else str(v) for k, v in values.items()}


def _alike(value: int | tuple[int, ...]) -> int | tuple[int, ...]:
    """Return what a field has for every channel, if that is the same."""
    return value[0] if isinstance(value, tuple) and len(set(value)) == 1 else value
