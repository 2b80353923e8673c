"""What quantization cost a network: errors of its tensors, its accuracy; as a table and JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isinf
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from exactmac.names import short
from golden.quantize import TensorError

__all__ = ["LEGEND", "Accuracy", "QuantizeReport", "table"]

LEGEND = ("SQNR: signal-to-quantization-noise ratio, in dB; most: largest error, in steps; "
          "saturated: share\nof the float numbers beyond the format's ends, in %")
"""What the columns of the table are."""


@dataclass(frozen=True)
class Accuracy:
    """Samples whose largest output is that of their label, the first of equals.

    Parameters
    ----------
    samples : int
    real, quantized : int
        Number of such samples, by the float network and by the quantized one.
    """

    samples: int
    real: int
    quantized: int

    def __str__(self) -> str:
        real, quantized = self.real / self.samples, self.quantized / self.samples
        return f"float {real:.2%}, quantized {quantized:.2%}, of {self.samples} samples"


@dataclass(frozen=True)
class QuantizeReport:
    """A float network that is quantized.

    Parameters
    ----------
    network, model : str
        Name of the network, and its file.
    numbers : mapping of str to object
        Formats, contract and methods, by their options.
    calibrated, measured : str
        Where the samples for the ranges, and for the errors, are from.
    tensors : sequence of TensorError
    accuracy : Accuracy, optional
    out, qonnx : str, optional
        Files of the network.
    note : str, optional
        What the QONNX file does not hold (:func:`golden.writers.qonnx.ties_note`).
    """

    network: str
    model: str
    numbers: dict[str, Any]
    calibrated: str
    measured: str
    tensors: Sequence[TensorError]
    accuracy: Accuracy | None
    out: str | None
    qonnx: str | None
    note: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Everything in plain types."""
        accuracy = self.accuracy and {
            "samples": self.accuracy.samples, "float": self.accuracy.real / self.accuracy.samples,
            "quantized": self.accuracy.quantized / self.accuracy.samples}
        return {"network": self.network, "model": self.model, "numbers": self.numbers,
                "calibrated": self.calibrated, "measured": self.measured,
                "tensors": [each.to_json() for each in self.tensors], "accuracy": accuracy,
                "out": self.out, "qonnx": self.qonnx, "note": self.note}


def table(tensors: Sequence[TensorError]) -> Table:
    """Return a row for each tensor."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("tensor", "made by", "format"):
        table.add_column(column, no_wrap=True)
    for column in ("scale", "zero point", "SQNR", "most", "saturated"):
        table.add_column(column, justify="right", no_wrap=True)
    for each in tensors:
        own = each.quantization
        # A name from a file is no markup.
        table.add_row(
            Text(short(each.name)), each.operator, str(own.format),
            "channels" if np.ndim(own.scale) else f"{own.scale:.4g}", f"{own.zero_point}",
            "exact" if each.noise_ratio > 0 and isinf(each.noise_ratio)
            else f"{each.noise_ratio:.1f}",
            f"{each.most_steps:.2f}", f"{100 * each.saturated:.2f}")
    return table
