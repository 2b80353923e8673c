"""A long short-term memory of real numbers: the reference that quantized ones are measured by."""

from dataclasses import dataclass

import numpy as np

from golden.formats import finite

__all__ = ["GATES", "FloatLstm", "check_sequence"]

GATES = ("input", "forget", "candidate", "output")
"""Gates, in the order of the rows of the weights."""


@dataclass(frozen=True, eq=False)
class FloatLstm:
    """A long short-term memory of real numbers.

    ``i, f, g, o = weights @ [x, h] + bias``, a row for each unit of each gate;
    ``c = sigmoid(f) * c + sigmoid(i) * tanh(g)``, ``h = sigmoid(o) * tanh(c)``; ``c`` and ``h``
    begin at 0.

    Parameters
    ----------
    weights : array of float, ``(4 * hidden, inputs + hidden)``
        Rows in the order of :data:`GATES`.
    bias : array of float, ``(4 * hidden,)``

    Raises
    ------
    ValueError
        If the shapes do not fit, or a number is not finite.
    """

    weights: np.ndarray
    bias: np.ndarray

    def __post_init__(self):
        # Through object, for the instance is frozen.
        object.__setattr__(self, "weights", finite(self.weights, "Weights"))
        object.__setattr__(self, "bias", finite(self.bias, "Bias"))
        rows, columns = self.weights.shape if self.weights.ndim == 2 else (0, 0)
        if not rows or rows % len(GATES) or columns <= rows // len(GATES):
            raise ValueError("Weights must have 4 * hidden rows and more than hidden columns, "
                             f"not shape {self.weights.shape}")
        if self.bias.shape != (rows,):
            raise ValueError(f"Bias must have shape {(rows,)}, not {self.bias.shape}")

    @classmethod
    def random(cls, inputs: int, hidden: int, rng: np.random.Generator) -> "FloatLstm":
        """Return weights within ``1 / sqrt(hidden)``, and 1 more in the forget gates' bias."""
        rows, most = len(GATES) * hidden, hidden**-0.5
        bias = rng.uniform(-most, most, rows)
        bias[GATES.index("forget") * hidden:][:hidden] += 1
        return cls(rng.uniform(-most, most, (rows, inputs + hidden)), bias)

    @property
    def hidden(self) -> int:
        """Units of the cell."""
        return len(self.weights) // len(GATES)

    def run(self, x) -> np.ndarray:
        """Outputs ``h`` of each step, ``(steps, batch, hidden)``, of ``(steps, batch, inputs)``."""
        x = check_sequence(x, self.weights.shape[1] - self.hidden)
        h = c = np.zeros((x.shape[1], self.hidden))
        outputs = []
        for now in x.astype(np.float64):
            sums = np.concatenate([now, h], axis=1) @ self.weights.T + self.bias
            i, f, g, o = np.split(sums, len(GATES), axis=1)
            c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
            h = _sigmoid(o) * np.tanh(c)
            outputs.append(h)
        return np.array(outputs)


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def check_sequence(x, inputs: int) -> np.ndarray:
    """Return numbers of ``(steps, batch, inputs)`` as float64.

    Raises
    ------
    ValueError
        If the input has another shape, or a number that is not finite.
    """
    x = finite(x, "Input")
    if x.ndim != 3 or x.shape[2] != inputs or not x.size:
        raise ValueError(f"Input must have shape (steps, batch, {inputs}), not {x.shape}")
    return x
