import zlib

import numpy as np
import pytest


@pytest.fixture
def rng(request):
    return np.random.default_rng(zlib.crc32(request.node.nodeid.encode()))


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """Folder in which the session's compiled models are kept."""
    return tmp_path_factory.mktemp("models")
