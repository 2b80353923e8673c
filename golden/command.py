"""What the command lines share: each ends in one line at most, whatever ends it.

A front door begins with ::

    if __name__ == "__main__":
        from golden.command import run
        run("golden.lut")

so that :func:`run` is there before anything that takes time to import. The work is done in a
thread, of which the main thread waits for the end or for a signal: an interruption is answered at
once, wherever the work is, and raises nothing in the middle of it.
"""

import argparse
import importlib
import io
import os
import re
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, TypeVar

__all__ = ["Parser", "committing", "integer", "number", "output_file", "replace_file", "run",
           "undoing", "write_file"]

INTERRUPTED = 130
BROKEN_PIPE = 141
"""Exit status, as shells have it of a program that SIGINT or SIGPIPE ended."""

T = TypeVar("T")

_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP")
            if hasattr(signal, name)]


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """End with one line and status 2."""
        self.exit(2, f"{self.prog}: error: {message}\n")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """End with a line, if any, in which what cannot be printed is escaped."""
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

    SIGINT, SIGTERM and SIGHUP undo what :func:`undoing` has under way, and end the program with
    one line. Where standard output is closed the program ends without a word; where it cannot be
    written, with one line.
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
    # Not for good: the system may give a signal to another thread, which wakes nobody.
    while thread.is_alive():
        thread.join(0.1)
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    for error in errors:
        raise error
    sys.exit(results[0])


class _Output(io.TextIOWrapper):
    """Standard output that ends the program where it cannot be written."""

    def __init__(self, prog: str, stream: Any):
        # What a terminal cannot show, such as a file's name that is no Unicode, is escaped.
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
            # What is left in the buffers goes nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            if isinstance(error, BrokenPipeError):
                raise SystemExit(BROKEN_PIPE) from None
            sys.stderr.write(f"{self.prog}: error: Standard output must be writable "
                             f"({error.strerror})\n")
            raise SystemExit(2) from None


# Held while what is to be undone begins or ends, or files come to their places; by the main
# thread, once it is interrupted, for good.
_lock = threading.RLock()
_undos: dict[object, Callable[[], None]] = {}
_written = threading.Event()


def _watch(prog: str):
    """Let each signal end the program, unless it was to be ignored from the beginning."""
    def interrupt(number: int, frame: FrameType | None):
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        _lock.acquire()
        for undo in reversed(_undos.values()):
            with suppress(Exception):
                undo()
        what = "all" if _written.is_set() else "nothing"
        with suppress(OSError):
            os.write(2, f"{prog}: interrupted; {what} was written\n".encode())
        os._exit(INTERRUPTED)

    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupt)


@contextmanager
def undoing(begin: Callable[[], T], undo: Callable[[T], None]) -> Iterator[T]:
    """Yield what ``begin`` returns; if the program is interrupted before the end, ``undo`` that.

    Later ones are undone first. The block itself does not go on then, nor is it left.
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
def committing() -> Iterator[None]:
    """Put files where they belong: an interruption comes before all of that or after it."""
    with _lock:
        yield
        _written.set()


def output_file(name: str, text: str) -> Path:
    """Return the file that an option names, once it is sure that it can be written.

    Parameters
    ----------
    name : str
        Of the option, for the message.
    text : str
        What was given.

    Raises
    ------
    ValueError, OSError
        Where it cannot.
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
            os.fstat(number)
        elif not _special(place):
            tempfile.TemporaryFile(dir=place.parent).close()
    return path


def write_file(name: str, path: Path, data: bytes):
    """Write a file, all of it or nothing.

    What is no regular file, such as a pipe, is written to, and so is an open file that the path
    stands for, such as ``/dev/stdout``: neither is replaced.

    Parameters
    ----------
    name : str
        Of the option that names the file. ``OSError`` says it, and the path, whatever went wrong.
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
        # Not while an interruption would wait: the other end of a pipe may never read.
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        _written.set()


def replace_file(path: Path, data: bytes):
    """Write a file, all of it or nothing; ``OSError`` names it, whatever went wrong."""
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
"""As Linux follows them."""


def _place(path: Path) -> Path:
    # Where links lead to, short of the file behind an open one.
    for _ in range(_MOST_LINKS):
        path = Path(os.path.realpath(path.parent), path.name)
        if path.is_relative_to(_PROC) or not path.is_symlink():
            break
        path = path.parent / path.readlink()
    return path


def _descriptor(place: Path) -> int | None:
    # Which open file of this process it is.
    own = place.parent.is_relative_to(os.path.realpath("/proc/self")) or (
        place.parent == Path("/dev/fd"))
    return int(place.name) if own and re.fullmatch("[0-9]+", place.name) else None


def _special(place: Path) -> bool:
    # Those of /proc may be open files of another process.
    return place.is_relative_to(_PROC) or (place.exists() and not place.is_file())
