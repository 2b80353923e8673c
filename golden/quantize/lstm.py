"""A long short-term memory with dynamic quantization: every format, contract and table.

Each step is three networks of levels. ``recoded`` turns the output of the step before into dynamic
codes, by a table; ``gates`` is one matrix product of the codes of ``[x, h]``; ``cell`` has the
tables, products and the sum of the cell. ``docs/dynamic.md`` writes the definition down.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from golden import units
from golden.contracts import S32, Clamped
from golden.contracts import parse as contract_of
from golden.floats import FloatDense
from golden.floats.lstm import GATES, FloatLstm, check_sequence
from golden.formats import Format, IntFormat
from golden.multipliers import linear_parameters
from golden.networks import INPUT, Add, Dense, Lookup, Mul, Network, Quantization, Rescale, Tensor
from golden.quantize.dynamic import U8, DynamicLayer, quantize_dynamic
from golden.run import Proof, prove, run
from golden.runtimes.onnx_ops import dynamic_range, quantize_linear
from golden.tables import code_levels, sigmoid, tabulate, tanh
from golden.unit_scales import parameters_of

__all__ = ["CELL", "OUTPUT", "DynamicLstm", "LstmStep", "quantize_lstm"]

S8, S16 = IntFormat(8), IntFormat(16)

WIDE, NARROW = Quantization(S8, 2.0**-4), Quantization(S8, 2.0**-5)
"""Sums of a gate before its sigmoid, within 8, and before a tanh, within 4."""

SHARE, OUTPUT = Quantization(U8, 2.0**-8), Quantization(S8, 2.0**-7)
"""Results of a sigmoid, and of a tanh; the output of the cell is an ``OUTPUT`` too."""

CELL = Quantization(S16, 2.0**-12)
"""State of the cell, within 8."""


@dataclass(frozen=True, eq=False)
class LstmStep:
    """One step of a :class:`DynamicLstm` that has run on a batch.

    Parameters
    ----------
    input : Quantization
        Quantization of the dynamic codes.
    codes : array of int64, ``(batch, inputs + hidden)``
        Dynamic codes of ``[x, h]``.
    gates : array of int64, ``(batch, 4 * hidden)``
        Levels of the gates before their tables.
    cell, output : array of int64, ``(batch, hidden)``
        Levels of the new state ``c`` and of the output ``h``.
    """

    input: Quantization
    codes: np.ndarray
    gates: np.ndarray
    cell: np.ndarray
    output: np.ndarray


@dataclass(frozen=True, eq=False)
class DynamicLstm:
    """A long short-term memory whose codes of ``[x, h]`` have the range of each step's batch.

    Parameters
    ----------
    layer : DynamicLayer
        Weights and bias of all gates, ``(4 * hidden, inputs + hidden)``.
    """

    layer: DynamicLayer

    @property
    def hidden(self) -> int:
        """Units of the cell."""
        return len(self.layer.weights) // len(GATES)

    @property
    def inputs(self) -> int:
        """Numbers of the input of a step."""
        return self.layer.weights.shape[1] - self.hidden

    def quantization(self, x: np.ndarray, minimum: int, maximum: int) -> Quantization:
        """Quantization of ``[x, h]`` in one step, as DynamicQuantizeLinear chooses it.

        Parameters
        ----------
        x : array of float32, ``(batch, inputs)``
            Input of the step, whose range software knows.
        minimum, maximum : int
            Smallest and largest level of ``h``, which
            :class:`hw.units.range_tracker.RangeTracker` finds.
        """
        low, high = (np.float32(level * OUTPUT.scale) for level in (minimum, maximum))
        scale, zero_point = dynamic_range(min(x.min(), low), max(x.max(), high))
        return Quantization(U8, float(scale), int(zero_point))

    def recoded(self, input: Quantization) -> Network:
        """Return the table that turns levels of ``h`` into dynamic codes."""
        return Network(
            name="recoded", inputs=(Tensor("h", OUTPUT, (self.hidden,)),),
            layers=(Lookup(name="codes", inputs=("h",), output=input, table=_codes(
                (code_levels(S8) * OUTPUT.scale).astype(np.float32), input)),))

    def gates(self, input: Quantization) -> Network:
        """Return the matrix product of the codes of ``[x, h]``, with 8-bit results.

        Contract ``onnx``: ``clamp(rne(float32(sum + bias) * factor))``. The scales of the gates
        are powers of two, so the factor ``step / scale`` is exact and the product is rounded once.
        """
        onnx = contract_of("onnx")
        assert isinstance(onnx, Clamped)
        rows = len(self.layer.weights)
        output = Quantization(S8, np.repeat(np.where(
            np.array(GATES) == "candidate", NARROW.scale, WIDE.scale), self.hidden))
        each = {"bias": self.layer.bias_levels(input),
                **linear_parameters(onnx, input.scale, self.layer.weight.scale, output.scale, S32),
                "zero_point": 0, "clamp_min": S8.min, "clamp_max": S8.max}
        return Network(
            name="gates", inputs=(Tensor(INPUT, input, (self.layer.weights.shape[1],)),),
            layers=(Dense(name="gates", inputs=(INPUT,), output=output,
                          weights=self.layer.weights, weight=self.layer.weight, contract=onnx,
                          parameters={name: np.broadcast_to(value, (rows,))
                                      for name, value in each.items()}),))

    @cached_property
    def cell(self) -> Network:
        """Tables, products and sum that make ``c`` and ``h`` of the gates and the state."""
        half_up = contract_of("half_up")
        tensors = {name: NARROW if name == "candidate" else WIDE for name in GATES} | {"c": CELL}

        def table(name: str, of: str, function, input: Quantization, output: Quantization):
            return Lookup(name=name, inputs=(of,), output=output,
                          table=tabulate(function, input, output))

        def product(name: str, a: str, b: str, other: Quantization, output: Quantization):
            operation = units.Multiplication(half_up, U8, _integer(other), _integer(output))
            return Mul(name=name, inputs=(a, b), output=output, contract=half_up,
                       parameters=parameters_of(operation, SHARE, other, output))

        exact = units.parse("exact")
        return Network(
            name="cell", outputs=("new", "h"),
            inputs=tuple(Tensor(name, each, (self.hidden,)) for name, each in tensors.items()),
            layers=(
                table("added", "input", sigmoid, WIDE, SHARE),
                table("kept", "forget", sigmoid, WIDE, SHARE),
                table("change", "candidate", tanh, NARROW, OUTPUT),
                table("shown", "output", sigmoid, WIDE, SHARE),
                product("old", "kept", "c", CELL, CELL),
                product("fresh", "added", "change", OUTPUT, CELL),
                Add(name="new", inputs=("old", "fresh"), output=CELL, scheme=exact,
                    parameters=parameters_of(units.Addition(exact, S16, S16, S16), CELL, CELL,
                                             CELL)),
                Rescale(name="narrowed", inputs=("new",), output=NARROW, contract=half_up,
                        parameters=parameters_of(units.Rescaling(half_up, S16, S8), CELL,
                                                 NARROW)),
                table("squashed", "narrowed", tanh, NARROW, OUTPUT),
                product("h", "shown", "squashed", OUTPUT, OUTPUT)))

    @cached_property
    def proof(self) -> Proof:
        """Proof of :attr:`cell`."""
        return prove(self.cell)

    def codes(self, x: np.ndarray, input: Quantization) -> np.ndarray:
        """Dynamic codes of the input ``x`` of a step: QuantizeLinear."""
        return _codes(x, input)

    def split(self, gates: np.ndarray, cell: np.ndarray) -> dict[str, np.ndarray]:
        """Inputs of :attr:`cell`, from the results of :meth:`gates` and the state."""
        return dict(zip((*GATES, "c"), (*np.split(gates, len(GATES), axis=1), cell), strict=True))

    def sequence(self, x) -> np.ndarray:
        """Return an input of :meth:`steps` as float32; ``ValueError`` if it is none."""
        return check_sequence(x, self.inputs).astype(np.float32)

    def steps(self, x) -> Iterator[LstmStep]:
        """Run step by step.

        Parameters
        ----------
        x : array_like of float32, ``(steps, batch, inputs)``

        Raises
        ------
        ValueError
            If the input has another shape or a number that is not finite, the range of a step has
            no positive and finite scale, or a bias leaves int32.
        """
        x = self.sequence(x)
        h = c = np.zeros((x.shape[1], self.hidden), dtype=np.int64)
        for now in x:
            input = self.quantization(now, int(h.min()), int(h.max()))
            codes = np.concatenate([self.codes(now, input), run(self.recoded(input), h)["codes"]],
                                   axis=1)
            gates = run(self.gates(input), codes)["gates"]
            made = run(self.cell, self.split(gates, c), self.proof)
            c, h = made["new"], made["h"]
            yield LstmStep(input, codes, gates, c, h)


def quantize_lstm(lstm: FloatLstm, weights: Format | str) -> DynamicLstm:
    """Quantize the weights of all gates with one scale of float32.

    Parameters
    ----------
    lstm : FloatLstm
    weights : Format or str
        Signed integer format of the weights, or its name.
    """
    [layer] = quantize_dynamic([FloatDense(lstm.weights, lstm.bias, name="gates")], weights)
    return DynamicLstm(layer)


def _codes(x: np.ndarray, input: Quantization) -> np.ndarray:
    return quantize_linear(x, np.float32(input.scale), input.zero_point, output=U8)


def _integer(quantization: Quantization) -> IntFormat:
    assert isinstance(quantization.format, IntFormat)
    return quantization.format
