"""Shared parts of the command lines. A program ends with one line at most, whatever ends it.

A program's module begins with ::

    if __name__ == "__main__":
        from golden.command import run
        run("golden.lut")

so that :func:`run` works before any slow import. A thread does the work; the main thread waits for
its end or for a signal. Thus an interruption is answered at once and raises nothing in the middle
of the work.
"""

import argparse
import importlib
import io
import os
import re
import signal
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, ClassVar, NoReturn, TypeVar

from golden.suggest import nearest

__all__ = ["Parser", "committing", "integer", "keeping", "number", "output_file", "replace_file",
           "run", "undoing", "write_file"]

INTERRUPTED = 130
BROKEN_PIPE = 141
"""Exit status that shells report for a program ended by SIGINT or by SIGPIPE."""

T = TypeVar("T")

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP")
            if hasattr(signal, name)]


class Parser(argparse.ArgumentParser):
    """Parser whose errors are one line."""

    aliases: ClassVar[Mapping[str, str]] = {}
    """Patterns of other names, without dashes in front, and the option's name here."""

    def parse_args(self, args=None, namespace=None):
        """Parse as :class:`argparse.ArgumentParser` does; suggest a name for an unknown option."""
        parsed, rest = self.parse_known_args(args, namespace)
        if rest:
            self.error(f"unrecognized arguments: {' '.join(rest)}{self._meant(rest[0])}")
        return parsed

    def _meant(self, text: str) -> str:
        names = {name[2:].replace("-", "_"): name for action in self._actions
                 for name in action.option_strings if name.startswith("--")}
        near = (nearest(text[2:].split("=")[0], names, self.aliases) if text.startswith("--")
                else "")
        return f" (did you mean {names[near]}?)" if near in names else ""

    def error(self, message: str) -> NoReturn:
        """End with one line and status 2."""
        self.exit(2, f"{self.prog}: error: {message}\n")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """End with the message, if any, on one line, with unprintable characters escaped."""
        if message:  # names in files may be anything
            message = "".join(each if each.isprintable() else repr(each)[1:-1]
                              for each in message.rstrip("\n")) + "\n"
        super().exit(status, message)


def integer(text: str) -> int:
    """Type of an option that takes a whole number."""
    if not re.fullmatch(r"-?[0-9]+", text):
        raise argparse.ArgumentTypeError(f"must be an integer, not {text!r}")
    if len(text) > _MOST_DIGITS:
        raise argparse.ArgumentTypeError(f"must be an integer of at most {_MOST_DIGITS} "
                                         f"characters, not of {len(text)}")
    return int(text)


_MOST_DIGITS = 1000


def number(text: str) -> float:
    """Type of an option that takes a real number."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, not {text!r}") from None


def run(module: str) -> NoReturn:
    """Run ``module.main`` as a program and end with the status that it returns.

    SIGINT, SIGTERM and SIGHUP undo every open :func:`undoing` and end the program with one line. If
    standard output is closed, the program ends without a message; if it cannot be written, with
    one line, which says so if files were written before.
    """
    own = module.startswith("exactmac.")
    prog, results, errors = module.replace(".", " ") if own else f"python -m {module}", [], []
    _watch(prog)
    if sys.stdout is not None:
        sys.stdout = _Output(prog, sys.stdout)

    def work():
        try:
            try:
                results.append(importlib.import_module(module).main())
            finally:
                if sys.stdout is not None:
                    sys.stdout.flush()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    # With a timeout: the system may give a signal to another thread, which does not wake this one.
    while thread.is_alive():
        thread.join(0.1)
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    for error in errors:
        raise error
    sys.exit(results[0])


class _Output(io.TextIOWrapper):
    """Standard output that ends the program if it cannot be written."""

    def __init__(self, prog: str, stream: Any):
        # Characters that a terminal cannot show, as in a file's name that is no Unicode, are
        # escaped.
        super().__init__(stream.buffer, encoding=stream.encoding, errors="backslashreplace",
                         line_buffering=stream.line_buffering)
        self.prog = prog

    def write(self, text: str, /) -> int:
        with self._reported():
            return super().write(text)

    def flush(self):
        with self._reported():
            super().flush()

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            # The rest of the buffers is discarded.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            if isinstance(error, BrokenPipeError):
                raise SystemExit(BROKEN_PIPE) from None
            stays = "; the files were written" * _written.is_set()
            sys.stderr.write(f"{self.prog}: error: Standard output must be writable "
                             f"({error.strerror}){stays}\n")
            raise SystemExit(2) from None


# Held while an undoing begins or ends, or files are put in place. The interrupted main thread takes
# it and never releases it.
_lock = threading.RLock()
_undos: dict[object, Callable[[], None]] = {}
_kept: list[Callable[[], str]] = []
_written = threading.Event()


def _watch(prog: str):
    """Let each signal end the program, unless it was ignored at the start."""
    def interrupt(number: int, frame: FrameType | None):
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        _lock.acquire()
        for undo in reversed(_undos.values()):
            with suppress(Exception):
                undo()
        amount = "all was written" if _written.is_set() else "nothing was written"
        with suppress(OSError):
            os.write(2, f"{prog}: interrupted; {_kept[-1]() if _kept else amount}\n".encode())
        os._exit(INTERRUPTED)

    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupt)


@contextmanager
def undoing(begin: Callable[[], T], undo: Callable[[T], None]) -> Iterator[T]:
    """Yield the result of ``begin``; an interruption before the block's end calls ``undo`` on it.

    The latest is undone first. The interrupted block neither goes on nor is left.
    """
    key = object()
    with _lock:
        begun = begin()
        _undos[key] = lambda: undo(begun)
    try:
        yield begun
    finally:
        with _lock:
            del _undos[key]


@contextmanager
def keeping(kept: Callable[[], str]) -> Iterator[None]:
    """Let an interruption say what is kept: ``kept`` returns it, such as ``3 results are kept``."""
    with _lock:
        _kept.append(kept)
    try:
        yield
    finally:
        with _lock:
            _kept.remove(kept)


@contextmanager
def committing() -> Iterator[None]:
    """Put files in place: an interruption comes before all of the block or after it."""
    with _lock:
        yield
        _written.set()


def output_file(name: str, text: str) -> Path:
    """Return the file that an option names, after a check that it can be written.

    Parameters
    ----------
    name : str
        Name of the option in messages.
    text : str
        Value of the option.

    Raises
    ------
    ValueError, OSError
        If the file cannot be written.
    """
    if not text:
        raise ValueError(f"{name} must name a file, not ''")
    path = Path(text)
    with _writing(name, path):
        if path.is_dir():
            raise ValueError(f"{name} must be a file, not the folder {path}")
        if not path.parent.is_dir():
            raise ValueError(f"{name} must be in a folder that exists, not {path}")
        with suppress(FileNotFoundError):
            path.stat()
        place = _place(path)
        if (number := _descriptor(place)) is not None:
            _try(number)
        elif not _special(place):
            tempfile.TemporaryFile(dir=place.parent).close()
        elif not place.is_fifo():  # a pipe's reader would take the closing for the end
            number = os.open(place, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_NOCTTY)
            try:
                _try(number)
            finally:
                os.close(number)
    return path


def _try(number: int):
    # Nothing is written, but a full device refuses even that. A socket would send it.
    if not stat.S_ISSOCK(os.fstat(number).st_mode):
        os.write(number, b"")


def write_file(name: str, path: Path, data: bytes):
    """Write a file, all of it or nothing.

    A special file, such as a pipe, and an open file, such as ``/dev/stdout``, are written to and
    not replaced.

    Parameters
    ----------
    name : str
        Name of the option. Every ``OSError`` has it, and the path.
    path : Path
    data : bytes
    """
    with _writing(name, path):
        place = _place(path)
        if (number := _descriptor(place)) is not None:
            handle = os.dup(number)
        elif _special(place):
            handle = os.open(place, os.O_WRONLY | os.O_APPEND)
        else:
            with committing():
                replace_file(place, data)
            return
        # Without the lock, for which an interruption would wait: a pipe's reader may never read.
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        _written.set()


def replace_file(path: Path, data: bytes):
    """Write a file, all of it or nothing; every ``OSError`` names the file."""
    try:
        with _lock:
            handle, part = tempfile.mkstemp(prefix=".exactmac_", dir=path.parent)
            try:
                with os.fdopen(handle, "wb") as stream:
                    stream.write(data)
                Path(part).chmod(0o644)
                Path(part).replace(path)
            except BaseException:
                Path(part).unlink()
                raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


@contextmanager
def _writing(name: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OSError(f"{name} must be writable, not {path} ({error.strerror})") from error


_PROC = Path("/proc")
_MOST_LINKS = 40
"""Number of links that are followed, as in Linux."""


def _place(path: Path) -> Path:
    # Target of the links, but not of a link in /proc to an open file.
    for _ in range(_MOST_LINKS):
        path = Path(os.path.realpath(path.parent), path.name)
        if path.is_relative_to(_PROC) or not path.is_symlink():
            break
        path = path.parent / path.readlink()
    return path


def _descriptor(place: Path) -> int | None:
    # Number of the open file of this process at this path, if it is one.
    own = place.parent.is_relative_to(os.path.realpath("/proc/self")) or (
        place.parent == Path("/dev/fd"))
    return int(place.name) if own and re.fullmatch("[0-9]+", place.name) else None


def _special(place: Path) -> bool:
    # Files in /proc may be open files of another process.
    return place.is_relative_to(_PROC) or (place.exists() and not place.is_file())
