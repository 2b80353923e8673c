"""How programs end: one line at most, and nothing half-done."""

import errno
import os
import signal
import threading

import pytest

from golden import command
from golden.command import committing, write_file
from tests.processes import comes, python

DOOR = "from golden.command import run; run('door')"
FULL = "door: error: Standard output must be writable (No space left on device)\n".replace(
    "door", "python -m door", 1)


@pytest.fixture
def door(tmp_path):
    """Start a program with such a body of ``main``."""
    def door(body, *arguments, **more):
        (tmp_path / "door.py").write_text(
            "import os, signal, sys, time\nfrom pathlib import Path\n"
            "from golden.command import Parser, committing, undoing\n"
            "def main():\n" + "".join(f"    {line}\n" for line in body.splitlines()))
        return python(*arguments, "-c", DOOR, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)},
                      **more)
    return door


def ended(process):
    out, err = process.communicate()
    return process.returncode, out, err


@pytest.mark.parametrize("body, end", [
    ("print('done')\nreturn 0", (0, "done\n", "")),
    ("return 3", (3, "", "")),
    ("Parser(prog='door').error('no')", (2, "", "door: error: no\n")),
    ("print('\\udcff')\nreturn 0", (0, "\\udcff\n", "")),
])
def test_its_status_is_that_of_main(door, body, end):
    with door(body) as process:
        assert ended(process) == end


def test_what_nobody_expects_has_a_traceback(door):
    with door("raise KeyError('no such thing')") as process:
        status, out, err = ended(process)
    assert (status, out) == (1, "") and err.endswith("KeyError: 'no such thing'\n")


PRINTING = ["print('much' * 100_000)\nreturn 0", "print('little')\nreturn 0",
            "Parser().parse_args(['--help'])",
            "from rich.console import Console\nConsole().print('rich')\nreturn 0"]


@pytest.mark.parametrize("unbuffered", [(), ("-u",)])
@pytest.mark.parametrize("body", PRINTING)
def test_a_closed_pipe_ends_it_in_silence(door, body, unbuffered):
    reading, writing = os.pipe()
    os.close(reading)
    with door(body, *unbuffered, stdout=writing) as process:
        os.close(writing)
        assert ended(process) == (command.BROKEN_PIPE, None, "")


@pytest.mark.parametrize("unbuffered", [(), ("-u",)])
@pytest.mark.parametrize("body", PRINTING)
def test_a_full_device_ends_it_in_a_line(door, body, unbuffered):
    with open("/dev/full", "w") as full, door(body, *unbuffered, stdout=full) as process:
        assert ended(process) == (2, None, FULL)


def test_without_standard_output(door):
    with door("print('nobody reads this')\nsys.exit(7)", "-c",
              "import os, sys; os.close(1); os.execv(sys.executable, [sys.executable, "
              "*sys.orig_argv[3:]])") as process:
        assert ended(process) == (7, "", "")


UNDOING = """\
def undo(path):
    os.kill(os.getpid(), signal.SIGINT)  # a second one, while the first is answered
    path.write_text(str(len(list(Path().glob("undone*")))))
with undoing(lambda: Path("undone1"), undo), undoing(lambda: Path("undone0"), undo):
    with undoing(lambda: Path("not undone"), undo):
        pass
    print("ready", flush=True)
    {}
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("busy", ["time.sleep(1000)", "while True: pass"])
def test_a_signal_undoes_what_is_under_way(tmp_path, door, busy, number):
    with door(UNDOING.format(busy)) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert ended(process) == (130, "",
                                  "python -m door: interrupted; nothing was written\n")
    # The later one first.
    assert {path.name: path.read_text() for path in tmp_path.glob("*undone*")} == {
        "undone0": "0", "undone1": "1"}


def test_a_signal_waits_for_files_that_come_to_their_place(tmp_path, door):
    body = """\
with committing():
    print("ready", flush=True)
    sys.stdin.readline()
    Path("written").touch()
time.sleep(1000)
"""
    with door(body) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        process.stdin.write("\n")
        process.stdin.flush()
        assert comes(process.stderr)
        assert process.stderr.read() == "python -m door: interrupted; all was written\n"
        assert process.wait() == 130
    assert (tmp_path / "written").exists()


def test_a_signal_that_is_ignored_stays_ignored(tmp_path, door):
    """As nohup has it."""
    body = "print('ready', flush=True)\nsys.stdin.readline()\nreturn 0"
    with door(body, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGHUP)
        assert process.communicate("\n") == ("", "") and process.returncode == 0


@pytest.mark.parametrize("module", [
    "golden.lut", "golden.speed", "golden.train", "hw.build", "hw.bench", "sim.network",
    "sim.prove"])
def test_every_front_door_begins_with_it(module):
    """Before its own imports, some of which take a second."""
    path = command.Path(command.__file__).parent.parent / f"{module.replace('.', '/')}.py"
    text = path.read_text()
    head = ('\nif __name__ == "__main__":\n    from golden.command import run\n'
            f'    run("{module}")\n')
    assert "import" not in text[:text.index(head)].split('"""')[2]


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    file, link = tmp_path / "file", tmp_path / "link"
    link.symlink_to(file)
    write_file(link, b"one")
    assert file.read_bytes() == b"one" and link.is_symlink()

    def full(part, to):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(command.Path, "replace", full)
    with pytest.raises(OSError, match=rf"^\[Errno 28\] No space left on device: '{file}'$"):
        write_file(file, b"two")
    assert file.read_bytes() == b"one" and sorted(os.listdir(tmp_path)) == ["file", "link"]
    with pytest.raises(OSError, match=rf"^\[Errno 2\] No such file or directory: '{tmp_path}/a/b'"):
        write_file(tmp_path / "a" / "b", b"")


def test_what_is_no_file_is_written_to(tmp_path):
    """Rather than replaced, which a superuser may do to any device."""
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write_file(pipe, b"one")
    reader.join()
    assert read == [b"one"] and pipe.is_fifo()


def test_committing_says_that_all_was_written(monkeypatch):
    monkeypatch.setattr(command, "_written", threading.Event())
    with pytest.raises(KeyError), committing():
        raise KeyError
    assert not command._written.is_set()
    with committing():
        pass
    assert command._written.is_set()
