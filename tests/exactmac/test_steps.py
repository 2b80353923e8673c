"""Steps, and those that follow them."""

import threading

import pytest

from exactmac.steps import run_steps


def steps(done, *names):
    """Steps that note their names; ``a>b>c`` is followed by ``b``, and this by ``c``."""
    def step(name):
        own, *rest = name.split(">")

        def work():
            done.append(own)
            if own == "fails":
                raise ValueError("no")
            return [step(">".join(rest))] if rest else None
        return own, work

    return [step(name) for name in names]


def test_what_follows_comes_before_what_waits(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    done, said = [], []
    run_steps(steps(done, "a>b>c", "d", "e>f"), lambda text, total: said.append((text, total)))
    assert done == [*"abcdef"]
    # The total grows by the steps that become known.
    assert said == [("a", 4), ("b", 5), ("c", 6), ("d", 6), ("e", 6), ("f", 7), ("report", 7)]
    run_steps([], lambda text, total: said.append((text, total)))
    assert said[-1] == ("report", 1)


def test_a_failure_ends_what_waits(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    done = []
    with pytest.raises(ValueError, match="^no$"):
        run_steps(steps(done, "a>fails>b", "c"), lambda text, total: None)
    assert done == ["a", "fails"]


def test_steps_run_side_by_side(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    both, said = threading.Barrier(2, timeout=60), []

    def meet():
        both.wait()

    run_steps([("a", meet), ("b", meet)], lambda text, total: said.append(text))
    assert said[0] == "a, b" and said[-1] == "report"
