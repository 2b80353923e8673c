"""AXI4-Stream ports of an emitted tile, and the payload of each."""

from dataclasses import dataclass

from golden.contracts import LFSR_BITS
from golden.formats import EXPONENT, BlockScaled
from hw.blocks.scaled import BASE_BITS
from hw.payload import Field, Payload
from hw.tile.config import TileConfig
from hw.tile.parameters import WORDS

__all__ = ["CLOCKING", "Clocking", "StreamPort", "payloads", "port_of", "ports"]


@dataclass(frozen=True)
class StreamPort:
    """AXI4-Stream port: ``<name>_tdata``, ``_tvalid``, ``_tready`` and ``_tlast``.

    Parameters
    ----------
    name : str
        Prefix of the port's signals, such as ``s_axis_job``.
    stream : str
        Name of the tile's stream, such as ``i_job``.
    payload : Payload
        ``tdata`` is padded with zeros to whole bytes; without ``last`` there is no ``tlast``.
    """

    name: str
    stream: str
    payload: Payload

    @property
    def is_input(self) -> bool:
        """True for an input of the tile."""
        return self.name.startswith("s_axis")

    @property
    def bytes(self) -> int:
        """Width of ``tdata`` in bytes."""
        return self.payload.bytes

    @property
    def last(self) -> bool:
        """True for a port with ``tlast``."""
        return bool(self.payload.last)

    @property
    def signals(self) -> dict[str, int]:
        """Width of each signal, by name."""
        signals = {f"{self.name}_tdata": 8 * self.bytes, f"{self.name}_tvalid": 1,
                   f"{self.name}_tready": 1}
        return signals | ({f"{self.name}_tlast": 1} if self.last else {})


@dataclass(frozen=True)
class Clocking:
    """Names of the emitted module's clock and reset.

    Parameters
    ----------
    clock : str
        Name of the clock.
    reset : str
        Name of the reset, active low and synchronous.
    """

    clock: str = "aclk"
    reset: str = "aresetn"


CLOCKING = Clocking()
"""Default names; an :class:`~hw.bus.axi_tile.AxiTile` always has these."""


def payloads(config: TileConfig) -> dict[str, Payload]:
    """Payload of each stream of the tile that ``config`` describes, by name, ``o`` last."""
    c = config
    job = [Field("beats", c.max_beats.bit_length()), Field("group", (c.groups - 1).bit_length())]
    result = [Field("codes", c.output_format, (c.outputs,))]
    if c.draws:
        job.append(Field("states", LFSR_BITS, (c.rows,)))
    if isinstance(c.output_format, BlockScaled):
        result.append(Field("exponent", EXPONENT))
    if c.block_scaled:
        job.append(Field("base", BASE_BITS))
        result.append(Field("outside", 1))
    return {
        "i_job": Payload(tuple(job)),
        "i_activations": _operand(c, "activations", c.rows),
        "i_weights": _operand(c, "weights", c.cols),
        **({"i_parameters": WORDS} if c.parameters is None else {}),
        "o": Payload(tuple(result), "last output of a job"),
    }


def ports(config: TileConfig) -> tuple[StreamPort, ...]:
    """Ports of the tile that ``config`` describes, in the order of the emitted module."""
    return tuple(port_of(stream, payload) for stream, payload in payloads(config).items())


def port_of(stream: str, payload: Payload) -> StreamPort:
    """Port of a stream: ``s_axis_a`` of ``i_a``, ``s_axis_i`` of ``i``, ``m_axis_o`` of ``o``."""
    is_output = stream.split("_")[0] == "o"
    name = f"m_axis_{stream}" if is_output else f"s_axis_{stream.removeprefix('i_')}"
    return StreamPort(name, stream, payload)


def _operand(config: TileConfig, name: str, vectors: int) -> Payload:
    fmt = getattr(config, name)
    fields = [Field("codes", fmt, (vectors, config.lanes))]
    if isinstance(fmt, BlockScaled):
        fields.append(Field("exponents", EXPONENT, (vectors,)))
    return Payload(tuple(fields), "last beat of a job")
