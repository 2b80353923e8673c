"""Processes of tests, which end with their test whatever happens."""

import os
import select
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

__all__ = ["LONG", "Held", "comes", "python"]

ROOT = Path(__file__).parent.parent
LONG = 300  # seconds, after which something is taken to hang


def _heed():
    # Where the tests run in the background signals may be ignored, and a child inherits that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@contextmanager
def python(*arguments, **more):
    """Start Python on this checkout, and kill it at the end of the block."""
    environment = {**os.environ, **more.pop("env", {})}
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(ROOT), *filter(None, [environment.get("PYTHONPATH")])])
    process = subprocess.Popen(
        [sys.executable, *arguments], stdin=subprocess.PIPE, text=True, env=environment,
        start_new_session=True,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "preexec_fn": _heed, **more})
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def comes(stream):
    """Whether something, be it the end, comes out of a stream or a descriptor."""
    return bool(select.select([stream], [], [], LONG)[0])


class Held:
    """A program that holds whoever starts it until the test ends, and a child of its own.

    Parameters
    ----------
    path : Path
        Of the program.
    before : str
        What it does first, in the shell's language.
    """

    def __init__(self, path, before):
        begun, held = path.with_suffix(".begun"), path.with_suffix(".held")
        os.mkfifo(begun)
        os.mkfifo(held)
        self._begun = os.open(begun, os.O_RDONLY | os.O_NONBLOCK)
        self._held = os.open(held, os.O_RDWR)
        path.write_text(f"#!/bin/sh\n{before}\nexec 3>{begun}\necho begun >&3\n"
                        f"cat {held} &\nwait\n")
        path.chmod(0o755)

    def begins(self):
        """Wait for it to be started."""
        return comes(self._begun) and os.read(self._begun, 6) == b"begun\n"

    def ends(self):
        """Wait for the end of the program and of its child, however often it was started."""
        while comes(self._begun):
            if not os.read(self._begun, 100):
                return True
        return False

    def release(self):
        """Let it go on."""
        os.close(self._held)
        os.close(self._begun)
