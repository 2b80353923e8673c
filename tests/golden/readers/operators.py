"""Each operator of TFLite in each runtime: ``python -m tests.golden.readers.operators``.

Random files of one operator run in the runtime and in golden with that runtime's arithmetic, until
there are 50 files and 10,000 elements. The table goes to ``docs/operators.md``. Each cell is kept
in ``build/operators.json`` as soon as it is computed: a run that was stopped goes on from there,
and ``--only A,B`` computes rows anew.
"""

import argparse
import json
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich.progress import track

from exactmac.oracles import RUNTIMES
from exactmac.oracles.litert import start as litert
from exactmac.oracles.tflite_micro import start as tflite_micro
from golden.readers import UnsupportedModel, read_model
from golden.run import run
from tests.golden.readers.tflite_files import CASES, case

ROOT = Path(__file__).parents[3]
PAGE, CELLS = ROOT / "docs" / "operators.md", ROOT / "build" / "operators.json"
NAMES = ("tflite-micro", "litert", "litert-reference")
KINDS = {"int8": "int8", "int16": "int16x8"}
FILES, ELEMENTS, MOST_FILES, ROUND = 50, 10_000, 4000, 250


def worker(name: str, folder: Path):
    """Run every file of a folder in a runtime; results and refusals go beside the files."""
    start = tflite_micro if name == "tflite-micro" else litert
    for path in sorted(folder.glob("*.tflite")):
        with np.load(path.with_suffix(".npz")) as archive:
            inputs = [archive[str(k)] for k in range(len(archive.files))]
        try:
            shown = start(path)(inputs)
        except (RuntimeError, ValueError) as error:
            path.with_suffix(".refused").write_text(str(error))
            continue
        arrays = {str(index): each for index, each in shown.items()}
        np.savez(path.with_suffix(f".{name}.npz"), **arrays)


def batch(name: str, operator: str, kind: str, rng, whys: dict[str, str]) -> Counter:
    """Counts of a round of files; ``whys`` gets the first reason of each kind of exclusion."""
    counts = Counter()

    def left_out(outcome: str, why: str):
        counts[outcome] += 1
        whys.setdefault(outcome, why)

    with TemporaryDirectory() as work:
        folder, inputs = Path(work), []
        for number in range(ROUND):
            data, arrays = case(operator, kind, rng)
            (folder / f"{number:04}.tflite").write_bytes(data)
            np.savez(folder / f"{number:04}.npz", **{str(k): x for k, x in enumerate(arrays)})
            inputs.append(arrays)
        # A process of its own, for LiteRT does not always survive many models.
        runtime = RUNTIMES[name]
        subprocess.run([sys.executable, "-m", __spec__.name, *(runtime.arguments or ("",)),
                        "--worker", name, work], capture_output=True, check=False)
        for number, arrays in enumerate(inputs):
            path = folder / f"{number:04}.tflite"
            if (refused := path.with_suffix(".refused")).exists():
                left_out("refused", refused.read_text().splitlines()[0])
                continue
            if not (results := path.with_suffix(f".{name}.npz")).exists():
                left_out("crashed", "the runtime's process ended")
                continue
            try:
                read = read_model(path, name)
            except UnsupportedModel as error:
                left_out("excluded", error.problems[0].reason)
                continue
            own = run(read.network, {tensor.name: each for tensor, each in zip(
                read.network.inputs, arrays, strict=True)})
            with np.load(results) as shown:
                for output in read.network.outputs:
                    theirs = shown[str(read.tensors[output])]
                    counts["elements"] += theirs.size
                    counts["differ"] += int((theirs != own[output].reshape(theirs.shape)).sum())
            counts["files"] += 1
    return counts


def cell(name: str, operator: str, kind: str) -> dict:
    """Counts of a cell of the table, and why files are left out."""
    rng = np.random.default_rng(zlib.crc32(f"{name} {operator} {kind}".encode()))
    total, made, whys = Counter(), 0, {}
    while made < MOST_FILES:
        total += batch(name, operator, kind, rng, whys)
        made += ROUND
        if total["files"] >= FILES and total["elements"] >= ELEMENTS or not total["files"]:
            break
    return {**total, "whys": whys}


def text(counts: Mapping) -> str:
    """Text of a cell, in bold where something is wrong."""
    left_out = [outcome for outcome in ("refused", "crashed", "excluded") if outcome in counts]
    if not (files := counts.get("files", 0)):
        return left_out[-1]
    elements, differ = counts["elements"], counts.get("differ", 0)
    if differ:
        return f"**{differ:,} of {elements:,} differ**"
    enough = files >= FILES and elements >= ELEMENTS
    return ", ".join([f"{elements:,} in {files:,}", *([] if enough else ["**too few**"]),
                      *(f"{counts[each]:,} {each}" for each in left_out)])


def cells(operators: Collection[str], anew: Collection[str]) -> dict[str, dict]:
    """Every cell by name, from the file of cells or computed; ``anew`` names rows to compute."""
    kept = json.loads(CELLS.read_text()) if CELLS.exists() else {}
    for operator in track(operators, description="operators"):
        for kind in KINDS:
            for name in NAMES:
                key = f"{operator} {kind} {name}"
                if key not in kept or operator in anew:
                    kept[key] = cell(name, operator, kind)
                    CELLS.parent.mkdir(exist_ok=True)
                    CELLS.write_text(json.dumps(kept, indent=1))
    return kept


TEXT = """\
# TFLite's operators, and whose results golden has

Which operator of a TFLite file golden computes as which runtime does, for int8 and for int16
activations with int8 weights. [models.md](models.md) says what the runtimes are, and how to read a
file.

```sh
python -m tests.golden.readers.operators
```

writes this page from random files of one operator: shapes, scales, zero points, strides, paddings
and activations are drawn, and inputs cover the whole range. Half of the scales are short decimals,
whose ratios make ties. The runtimes are {versions}.

A cell counts output elements and the files that they are from; all of them are equal in the runtime
and in golden with that runtime's arithmetic (`golden.readers.read(path, runtime)`). *Refused* files
are those that the runtime refuses; *excluded* ones golden refuses for that runtime. The reasons
stand below the table. LiteRT without its default delegate (`litert-builtin`) has no column: it
multiplies by ruy, whose rounding depends on the processor. The default tests run a few files of
each row in tflite-micro.

"""
WHY = """
## Why files are left out

Of each cell the first reason. Those of refused files are the runtime's own words.

"""


def whys(kept: Mapping[str, Mapping]) -> list[str]:
    """A line for each reason for which files are left out, with the cells that have it."""
    found: dict[str, list[str]] = {}
    for operator in CASES:
        for kind, title in KINDS.items():
            for name in NAMES:
                for outcome, why in kept[f"{operator} {kind} {name}"]["whys"].items():
                    line = f"{outcome}: {why.rstrip('.')}"
                    found.setdefault(line, []).append(f"{operator} {title} {name}")
    return [f"- {', '.join(where)} {line}" for line, where in found.items()]


def main() -> int:
    """Fill the table and write the page."""
    parser = argparse.ArgumentParser(prog=f"python -m {__spec__.name}")
    parser.add_argument("resolver", nargs="?")
    parser.add_argument("--worker", nargs=2)
    parser.add_argument("--only")
    args = parser.parse_args()
    if args.worker:
        worker(args.worker[0], Path(args.worker[1]))
        return 0
    only = args.only.split(",") if args.only else []
    kept = cells(only or CASES, only)
    heads = [f"{kind}, {name}" for kind in KINDS.values() for name in NAMES]
    rows = [f"| operator | {' | '.join(heads)} |", f"|---|{'---|' * len(heads)}"]
    for operator in only or CASES:
        texts = [text(kept[f"{operator} {kind} {name}"]) for kind in KINDS for name in NAMES]
        rows.append(f"| {operator} | {' | '.join(texts)} |")
    print("\n".join(rows))
    if not only:
        versions = ", ".join(dict.fromkeys(f"{RUNTIMES[name].distribution} {RUNTIMES[name].version}"
                                           for name in NAMES))
        PAGE.write_text(TEXT.format(versions=versions) + "\n".join([*rows, WHY + "\n".join(
            whys(kept))]) + "\n")
    return int(any("**" in row for row in rows))


if __name__ == "__main__":
    sys.exit(main())
