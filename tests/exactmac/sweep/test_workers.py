"""Processes and clusters: what is lost on the way is computed again."""

import os
import signal
import socket
import time
from concurrent.futures import CancelledError, Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing import active_children

import pytest

from exactmac.sweep import workers
from exactmac.sweep.evaluate import GOLDEN, Done, Task
from exactmac.sweep.identity import Identity, identity
from exactmac.sweep.points import points_of
from exactmac.sweep.subject import Subject
from exactmac.sweep.workers import cluster, compute, processes
from tests.processes import comes, python


def tasks_of(count):
    points = points_of({"bits": [2], "rows": [*range(1, count + 1)]}, workflow="post-training")
    subject = Subject("digits").read()
    return [Task(subject, each, (GOLDEN,), identity()) for each in points]


class Fragile:
    """Stands in for processes: some points end theirs, and with it whatever else is under way."""

    def __init__(self, room, deadly=(), raising=None):
        self.room, self.deadly, self.raising = room, list(deadly), raising or {}
        self.running, self.begun, self.renewed = [], [], 0

    def submit(self, task):
        self.begun.append(task)
        future = Future()
        self.running.append((task, future))
        if task in self.deadly:
            self.deadly.remove(task)
            for _, each in self.running:
                if not each.done():
                    each.set_exception(BrokenProcessPool("ended"))
        elif len(self.running) % self.room == 0 or self.room == 1:
            self.finish()
        return future

    def finish(self):
        for task, each in self.running:
            if not each.done():
                if task in self.raising:
                    each.set_exception(self.raising[task])
                else:
                    each.set_result(Done({"golden": task}))

    def end(self):
        self.renewed += 1
        self.running.clear()
        self.room = 1


def computed(tasks, place):
    done = {}

    def keep(task, own):
        assert task not in done
        done[task] = own

    compute(tasks, place, keep)
    assert set(done) == set(tasks)
    return done


TASKS = list("abcdef")


def test_everything_is_computed_once():
    place = Fragile(2)
    assert computed(TASKS, place) == {each: Done({"golden": each}) for each in TASKS}
    assert (place.begun, place.renewed) == (TASKS, 0)


def test_a_lost_process_loses_nothing():
    place = Fragile(3, "b")
    assert computed(TASKS, place) == {each: Done({"golden": each}) for each in TASKS}
    # The third one ends well, but may be seen after the loss.
    assert place.renewed == 1
    assert [place.begun.count(each) for each in "abdef"] == [2, 2, 1, 1, 1]


def test_a_point_that_ends_its_process_twice_fails():
    done = computed(TASKS, Fragile(3, "bb"))
    assert done.pop("b") == Done(failed="its process ended by itself, twice")
    assert done == {each: Done({"golden": each}) for each in "acdef"}


def test_what_a_worker_raises_is_that_of_its_point():
    done = computed(["a", "b", "c"], Fragile(1, raising={
        "a": ModuleNotFoundError("No module named 'exactmac'"), "b": CancelledError()}))
    assert done == {"a": Done(failed="ModuleNotFoundError: No module named 'exactmac'"),
                    "b": Done(ended="Scheduler must answer until all points are computed"),
                    "c": Done({"golden": "c"})}


def test_a_process_of_other_sources_computes_nothing():
    from exactmac.sweep.evaluate import evaluate
    [task] = tasks_of(1)
    own = identity()
    for other, said in (
            (Identity("0" * 64, own.tools), f"sources of digest {own.sources[:12]} in place of "
                                            f"{'0' * 12}"),
            (Identity(own.sources, (*own.tools, ("zzz", "1"))), "zzz missing in place of 1")):
        done = evaluate(replace(task, identity=other))
        assert done == Done(ended=f"Process {os.getpid()} must have the sources and tools of the "
                                  f"sweep, not {said}")


def test_no_process_begins_after_an_interruption():
    with processes() as place:
        place.stop()
        with pytest.raises(RuntimeError):
            compute(tasks_of(1), place, lambda task, done: None)
    assert active_children() == []


@pytest.mark.slow
def test_processes_of_this_machine_one_killed():
    tasks, done = tasks_of(6), {}
    with processes() as place:
        def keep(task, own):
            done[task.point.given["rows"]] = own.results[GOLDEN]["cycles"]
            if len(done) == 1:
                os.kill(active_children()[0].pid, signal.SIGKILL)

        compute(tasks, place, keep)
        assert active_children()
    assert active_children() == []
    assert sorted(done) == [1, 2, 3, 4, 5, 6] and done[1] > done[6]


SWEEP = ("-m", "exactmac", "sweep", "--bits", "2..16", "--rows", "1,2,3,4,5,6,7,8", "--no-verify")


@pytest.mark.parametrize("results", [3, pytest.param(0, marks=pytest.mark.slow)])
def test_an_interruption_keeps_what_was_done(tmp_path, results):
    """Also before the processes have begun to compute."""
    with python(*SWEEP, "--out", tmp_path / "out") as process:
        deadline = time.monotonic() + 120
        while len(list((tmp_path / "out").glob("results/*"))) <= results:
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        assert comes(process.stdout)
        out, err = process.communicate(timeout=60)
        # Nobody of the group is left.
        while True:
            try:
                os.killpg(process.pid, 0)
            except ProcessLookupError:
                break
            assert time.monotonic() < deadline
            time.sleep(0.05)
    kept = len(list((tmp_path / "out").glob("results/*"))) - 1
    assert (process.returncode, out) == (130, "")
    assert results <= kept < 120
    said = [line for line in err.splitlines() if ", working on " not in line]
    assert said in [[f"exactmac sweep: interrupted; {count} of 120 points are kept in "
                     f"{tmp_path / 'out'}"] for count in (kept - 1, kept)]


@pytest.fixture
def quiet(monkeypatch):
    monkeypatch.setattr(workers, "PATIENCE", 0.5)


@pytest.fixture
def silent():
    """Address of a peer that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as peer:
        yield f"tcp://127.0.0.1:{peer.getsockname()[1]}"


ADDRESSES = {
    "tcp://127.0.0.1:9": "it said nothing", "garbage": "missing port number in address 'garbage'",
    "": "missing port number in address ''", "http://127.0.0.1:80": "unknown address scheme 'http'",
    "inproc://x": "not enough values to unpack", "tls://127.0.0.1:99": "TLS expects"}


@pytest.mark.parametrize("address", [*ADDRESSES, "silent"])
def test_a_scheduler_that_does_not_answer(quiet, silent, address):
    reason = ADDRESSES.get(address, "it said nothing")
    address = silent if address == "silent" else address
    with pytest.raises(ValueError, match="^Scheduler must be one that answers within 0.5 s, not "
                                         rf"'{address}' \({reason}"):
        with cluster(address):
            raise AssertionError


@pytest.mark.parametrize("address", ["silent", *(
    pytest.param(each, marks=pytest.mark.slow) for each in ADDRESSES)])
def test_a_scheduler_that_does_not_answer_is_one_line(tmp_path, silent, address):
    """In a process of its own: nothing is said, or waited for, as the process ends."""
    reason = ADDRESSES.get(address, "it said nothing")
    address = silent if address == "silent" else address
    with python("-m", "exactmac", "sweep", "--bits", "2", "--no-verify", "--out", tmp_path / "out",
                "--scheduler", address) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"exactmac sweep: error: Scheduler must be one that answers within 4 s, "
                          f"not {address!r} ({reason}")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_cluster_of_processes_one_killed():
    from distributed import LocalCluster
    tasks, done = tasks_of(24), {}
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
                      ) as local, cluster(local.scheduler_address) as place:
        [victim, *_] = [each.pid for each in local.workers.values()]

        def keep(task, own):
            assert own.failed is None and own.ended is None
            done[task.point.given["rows"]] = own.results[GOLDEN]["cycles"]
            if len(done) == 3:
                os.kill(victim, signal.SIGKILL)

        compute(tasks, place, keep)
    assert sorted(done) == [*range(1, 25)]


@pytest.mark.slow
def test_a_scheduler_without_workers(quiet):
    from distributed import LocalCluster
    with LocalCluster(n_workers=0, processes=True, dashboard_address=":0") as local:
        with pytest.raises(ValueError, match="^Scheduler must have a worker within 0.5 s, not "
                                             "tcp://.*, which has none$"):
            with cluster(local.scheduler_address):
                raise AssertionError
