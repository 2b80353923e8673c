"""Quantized models in other projects' files, read as networks.

The content of a file decides what it is, not its name.
"""

from pathlib import Path
from typing import Literal

from golden.networks import Network
from golden.readers.contents import contents
from golden.readers.model import DamagedModel, Model, UnsupportedModel
from golden.readers.onnx.file import domains
from golden.readers.onnx.network import RUNTIMES as ONNX_RUNTIMES
from golden.readers.onnx.network import read_onnx
from golden.readers.qonnx.network import DOMAINS, read_qonnx
from golden.readers.qonnx.network import RUNTIMES as QONNX_RUNTIMES
from golden.readers.tflite.network import RUNTIMES as TFLITE_RUNTIMES
from golden.readers.tflite.network import read_tflite

__all__ = ["RUNTIMES", "DamagedModel", "Model", "UnsupportedModel", "kind_of", "read",
           "read_model"]

RUNTIMES = {"tflite": TFLITE_RUNTIMES, "onnx": ONNX_RUNTIMES, "qonnx": QONNX_RUNTIMES}
"""Runtimes whose arithmetic a network can have, of each kind of model, the default first."""

_READERS = {"tflite": read_tflite, "onnx": read_onnx, "qonnx": read_qonnx}


def read(path: str | Path, runtime: str | None = None) -> Network:
    """Return the network of a model's file; parameters and errors as :func:`read_model`."""
    return read_model(path, runtime).network


def read_model(path: str | Path, runtime: str | None = None) -> Model:
    """Return the network of a model's file, and where its tensors are in the file.

    Parameters
    ----------
    path : str or Path
        A TFLite, an ONNX or a QONNX model.
    runtime : str, optional
        Runtime whose arithmetic the network has; by default the first of :data:`RUNTIMES` for
        the kind of model.

    Raises
    ------
    OSError
        If the file cannot be read.
    DamagedModel
        If the file is no model, or a damaged one.
    UnsupportedModel
        If an operator cannot be read; the error names all such operators.
    """
    kind = kind_of(path)
    return _READERS[kind](Path(path), runtime or RUNTIMES[kind][0])


def kind_of(path: str | Path) -> Literal["onnx", "qonnx", "tflite"]:
    """Return the kind of a model's file.

    A TFLite file has TFL3 at byte 4; a QONNX file is an ONNX file with an operator of QONNX.
    """
    path = Path(path)
    if contents(path, 8)[4:] == b"TFL3":
        return "tflite"
    return "qonnx" if any(domain in DOMAINS for domain in domains(path)) else "onnx"
