"""Installed runtimes that run a model's file, each in a process of its own."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from golden.formats import Format
from golden.networks import Float32
from hw.flow.tools import ToolFailed, ToolMissing, failed, require, run_tool
from hw.folder import scratch

__all__ = ["RUNTIMES", "Runtime", "dtype_of", "tensors"]

SECONDS = 600.0
"""Longest time that a runtime may take for one model."""


@dataclass(frozen=True)
class Runtime:
    """A runtime that can be installed.

    Parameters
    ----------
    name : str
        Name in options and reports.
    adapter : str
        Module of :mod:`exactmac.oracles` that runs it.
    arguments : tuple of str
        Arguments of the adapter, before those of :func:`tensors`.
    package : str
        Python package that it is in.
    distribution : str
        Name of the package's distribution.
    version : str
        Version with which golden was compared.
    kind : str
        Kind of the files that it runs, ``tflite``, ``onnx`` or ``qonnx``.
    extra : str
        Extra that installs it.
    """

    name: str
    adapter: str
    arguments: tuple[str, ...]
    package: str
    distribution: str
    version: str
    kind: str = "tflite"
    extra: str = "runtimes"

    @property
    def installed(self) -> str | None:
        """Version that is installed; None if there is none."""
        if find_spec(self.package) is None:
            return None
        return metadata.version(self.distribution)

    def require(self) -> str:
        """Return the installed version.

        Raises
        ------
        ToolMissing
            If there is none, or the package that parses the runtime's files is not installed.
        """
        if (version := self.installed) is None:
            raise ToolMissing(self.name, f"pip install 'exactmac[{self.extra}]'")
        require("tflite" if self.kind == "tflite" else "onnx", self.kind,
                "pip install 'exactmac[models]'")
        return version


_MICRO = "tflite_micro", "tflite-micro", "0.dev20261023182759"
_LITERT = "ai_edge_litert", "ai-edge-litert", "2.3.0"

RUNTIMES: Mapping[str, Runtime] = {each.name: each for each in (
    Runtime("tflite-micro", "tflite_micro", (), *_MICRO),
    Runtime("litert", "litert", ("AUTO",), *_LITERT),
    Runtime("litert-builtin", "litert", ("BUILTIN_WITHOUT_DEFAULT_DELEGATES",), *_LITERT),
    Runtime("litert-reference", "litert", ("BUILTIN_REF",), *_LITERT),
    *(Runtime(name, "onnxruntime", (name,), "onnxruntime", "onnxruntime", "1.32.0", "onnx")
      for name in ("onnxruntime", "onnxruntime-unfused")),
    Runtime("qonnx", "qonnx", (), "qonnx", "qonnx", "1.0.0", "qonnx", "models"),
)}
"""Runtimes by name."""


def dtype_of(fmt: Format) -> str:
    """Return numpy's name of the type in which a runtime has the elements of a format."""
    if isinstance(fmt, Float32):
        return "float32"
    return f"{'int' if fmt.min < 0 else 'uint'}{fmt.bits}"


def tensors(runtime: Runtime, model: Path, inputs: Sequence[np.ndarray],
            seconds: float = SECONDS) -> dict[int, np.ndarray]:
    """Run a model on some inputs and return every tensor that the runtime shows.

    Parameters
    ----------
    runtime : Runtime
    model : Path
    inputs : sequence of array, ``(samples, *shape)``
        Elements of each input of the file's network, in its order; the shape is the file's without
        the batch.
    seconds : float
        Longest time for all samples.

    Returns
    -------
    dict of int to array, ``(samples, *shape)``
        Elements by the index of the tensor in the file.

    Raises
    ------
    ToolMissing
        If the runtime is not installed.
    ToolFailed
        If the runtime refuses the model, crashes, or takes too long.
    """
    runtime.require()
    with scratch() as folder:
        arrays: dict[str, Any] = {str(k): each for k, each in enumerate(inputs)}
        np.savez(folder / "inputs.npz", **arrays)
        done = run_tool(runtime.name, [
            sys.executable, "-m", f"exactmac.oracles.{runtime.adapter}", *runtime.arguments,
            model.resolve(), folder / "inputs.npz", folder / "outputs.npz"],
            seconds=seconds, environment={"TF_CPP_MIN_LOG_LEVEL": "3"})
        if done.returncode:
            raise failed(runtime.name, done)
        try:
            with np.load(folder / "outputs.npz") as archive:
                return {int(name): archive[name] for name in archive.files}
        except (OSError, ValueError) as error:
            raise ToolFailed(runtime.name, f"it left no results ({error})") from error
