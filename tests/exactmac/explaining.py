"""What tests of ``exactmac explain`` share."""

import json
from pathlib import Path

import numpy as np

from exactmac import explain
from tests.commands import outcome

__all__ = ["HELLO", "X", "explained", "main"]

HELLO = Path(__file__).parents[1] / "data" / "hello_world_int8.tflite"
X = np.arange(-128, 128).reshape(-1, 1)


def main(capsys, *arguments):
    return outcome(explain.main, capsys, *arguments)


def explained(capsys, *arguments):
    status, out, err = main(capsys, *arguments, "--json")
    assert status == 0, err
    return json.loads(out)
