"""MLPerf Tiny's int8 models on the emitted Verilog of an 8x8x8 tile, one input each.

``python -m tests.known_models`` prints the table of docs/network.md.
"""

import contextlib
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

from exactmac import network

__all__ = ["MODELS", "measured", "row"]

MODELS = {"ResNet-8": "pretrainedResnet_quant", "keyword spotting": "kws_ref_model",
          "anomaly detection": "ad01_int8"}
"""Name of each model's file."""


def measured(name: str) -> dict[str, Any]:
    """Return what the command prints as JSON."""
    path = Path(os.environ["EXACTMAC_MODELS"]) / f"{MODELS[name]}.tflite"
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        network.main([str(path), *"--rows 8 --cols 8 --lanes 8 --json".split()])
    return json.loads(text.getvalue())


def row(name: str, found: dict[str, Any]) -> str:
    """Return a row of the table."""
    every = found["all"]
    return (f"| {name} | {every['macs']:,} | {every['cycles_of_tiles']:,} | {every['cycles']:,} | "
            f"{100 * every['utilization']:.1f} % | {every['elements']:,} | {every['mismatches']} |")


def main() -> int:
    """Run every model and print its row."""
    if "EXACTMAC_MODELS" not in os.environ:
        sys.stderr.write("python -m tests.known_models: error: EXACTMAC_MODELS must name a folder "
                         "with the models\n")
        return 2
    for name in MODELS:
        print(row(name, measured(name)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
