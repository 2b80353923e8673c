import gc
import os
import zlib
from collections import Counter

# Two workers share the cores, and numpy reads this once: another thread would only spin.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest

from hw.heap import search

# Designs are large and full of references, most of which last as long as their test: looking for
# cycles among them after every 700 objects takes a tenth of the time.
gc.set_threshold(500_000, 20, 20)


# Fewer programs of a heap are tried: the best of them is as exact as any.
BITS, search.BITS = search.BITS, 1 << 11


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    # Minutes long: begun last, it would leave the other worker idle.
    items.sort(key=lambda item: item.name != "test_everything_is_proven")
    places: Counter[str] = Counter()
    for item in items:
        if (thinned := item.get_closest_marker("thinned")) is not None:
            name = item.nodeid.split("[")[0]
            if places[name] % thinned.args[0]:
                item.add_marker(pytest.mark.slow)
            places[name] += 1


def pytest_collection_finish():
    # Modules and tests stay to the end.
    gc.collect()
    gc.freeze()


@pytest.fixture
def long_search(monkeypatch):
    """Searches that try as many programs as in a build."""
    monkeypatch.setattr(search, "BITS", BITS)


@pytest.fixture
def rng(request):
    return np.random.default_rng(zlib.crc32(request.node.nodeid.encode()))
