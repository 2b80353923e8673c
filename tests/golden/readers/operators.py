"""Each operator of TFLite in each runtime: ``python -m tests.golden.readers.operators``.

Random files of one operator run in the runtime and in golden with that runtime's arithmetic, until
there are 50 files and 10,000 elements. The table goes to ``docs/operators.md``.
"""

import argparse
import subprocess
import sys
import zlib
from collections import Counter
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

PAGE = Path(__file__).parents[3] / "docs" / "operators.md"
NAMES = ("tflite-micro", "litert", "litert-reference")
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


def batch(name: str, operator: str, kind: str, rng) -> Counter:
    """Counts of a round of files: files and elements, those that differ, refusals by reason."""
    counts = Counter()
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
                counts[f"refused: {refused.read_text().splitlines()[0][:60]}"] += 1
                continue
            if not (results := path.with_suffix(f".{name}.npz")).exists():
                counts["crashed"] += 1
                continue
            try:
                read = read_model(path, name)
            except UnsupportedModel as error:
                counts[f"excluded: {error.problems[0].reason}"] += 1
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


def cell(name: str, operator: str, kind: str) -> str:
    """Text of a cell of the table."""
    rng = np.random.default_rng(zlib.crc32(f"{name} {operator} {kind}".encode()))
    total, made = Counter(), 0
    while made < MOST_FILES:
        total += batch(name, operator, kind, rng)
        made += ROUND
        if total["files"] >= FILES and total["elements"] >= ELEMENTS or not total["files"]:
            break
    if total["differ"]:
        return f"**{total['differ']:,} of {total['elements']:,} differ**"
    if not total["files"]:
        reason = total.most_common(1)[0][0]
        return "excluded: " + reason.split(": ", 1)[1] if "excluded" in reason else "refused"
    others = [f"{count:,} {reason.split(':')[0]}" for reason, count in sorted(total.items())
              if reason.startswith(("refused", "crashed", "excluded"))]
    return ", ".join([f"{total['elements']:,}", *others])


TEXT = """\
# TFLite's operators, and whose results golden has

{versions}. Every cell comes from random files of one operator: shapes, scales, zero points,
strides, paddings and activations are drawn, and inputs cover the whole range. A number is the count
of output elements; all of them are equal in the runtime and in golden with that runtime's
arithmetic (`golden.readers.read(path, runtime)`). Where a cell also counts refused files, the
runtime refused so many: LiteRT wants a bias of CONV_2D. A cell `refused`: the runtime does not have
the operator for this type.

`python -m tests.golden.readers.operators` writes this page; the default tests run a few files of
each row. LiteRT without its default delegate (`litert-builtin`) has no column: it multiplies by
ruy, whose rounding depends on the processor.

"""


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
    operators = args.only.split(",") if args.only else list(CASES)
    heads = [f"{kind}, {name}" for kind in ("int8", "int16x8") for name in NAMES]
    rows = [f"| operator | {' | '.join(heads)} |", f"|---|{'---|' * len(heads)}"]
    for operator in track(operators, description="operators"):
        cells = [cell(name, operator, kind) for kind in ("int8", "int16") for name in NAMES]
        rows.append(f"| {operator} | {' | '.join(cells)} |")
        if args.only:
            print(rows[-1])
    if not args.only:
        versions = ", ".join(dict.fromkeys(f"{RUNTIMES[name].distribution} {RUNTIMES[name].version}"
                                           for name in NAMES))
        PAGE.write_text(TEXT.format(versions=versions) + "\n".join(rows) + "\n")
    return int(any("differ" in row for row in rows))


if __name__ == "__main__":
    sys.exit(main())
