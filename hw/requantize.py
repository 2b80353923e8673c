"""Requantizers: an exact sum and its channel's parameters in, an output code out."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from golden.contracts import Contract, ExactSum, MultiplyShift, Rounding, Tflite, TfliteSingle
from golden.formats import Format, IntFormat
from hw.arith import clamp, round_up, saturate, shift_right
from hw.delay import delay
from hw.formats import shape_of
from hw.shared import Shared

__all__ = ["Requantizer"]


class Requantizer(Shared):
    """Turn sums into output codes by a contract, with parameters that come beside each sum.

    With ``total = sum + bias``, or ``sum - weight_zero_point * row_sum + bias`` where ``row_sum``
    is given, the output is ``clamp(scaled(total) + zero_point)``; ``scaled`` is what the contract
    says, and exact for every total that the contract takes. The contract ``none`` gives ``total``.
    Parameters outside the ranges of their contract, and totals that it does not take, give
    results without meaning.

    Nothing stalls. Latency is :attr:`latency` cycles, the sum of these stages, and throughput one
    result per cycle:

    ======================  ======  ===================================================
    stage                   cycles  registers
    ======================  ======  ===================================================
    weight zero point       2       ``weight_zero_point * row_sum``; the difference
    bias                    1       total
    multiply-shift          2       total * multiplier; that shifted right
    ``tflite_single``       2       the same, with the shift ``31 - shift``
    ``tflite``              4       total << left; * multiplier; >> 31, rounded; that
                                    shifted right
    zero point              1       rounded, in the few bits that the clamp needs
    clamp                   1       output
    ======================  ======  ===================================================

    The contract ``none`` has only the first two.

    Parameters
    ----------
    contract : Contract
        What is computed.
    sums : IntFormat
        Of the sums that come in.
    total : IntFormat
        Of sum plus bias.
    output : Format
        Of the results.
    record : dict of str to Format
        Parameters of a channel, as :attr:`hw.config.TileConfig.record` lists them.
    row_sum : IntFormat or None
        Of the sum of a row's activations, where weights have zero points.

    Members
    -------
    i : In(stream.Signature(StructLayout, always_ready=True))
        ``sum``, ``parameters`` (a StructLayout of the record) and ``row_sum`` (where there is).
    o : Out(stream.Signature(shape_of(output), always_ready=True))
        Results, in order.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, *, contract: Contract, sums: IntFormat, total: IntFormat, output: Format,
                 record: dict[str, Format], row_sum: IntFormat | None = None):
        if type(contract) not in _SCALE_LATENCY:
            raise TypeError(f"Contract must be one with hardware, not {contract!r}")
        if (row_sum is not None) != ("weight_zero_point" in record):
            raise ValueError("Row sum must be given where the record has a weight_zero_point, "
                             f"and only there, not {row_sum}")
        self.contract = contract
        self.sums = sums
        self.total = total
        self.output = output
        self.record = record
        self.row_sum = row_sum
        payload = {
            "sum": shape_of(sums),
            "parameters": data.StructLayout(
                {name: shape_of(fmt) for name, fmt in record.items()}),
        }
        if row_sum is not None:
            payload["row_sum"] = shape_of(row_sum)
        super().__init__({
            "i": In(stream.Signature(data.StructLayout(payload), always_ready=True)),
            "o": Out(stream.Signature(shape_of(output), always_ready=True)),
        })

    @property
    def latency(self) -> int:
        """Cycles from a sum to its result."""
        return self._correction + 1 + _SCALE_LATENCY[type(self.contract)]

    @property
    def _correction(self) -> int:
        return 2 if self.row_sum is not None else 0

    def body(self, platform):
        m = Module()
        # Parameters that later stages need, as old as what the last stage so far holds.
        held = {name: self.i.p.parameters[name] for name in self.record}
        stage = 0

        def register(value, name, shape=None):
            """Register a result and, beside it, the parameters that are still held."""
            nonlocal stage
            stage += 1
            for other, parameter in held.items():
                held[other] = delay(m, parameter, 1, f"{other}_at_{stage}")
            result = Signal(value.shape() if shape is None else shape, name=name, reset_less=True)
            m.d.sync += result.eq(value)
            return result

        unbiased = self.i.p["sum"]
        if self.row_sum is not None:
            unbiased = delay(m, unbiased, 1, "sum")
            product = register(held.pop("weight_zero_point") * self.i.p["row_sum"],
                               "zero_point_product")
            unbiased = register(unbiased - product, "corrected")

        # Wide enough for every sum and bias, or for all that the contract takes: golden has then
        # proven that this sum with this bias is among it.
        total = register(unbiased + held.pop("bias"), "total", shape_of(self.total))

        if isinstance(self.contract, ExactSum):
            m.d.comb += self.o.payload.eq(total)
        else:
            shifted, sticky, rounding = self._scale(m, register, held, total)
            # One bit more than the output's: what saturates here is so far out of its range that
            # the rounding and the zero point, themselves within it, only bring it to the end.
            near = saturate(shifted[1:].as_signed(), self.output.bits + 1)
            up = round_up(shifted, sticky, rounding)
            offset = register(near + up + held.pop("zero_point"), "offset")
            clamped = clamp(offset, held.pop("clamp_min"), held.pop("clamp_max"))
            m.d.comb += self.o.payload.eq(register(clamped, "clamped"))

        m.d.comb += self.o.valid.eq(
            delay(m, self.i.valid, self.latency, "valid", reset_less=False))
        return m

    def _scale(self, m, register, held, total):
        """Multiply and shift; return the results of ``shift_right``, and how to round them."""
        if isinstance(self.contract, Tflite):
            left = Mux(held["shift"] > 0, held["shift"], 0)[:5]
            scaled = register((total << left)[:32].as_signed(), "scaled")
            product = register(scaled * held.pop("multiplier"), "product")
            # Ties towards positive infinity; no saturation, for no multiplier is negative.
            value = register((product + (1 << 30)) >> 31, "high", signed(32))
            right = Mux(held["shift"] < 0, -held["shift"], 0)[:5]
            rounding = Rounding.HALF_AWAY
        else:
            value = register(total * held.pop("multiplier"), "product")
            right = held["shift"]
            rounding = Rounding.HALF_UP
            if isinstance(self.contract, TfliteSingle):
                right = (31 - right)[:6]
            elif isinstance(self.contract, MultiplyShift):
                rounding = self.contract.rounding
        held.pop("shift")
        shifted, sticky = shift_right(value, right)
        sticky = delay(m, sticky, 1, "sticky")
        return register(shifted, "shifted"), sticky, rounding


_SCALE_LATENCY = {ExactSum: 0, MultiplyShift: 4, TfliteSingle: 4, Tflite: 6}
"""Cycles from the total to the result."""
