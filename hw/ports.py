"""The AXI4-Stream ports of an emitted tile, and where each field lies in a payload."""

from dataclasses import dataclass
from math import prod

from golden.contracts import LFSR_BITS, WORD_BITS
from golden.formats import EXPONENT, BlockScaled, Format
from hw.blocks.scaled import BASE_BITS
from hw.config import TileConfig

__all__ = ["Field", "StreamPort", "ports"]


@dataclass(frozen=True)
class Field:
    """Elements of one kind in a payload: element ``k`` at ``[lsb + k*bits, lsb + (k+1)*bits)``.

    Parameters
    ----------
    name : str
    lsb, bits : int
        Position of the first element and width of each.
    shape : tuple of int
        Elements in row-major order; empty for one.
    format : str
        Number format, ``"e8m0"`` of exponents, or ``"unsigned"``.
    """

    name: str
    lsb: int
    bits: int
    shape: tuple[int, ...] = ()
    format: str = "unsigned"


@dataclass(frozen=True)
class StreamPort:
    """One AXI4-Stream port: ``<name>_tdata``, ``_tvalid``, ``_tready`` and ``_tlast``.

    Parameters
    ----------
    name : str
        Prefix of its signals, such as ``s_axis_job``.
    stream : str
        The tile's own stream, such as ``i_job``.
    bits : int
        Payload width; ``tdata`` is padded with zeros to whole bytes.
    last : str
        What ``tlast`` marks; empty where the port has none.
    fields : tuple of Field
    """

    name: str
    stream: str
    bits: int
    last: str
    fields: tuple[Field, ...]

    @property
    def is_input(self) -> bool:
        """Whether the tile receives on it."""
        return self.name.startswith("s_axis")

    @property
    def bytes(self) -> int:
        """Width of ``tdata`` in bytes."""
        return -(-self.bits // 8)


def ports(config: TileConfig) -> tuple[StreamPort, ...]:
    """Ports of the tile that ``config`` describes, in the order of the emitted module."""
    c = config
    beats = c.max_beats.bit_length()
    group = (c.groups - 1).bit_length()
    job = [Field("beats", 0, beats)]
    if group:
        job.append(Field("group", beats, group))
    bits = beats + group
    if c.draws:
        job.append(Field("states", bits, LFSR_BITS, (c.rows,)))
        bits += c.rows * LFSR_BITS
    if c.block_scaled:
        job.append(Field("base", bits, BASE_BITS))
        bits += BASE_BITS
    result = [Field("codes", 0, c.output_format.bits, (c.outputs,), str(c.output_format))]
    if isinstance(c.output_format, BlockScaled):
        result.append(Field("exponent", _bits(result), EXPONENT.bits, (), "e8m0"))
    if c.block_scaled:
        result.append(Field("outside", _bits(result), 1))
    loaded = StreamPort("s_axis_parameters", "i_parameters", WORD_BITS,
                        "last word of a parameter set", (Field("word", 0, WORD_BITS),))
    return (
        StreamPort("s_axis_job", "i_job", bits, "", tuple(job)),
        _operand("activations", c.activations, c.rows, c.lanes),
        _operand("weights", c.weights, c.cols, c.lanes),
        *([loaded] if c.parameters is None else []),
        StreamPort("m_axis_o", "o", _bits(result), "last output of a job", tuple(result)),
    )


def _operand(name: str, fmt: Format, vectors: int, lanes: int) -> StreamPort:
    fields = [Field("codes", 0, fmt.bits, (vectors, lanes), str(fmt))]
    if isinstance(fmt, BlockScaled):
        fields.append(Field("exponents", _bits(fields), EXPONENT.bits, (vectors,), "e8m0"))
    return StreamPort(f"s_axis_{name}", f"i_{name}", _bits(fields), "last beat of a job",
                      tuple(fields))


def _bits(fields: list[Field]) -> int:
    return sum(field.bits * prod(field.shape) for field in fields)
