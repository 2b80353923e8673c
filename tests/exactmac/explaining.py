"""What tests of ``exactmac explain`` share."""

import json
from pathlib import Path

import numpy as np

from exactmac import explain

__all__ = ["HELLO", "X", "explained", "main"]

HELLO = Path(__file__).parents[1] / "data" / "hello_world_int8.tflite"
X = np.arange(-128, 128).reshape(-1, 1)


def main(capsys, *arguments):
    try:
        status = explain.main([str(each) for each in arguments])
    except SystemExit as stop:
        status = stop.code
    out, err = capsys.readouterr()
    return status, out, err


def explained(capsys, *arguments):
    status, out, err = main(capsys, *arguments, "--json")
    assert status == 0, err
    return json.loads(out)
