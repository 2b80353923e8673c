"""Damaged copies of model files: ``python -m tests.golden.readers.fuzz FILE... --mutants N``."""

import argparse
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from golden.readers import DamagedModel, UnsupportedModel, read_model

__all__ = ["mutants", "survives"]


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


def survives(data: bytes, path: Path) -> str:
    """What becomes of a file: ``read``, or the name of the one-line error; others are raised."""
    path.write_bytes(data)
    try:
        read_model(path)
    except (DamagedModel, UnsupportedModel) as error:
        assert "\n" not in str(error), error
        return type(error).__name__
    return "read"


def main() -> int:
    """Run the mutants of files, and print the outcomes, the memory and the slowest."""
    parser = argparse.ArgumentParser(prog="python -m tests.golden.readers.fuzz")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--mutants", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    files = {path.name: path.read_bytes() for path in args.files}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcomes, slowest = Counter(), 0.0
    with TemporaryDirectory() as folder:
        for number, mutant in enumerate(mutants(files, args.mutants, args.seed), 1):
            start = time.perf_counter()
            outcomes[survives(mutant, Path(folder) / "mutant")] += 1
            slowest = max(slowest, time.perf_counter() - start)
            if number % 1000 == 0:
                sys.stderr.write(f"\r{number:,} of {args.mutants:,}")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    largest = max(map(len, files.values()))
    print(f"\n{dict(outcomes)}, slowest {slowest:.2f} s, {grown / 1024:.0f} MB more memory "
          f"(largest file {largest / 2**20:.1f} MB)")
    return int(grown * 1024 > (64 << 20) + 8 * largest)


if __name__ == "__main__":
    sys.exit(main())
