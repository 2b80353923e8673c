"""Quantized models in files, other projects' or saved networks, read as networks.

The content of a file decides what it is, not its name.
"""

from pathlib import Path
from typing import Literal

from golden.networks import Network
from golden.readers.contents import contents
from golden.readers.model import DamagedModel, Model, UnsupportedModel
from golden.readers.onnx.file import domains
from golden.readers.onnx.file import files as onnx_files
from golden.readers.onnx.network import RUNTIMES as ONNX_RUNTIMES
from golden.readers.onnx.network import read_onnx
from golden.readers.qonnx.network import DOMAINS, read_qonnx
from golden.readers.qonnx.network import RUNTIMES as QONNX_RUNTIMES
from golden.readers.saved import MAGIC, RUNTIME, read_saved
from golden.readers.tflite.network import RUNTIMES as TFLITE_RUNTIMES
from golden.readers.tflite.network import read_tflite

__all__ = ["RUNTIMES", "DamagedModel", "Model", "UnsupportedModel", "files_of", "kind_of",
           "read", "read_model"]

RUNTIMES = {"tflite": TFLITE_RUNTIMES, "onnx": ONNX_RUNTIMES, "qonnx": QONNX_RUNTIMES}
"""Runtimes whose arithmetic a network can have, of each kind of other projects' models, the default
first."""

_READERS = {"tflite": read_tflite, "onnx": read_onnx, "qonnx": read_qonnx, "saved": read_saved}
_DEFAULTS = {kind: names[0] for kind, names in RUNTIMES.items()} | {"saved": RUNTIME}


def read(path: str | Path, runtime: str | None = None) -> Network:
    """Return the network of a model's file; parameters and errors as :func:`read_model`."""
    return read_model(path, runtime).network


def read_model(path: str | Path, runtime: str | None = None) -> Model:
    """Return the network of a model's file, and where its tensors are in the file.

    Parameters
    ----------
    path : str or Path
        A TFLite, an ONNX or a QONNX model, or a network that :func:`golden.saved.save` wrote.
    runtime : str, optional
        Runtime whose arithmetic the network has; by default the first of :data:`RUNTIMES` for
        the kind of model. A saved network has its own.

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
    return _READERS[kind](Path(path), runtime or _DEFAULTS[kind])


def files_of(path: str | Path) -> tuple[Path, ...]:
    """Return all files that a model is read from: an ONNX file may have its constants in others.

    Raises
    ------
    OSError
        If the model's file cannot be read.
    """
    return onnx_files(Path(path))


def kind_of(path: str | Path) -> Literal["onnx", "qonnx", "saved", "tflite"]:
    """Return the kind of a model's file.

    A TFLite file has TFL3 at byte 4, a saved network is a zip archive, a QONNX file is an ONNX file
    with an operator of QONNX.
    """
    path = Path(path)
    first = contents(path, 8)
    if first[4:] == b"TFL3":
        return "tflite"
    if first.startswith(MAGIC):
        return "saved"
    return "qonnx" if any(domain in DOMAINS for domain in domains(path)) else "onnx"
