"""A fabric: operations of arithmetic, each with its registers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol, Self

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib.memory import Memory
from amaranth.utils import ceil_log2

from golden.contracts import Rounding
from golden.formats import IntFormat
from hw.arith import clamp, round_up, saturate, sticky_bit
from hw.delay import delay
from hw.heap.program import Program
from hw.targets.products import Part, Row, plan, row_of, row_sum

__all__ = ["Extra", "Fabric", "Narrowed", "READ", "Stages", "Write", "plain_memory"]

READ = 2
"""Cycles of a read of a memory: the memory's own, which is slow, and a register behind it."""


class Stages(Protocol):
    """Receiver of an operation's registers: a :class:`~hw.pipeline.Pipeline`."""

    m: Module
    stage: int
    dsp: list[int] | None
    """Sizes of the products to come that DSPs make; None for any product."""
    multipliers: list[int]
    """Sizes of the products that DSPs make."""

    def register(self, value: Value, name: str, shape: Any = None) -> Signal:
        """Return the register of ``value``: a new stage."""
        ...

    def advance(self, stage: int):
        """Wait for registers that are made elsewhere, up to ``stage``."""
        ...

    def hold(self, name: str, value: Value):
        """Hold a value of the current stage for later ones."""
        ...

    def __getitem__(self, name: str) -> Value:
        """Return a value that is held."""
        ...

    def take(self, name: str) -> Value:
        """Return a value that is held, and release it."""
        ...


class Extra(NamedTuple):
    """A bit to add, or to subtract, with a weight of ``2**place``."""

    place: int
    bit: Value
    negative: bool = False

    @property
    def value(self) -> Value:
        """Number that is added."""
        bit = self.bit.replicate(2).as_signed() if self.negative else self.bit
        return bit << self.place


class Write(NamedTuple):
    """Write of ``data`` to ``address`` of a memory, while ``valid``."""

    valid: Value
    address: Value
    data: Value


def plain_memory(m: Module, name: str, write: Write, address: Value, *, width: int, depth: int
                 ) -> Value:
    """Return what a memory has at ``address``, :data:`READ` cycles later; see `Fabric.memory`."""
    # Without the attribute Yosys adds multiplexers for a word that is read as it is written.
    memory = m.submodules[name] = Memory(shape=width, depth=depth, init=[],
                                         attrs={"no_rw_check": "1"})
    write_port, read_port = memory.write_port(), memory.read_port()
    m.d.comb += [
        write_port.en.eq(write.valid),
        write_port.addr.eq(write.address),
        write_port.data.eq(write.data),
        read_port.addr.eq(address),
    ]
    return delay(m, read_port.data, READ - 1, f"{name}_read")


@dataclass(frozen=True)
class Narrowed:
    """Number shifted right, in few bits, and what its rounding needs.

    Parameters
    ----------
    near : Value
        Floor of the shifted number, signed, saturated.
    below : Value
        Bits below the point; any if the number is saturated.
    sticky : Value
        Whether any bit below these is set.
    """

    near: Value
    below: Value = field(default_factory=lambda: Const(0, 1))
    sticky: Value = field(default_factory=lambda: Const(0, 1))

    def up(self, rounding: Rounding) -> Value:
        """Bit to add to ``near``, which rounds it; for one bit below the point."""
        return round_up(Cat(self.below, self.near), self.sticky, rounding)

    def beside(self, stages: Stages, value: Value, name: str) -> tuple[Self, Signal]:
        """Return the register of ``value``, and this number at its stage."""
        mine = {each.name: getattr(self, each.name) for each in fields(self)}
        mine = {each: part for each, part in mine.items() if isinstance(part, Value)}
        for each, part in mine.items():
            stages.hold(f"number_{each}", part)
        later = stages.register(value, name)
        return replace(self, **{each: stages.take(f"number_{each}") for each in mine}), later


@dataclass(frozen=True)
class Fabric:
    """Multiplications, additions and shifts of a kind of chip, each with its registers.

    A result is in a register, and synthesis chooses the cells. All operations have this one
    register, but for the clamp, which has two, and a multiplication. A product of factors of more
    than 18 bits is a sum of parts:

    ==============================  =========  =====================================
    factors, in parts of 18 bits    registers  what is in them
    ==============================  =========  =====================================
    1 x 1                           1          product
    1 x 2                           2          products of parts; their sum
    1 x 3, 1 x 4, 2 x 2 ...         3          the same; sums of two; their sum
    ==============================  =========  =====================================

    A subclass may use cells of its own, and more registers before the last. The pipeline counts
    the registers.

    Parameters
    ----------
    name : str
        Name of the fabric, as options give it.
    heaps : bool
        Whether bit heaps are compiled onto its carry cells (:mod:`hw.heap`), as instances.
    dsp : int or None
        Most DSPs of a pipeline; None for any number. Only for a fabric whose DSPs are instances.
    optimize : "area" or "speed"
        What cells are chosen for: the fewest LUTs, or the highest frequency.
    """

    name: str
    heaps: bool = False
    dsp: int | None = None
    optimize: Literal["area", "speed"] = "area"

    def __post_init__(self):
        if self.dsp is not None and not (self.most_dsp and self.dsp >= 0):
            must = "a number of at least 0" if self.most_dsp else "left out"
            raise ValueError(f"DSPs must be {must} for fabric {self.name}, not {self.dsp}")

    @property
    def most_dsp(self) -> int:
        """DSPs of the largest device; 0 if none is instantiated, and synthesis maps products."""
        return 0

    @property
    def most_halves(self) -> int:
        """Most halves of a carry chain of bit heaps: a shorter one is faster, and takes more."""
        raise TypeError(f"Fabric must have carry cells to instantiate, not {self.name}")

    def multiplier(self, one: IntFormat, other: IntFormat) -> Any:
        """Return a component that multiplies in a DSP: ``a`` times ``b`` is ``o``."""
        raise TypeError(f"Fabric must have DSPs to instantiate, not {self.name}")

    def register(self, m: Module, value: Value, name: str) -> Value:
        """Return ``value``, a cycle later, in a register that is not merged with its like."""
        raise TypeError(f"Fabric must have registers to instantiate, not {self.name}")

    def product_program(self, one: IntFormat, other: IntFormat) -> Program | None:
        """Return the program of a product that no DSP makes; None if synthesis makes it."""
        return None

    def memory(self, m: Module, name: str, write: Write, address: Value, *, width: int,
               depth: int) -> Value:
        """Return what a memory, :data:`READ` cycles later, has at ``address``.

        A word that is read in the cycle in which it is written is unknown.
        """
        return plain_memory(m, name, write, address, width=width, depth=depth)

    @property
    def models(self) -> str | None:
        """Verilog of the cells that are instantiated, for simulation; None if there are none."""
        place = Path(__file__).parent / f"{self.name}_cells.v"
        return place.read_text() if place.exists() else None

    def multiply(self, stages: Stages, a: Value, b: Value, name: str, shape: Any = None) -> Signal:
        """Return ``a * b``."""
        rows, whole = plan(a, b), (a * b).shape() if shape is None else shape
        if len(rows) == len(rows[0]) == 1 and not self.most_dsp:
            return stages.register(a * b, name, whole)
        return self.sum_of_parts(stages, rows, name, whole)

    def multiply_add(self, stages: Stages, a: Value, b: Value, extras: Sequence[Extra], name: str,
                     shape: Any = None) -> Signal:
        """Return ``a * b`` and a few bits, which must fit the shape, by default the product's."""
        stages.hold("extras", sum((extra.value for extra in extras), Const(0)))
        product = self.multiply(stages, a, b, name)
        return self.add(stages, product, stages.take("extras"), f"{name}_sum",
                        product.shape() if shape is None else shape)

    def sum_of_parts(self, stages: Stages, rows: Sequence[Sequence[Part]], name: str, shape: Any,
                     add: Callable[[int, Row, Row], Row] = lambda level, one, other: row_sum(
                         one, other)) -> Signal:
        """Return the sum of rows of products, two of which ``add`` adds at a level of the tree."""
        # Rows beyond a power of two join the sum a level later than the others.
        levels = ceil_log2(len(rows))
        late = (1 << levels) - len(rows)
        waits = [place < late for place, row in enumerate(rows) for _ in row]
        first, products = self.products(stages, [part for row in rows for part in row], waits, name)
        numbers = [row_of(row, [products.pop(0) for _ in row]) for row in rows]
        stages.advance(stages.stage + first)
        for level in range(levels):
            skip, paired = ([], numbers) if level else (numbers[:late], numbers[late:])
            sums = [add(level, one, other)
                    for one, other in zip(paired[::2], paired[1::2], strict=True)]
            if level == levels - 1:
                return stages.register(sums[0].value, name, shape)
            stages.advance(stages.stage + 1)
            numbers = skip + [
                total._replace(value=delay(stages.m, total.value, 1, f"{name}_{level}_{place}"))
                for place, total in enumerate(sums)]
        result = Signal(shape, name=name)
        stages.m.d.comb += result.eq(numbers[0].value)
        return result

    def products(self, stages: Stages, parts: Sequence[Part], waits: Sequence[bool], name: str
                 ) -> tuple[int, list[Value]]:
        """Return the registers of products of parts, and the products.

        A product that waits has one register more.
        """
        return 1, [delay(stages.m, part.a * part.b, 1 + wait, f"{name}_part{place}")
                   for place, (part, wait) in enumerate(zip(parts, waits, strict=True))]

    def add(self, stages: Stages, a: Value, b: Value, name: str, shape: Any = None, *,
            carry: Value | None = None, subtract: bool = False) -> Signal:
        """Return ``a + b``, or ``a - b``, plus ``carry``, which is one bit."""
        a = a if carry is None else a + carry
        return stages.register(a - b if subtract else a + b, name, shape)

    def shift_left(self, stages: Stages, value: Value, places: Value, name: str,
                   shape: Any = None) -> Signal:
        """Return ``value << places``."""
        return stages.register(value << places, name, shape)

    def shift_right(self, stages: Stages, value: Value, places: Value, name: str,
                    shape: Any = None) -> Signal:
        """Return ``value >> places``, the floor."""
        return stages.register(value >> places, name, shape)

    def narrow(self, stages: Stages, value: Value, places: Value, width: int, *, below: int = 1,
               prefix: str = "") -> Narrowed:
        """Return ``value >> places``, saturated.

        Parameters
        ----------
        value : Value
            Signed number.
        places : Value
        width : int
            Bits of the result above the point.
        below : int
            Bits of ``value`` below the point, kept below that of the result.
        prefix : str
            Start of the names of what the pipeline holds meanwhile, and of submodules: another
            one for each such operation of a pipeline.
        """
        stages.hold(f"{prefix}sticky", sticky_bit(value, places))
        shifted = self.shift_right(stages, value, places, f"{prefix}shifted")
        return Narrowed(saturate(shifted[below:].as_signed(), width), shifted[:below],
                        stages.take(f"{prefix}sticky"))

    @property
    def prepares(self) -> bool:
        """Whether :meth:`offset_and_clamp` needs what a driver may prepare."""
        return False

    def prepare(self, stages: Stages):
        """Compute what :meth:`offset_and_clamp` needs of the parameters, some stages before it."""

    def offset_and_clamp(self, stages: Stages, number: Narrowed, up: Value) -> Value:
        """Add one bit and the zero point, and clamp: a register for each.

        The pipeline holds ``zero_point``, ``clamp_min`` and ``clamp_max``.
        """
        return self.clamp(stages, self.add(stages, number.near, stages.take("zero_point"),
                                           "offset", carry=up))

    def clamp(self, stages: Stages, value: Value) -> Value:
        """Clamp between ``clamp_min`` and ``clamp_max``, which the pipeline holds: a register."""
        return stages.register(clamp(value, stages.take("clamp_min"), stages.take("clamp_max")),
                               "clamped")
