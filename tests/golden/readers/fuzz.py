"""Damaged copies of model files: ``python -m tests.golden.readers.fuzz FILE... --mutants N``.

TFLite files have their bytes changed. Of the copies of ONNX files half have bytes changed, half the
parts that protobuf finds in them: sizes, attributes, names, types, operators, constants.
``--operators`` adds the files of the tests, one of each operator and kind of file. Of both kinds,
each has half of the copies.
"""

import argparse
import resource
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from golden.readers import RUNTIMES, DamagedModel, UnsupportedModel, kind_of, read_model

__all__ = ["mixed", "mutants", "onnx_operators", "survives", "tflite_operators"]


def mutants(files: Mapping[str, bytes], count: int, seed: int) -> Iterator[bytes]:
    """So many damaged copies: cut, with other bytes, other words, or parts that are repeated."""
    rng = np.random.default_rng(seed)
    texts = list(files.values())
    for _ in range(count):
        data = bytearray(texts[int(rng.integers(len(texts)))])
        for _ in range(int(rng.integers(1, 4))):
            if not data:
                break
            place = int(rng.integers(len(data)))
            match int(rng.integers(6)):
                case 0:
                    del data[max(place, 9):]
                case 1:
                    data[place] ^= 1 << int(rng.integers(8))
                case 2:
                    data[place] = int(rng.integers(256))
                case 3:  # sizes, offsets and dimensions are words
                    word = int(rng.choice([0, 1, 2**31 - 1, 2**32 - 1, len(data),
                                           int(rng.integers(2**32))]))
                    data[place & ~3:(place & ~3) + 4] = word.to_bytes(4, "little")
                case 4:
                    length = int(rng.integers(1, 64))
                    data[place:place + length] = data[:length]
                case 5:
                    del data[place:place + int(rng.integers(1, 16))]
        yield bytes(data)


def mixed(files: Mapping[str, bytes], count: int, seed: int) -> Iterator[bytes]:
    """So many damaged copies of TFLite and ONNX files; of ONNX files parts are changed too."""
    tflite = {name: data for name, data in files.items() if data[4:8] == b"TFL3"}
    onnx = {name: data for name, data in files.items() if name not in tflite}
    streams = [mutants(tflite, count, seed)] if tflite else []
    if onnx:
        from tests.golden.readers import onnx_mutants

        halves = (mutants(onnx, count, seed), onnx_mutants.mutants(onnx, count, seed))
        streams.append(each for pair in zip(*halves, strict=True) for each in pair)
    for number in range(count):
        yield next(streams[number % len(streams)])


def tflite_operators() -> dict[str, bytes]:
    """TFLite files of the tests, one of each operator for int8 and for int16."""
    from tests.golden.readers import tflite_files

    rng = np.random.default_rng(7)
    return {f"{name} {kind}": tflite_files.case(name, kind, rng)[0]
            for name in tflite_files.CASES for kind in ("int8", "int16")}


def onnx_operators() -> dict[str, bytes]:
    """ONNX files of the tests, one of each operator in every form."""
    from tests.golden.readers import onnx_files, onnx_qdq_files, onnx_real_files

    rng, files = np.random.default_rng(7), {}
    for form, cases in (("QOperator", onnx_files.CASES), ("QDQ", onnx_qdq_files.CASES),
                        ("float32", onnx_real_files.CASES)):
        for name, case in cases.items():
            builder = onnx_files.Builder(rng)
            case(builder)
            files[f"{name} {form}"] = builder.bytes()
    return files


def survives(data: bytes, path: Path, number: int = 0) -> str:
    """What becomes of a file: ``read``, or the name of the one-line error; others are raised.

    It is read with the arithmetic of the runtime of that number, modulo how many there are.
    """
    path.write_bytes(data)
    runtimes = RUNTIMES[kind_of(path)]
    try:
        read_model(path, runtimes[number % len(runtimes)])
    except (DamagedModel, UnsupportedModel) as error:
        assert "\n" not in str(error), error
        return type(error).__name__
    return "read"


def main() -> int:
    """Run the mutants of files, and print the outcomes, the memory and the slowest."""
    parser = argparse.ArgumentParser(prog="python -m tests.golden.readers.fuzz")
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--operators", action="store_true")
    parser.add_argument("--mutants", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    files = {path.name: path.read_bytes() for path in args.files}
    if args.operators:
        files |= tflite_operators() | onnx_operators()
    if not files:
        parser.error("FILE must be given, or --operators")
    warnings.simplefilter("error")
    outcomes, slowest, began = Counter(), 0.0, time.perf_counter()
    with TemporaryDirectory() as folder:
        for number, mutant in enumerate(mixed(files, args.mutants, args.seed), 1):
            start = time.perf_counter()
            outcomes[survives(mutant, Path(folder) / "mutant", number)] += 1
            slowest = max(slowest, time.perf_counter() - start)
            if number % 1000 == 0:
                sys.stderr.write(f"\r{number:,} of {args.mutants:,}")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    largest = max(map(len, files.values()))
    counts = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(outcomes.items()))
    seconds = time.perf_counter() - began
    print(f"\n{args.mutants:,} mutants of {len(files)} files: {counts}\n"
          f"{seconds:.0f} s, slowest {slowest:.2f} s; {grown / 1024:.0f} MB more memory, "
          f"largest file {largest / 2**20:.2f} MB")
    return int(grown * 1024 > (64 << 20) + 8 * largest)


if __name__ == "__main__":
    sys.exit(main())
