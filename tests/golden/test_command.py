"""How programs end: one line at most, and nothing half-done."""

import errno
import os
import signal
import threading
from pathlib import Path

import pytest

from golden import command
from golden.command import committing, output_file, write_file
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
            "from golden.command import Parser, committing, keeping, undoing\n"
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
    (r"Parser(prog='door').error('a\nb \x1b[1m \ud800 é')",
     (2, "", "door: error: a\\nb \\x1b[1m \\ud800 é\n")),
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


def test_a_full_device_leaves_the_files(door):
    body = "with committing():\n    pass\nprint('done')\nreturn 0"
    with open("/dev/full", "w") as full, door(body, stdout=full) as process:
        assert ended(process) == (2, None, FULL.replace("\n", "; the files were written\n"))


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


def test_a_signal_says_what_is_kept(door):
    body = """\
with keeping(lambda: "nothing is kept"):
    pass
with keeping(lambda: "3 results are kept"):
    print("ready", flush=True)
    time.sleep(1000)
"""
    with door(body) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert ended(process) == (130, "", "python -m door: interrupted; 3 results are kept\n")


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
    "golden.lut", "golden.speed", "golden.train"])
def test_every_front_door_begins_with_it(module):
    """Before its own imports, some of which take a second."""
    path = command.Path(command.__file__).parent.parent / module.replace(".", "/")
    path = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
    text = path.read_text()
    head = ('\nif __name__ == "__main__":\n    from golden.command import run\n'
            f'    run("{module}")\n')
    assert "import" not in text[:text.index(head)].split('"""')[2]


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    file, link = tmp_path / "file", tmp_path / "link"
    link.symlink_to("file")
    write_file("Out", link, b"one")
    assert file.read_bytes() == b"one" and link.is_symlink()

    def full(part, to):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(command.Path, "replace", full)
    with pytest.raises(OSError, match=rf"^Out must be writable, not {file} "
                                      r"\(No space left on device\)$"):
        write_file("Out", file, b"two")
    assert file.read_bytes() == b"one" and sorted(os.listdir(tmp_path)) == ["file", "link"]
    with pytest.raises(OSError, match=rf"^Csv must be writable, not {tmp_path}/a/b "
                                      r"\(No such file or directory\)$"):
        write_file("Csv", tmp_path / "a" / "b", b"")


def test_what_is_no_file_is_written_to(tmp_path):
    """Rather than replaced, which a superuser may do to any device."""
    pipe, link, read = tmp_path / "pipe", tmp_path / "link", []
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write_file("Out", output_file("Out", str(link)), b"one")
    reader.join()
    assert read == [b"one"] and pipe.is_fifo()
    with pytest.raises(OSError, match=r"^Out must be writable, not /dev/full "
                                      r"\(No space left on device\)$"):
        write_file("Out", Path("/dev/full"), b"one")


@pytest.mark.parametrize("name", ["/dev/fd/{}", "/proc/self/fd/{}", "/proc/thread-self/fd/{}",
                                  "link", "/proc/{process}/fd/{}"])
def test_an_open_file_is_written_to(tmp_path, monkeypatch, name):
    """What it had stays, and so does what it is: the file may have other readers."""
    monkeypatch.chdir(tmp_path)
    with open("file", "w+b") as file:
        Path("link").symlink_to(f"/dev/fd/{file.fileno()}")
        path = name.format(file.fileno(), process=os.getpid())
        file.write(b"one ")
        file.flush()
        write_file("Csv", output_file("Csv", path), b"two ")
        file.write(b"three")
    assert Path("file").read_bytes() == b"one two three"
    assert sorted(os.listdir(tmp_path)) == ["file", "link"]


def test_an_open_file_of_another_process_is_written_to(tmp_path, door):
    (tmp_path / "file").write_text("one ")
    with open(tmp_path / "file", "a") as file, door("sys.stdin.readline()\nreturn 0",
                                                    stdout=file) as process:
        write_file("Csv", output_file("Csv", f"/proc/{process.pid}/fd/1"), b"two")
        process.communicate("\n")
    assert (tmp_path / "file").read_text() == "one two" and "file" in os.listdir(tmp_path)


@pytest.mark.parametrize("unbuffered", [(), ("-u",)])
def test_a_pipe_that_is_standard_output_is_written_to(door, unbuffered):
    body = ("from golden.command import output_file, write_file\nprint('one')\n"
            "write_file('Csv', output_file('Csv', '/dev/stdout'), b'two\\n')\nreturn 0")
    with door(body.replace("print('one')", "print('one', flush=True)"), *unbuffered) as process:
        assert ended(process) == (0, "one\ntwo\n", "")


def test_a_pipe_that_nobody_empties_does_not_hold_an_interruption(tmp_path, door):
    os.mkfifo(tmp_path / "pipe")
    body = ("from golden.command import write_file\n"
            "write_file('Csv', Path('pipe'), bytes(1 << 22))")
    with open(os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK), "rb") as pipe, door(
            body) as process:
        assert comes(pipe)
        process.send_signal(signal.SIGINT)
        assert comes(process.stderr)
        assert ended(process) == (130, "",
                                  "python -m door: interrupted; nothing was written\n")


@pytest.mark.parametrize("text, message", [
    ("", "Csv must name a file, not ''"),
    (".", "Csv must be a file, not the folder ."),
    ("none/file", "Csv must be in a folder that exists, not none/file"),
    ("loop", "Csv must be writable, not loop (Too many levels of symbolic links)"),
    ("a" * 300, f"Csv must be writable, not {'a' * 300} (File name too long)"),
    ("/sys/file", "Csv must be writable, not /sys/file (Permission denied)"),
    ("/dev/fd/987", "Csv must be writable, not /dev/fd/987 (Bad file descriptor)"),
    ("/proc/self/fd", "Csv must be a file, not the folder /proc/self/fd"),
    ("/dev/full", "Csv must be writable, not /dev/full (No space left on device)"),
    ("/proc/file", "Csv must be writable, not /proc/file (No such file or directory)"),
])
def test_where_no_file_can_be_written(tmp_path, monkeypatch, text, message):
    monkeypatch.chdir(tmp_path)
    Path("loop").symlink_to("loop")
    with pytest.raises((OSError, ValueError)) as error:
        output_file("Csv", text)
    assert str(error.value) == message


def test_committing_says_that_all_was_written(monkeypatch):
    monkeypatch.setattr(command, "_written", threading.Event())
    with pytest.raises(KeyError), committing():
        raise KeyError
    assert not command._written.is_set()
    with committing():
        pass
    assert command._written.is_set()
