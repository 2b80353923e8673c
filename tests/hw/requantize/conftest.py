from functools import partial

import pytest

from hw.targets.fabric import ECP5, FABRICS
from tests.hw.requantizers import Case


@pytest.fixture
def build():
    """Requantizers to test, of fabric generic."""
    return Case


@pytest.fixture(params=[pytest.param(fabric, id=name, marks=(
    [pytest.mark.slow] if fabric is ECP5 else [])) for name, fabric in FABRICS.items()])
def build_each(request):
    """Requantizers to test, of each fabric."""
    return partial(Case, fabric=request.param)
