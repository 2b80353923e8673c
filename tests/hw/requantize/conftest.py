from functools import partial

import pytest

from hw.targets.fabric import FABRICS, GENERIC
from tests.hw.requantizers import Case


@pytest.fixture(params=[pytest.param(fabric, id=name, marks=() if fabric is GENERIC
                                     else pytest.mark.slow) for name, fabric in FABRICS.items()])
def build(request):
    """Requantizers to test, of each fabric."""
    return partial(Case, fabric=request.param)
