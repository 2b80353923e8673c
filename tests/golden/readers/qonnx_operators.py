"""Random QONNX files against rational numbers and qonnx's executor.

``python -m tests.golden.readers.qonnx_operators --files N`` prints a table.
"""

import argparse
import sys
import warnings
import zlib
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from exactmac.rounding.qonnx import QonnxRounding
from golden.readers import UnsupportedModel, kind_of, read_model
from golden.readers.borders import levels_of, reals_of
from golden.readers.qonnx.outputs import sums_of
from golden.run import check_scales, run
from tests.golden.readers.qonnx_builder import DOMAIN, OLD, QonnxBuilder
from tests.golden.readers.qonnx_exact import Exact
from tests.golden.readers.qonnx_files import CASES

__all__ = ["equal", "executed", "made"]


def places(model) -> list[str]:
    """Names of computed tensors by their places."""
    return [each.name for each in model.graph.input] + [
        name for node in model.graph.node for name in node.output]


def equal(b, model, path, samples=2) -> int:
    """Number of elements of a file's tensors, all of which are those of the rational graph."""
    path.write_bytes(model.SerializeToString())
    assert kind_of(path) == "qonnx"
    read, names = read_model(path), places(model)
    network, own = read.network, {}
    check_scales(network)
    x = {each.name: b.rng.choice(each.quantization.format.levels(), (samples, *each.shape))
         for each in network.inputs}
    own = run(network, x)

    def real(name):
        # Exact real numbers of a tensor, in the file's layout.
        quantization, levels = network.quantization(name), own[name]
        if (sums := sums_of(read, name)) is not None:
            reals, channels = sums[0].reals, sums[1]
            made = np.frompyfunc(lambda n, k: reals[k % len(reals)](n), 2, 1)(levels, channels)
            np.testing.assert_array_equal(reals_of(read, name, levels), made.astype(np.float64)
                                          .astype(np.float32))
        else:
            step = Fraction(quantization.scale)
            made = np.frompyfunc(lambda n: step * (n - quantization.zero_point), 1, 1)(levels)
        return np.moveaxis(made, -1, 1) if name in read.channels_last else made

    exact = Exact(b.onnx, model).run({names[read.tensors[each.name]]: real(each.name)
                                      for each in network.inputs})
    for name, place in read.tensors.items():
        expected = exact[names[place]]
        assert expected.shape == real(name).shape
        assert (expected == real(name)).all(), name
    assert {each.levels for each in read.dequantize} == set(network.outputs)
    return sum(own[name].size for name in read.tensors)


def made(name, count, powers=False):
    """Random files of one case: of both domains, and of both versions of Trunc."""
    rng = np.random.default_rng(zlib.crc32(f"{name} {powers}".encode()))
    for k in range(count):
        b = QonnxBuilder(rng, (DOMAIN, OLD)[k % 2], 1 + k // 2 % 2, powers)
        yield b, CASES[name](b)


def executed(path, b, samples=3) -> list[int]:
    """Numbers of elements, of those that differ in the executor, and of those by its float32."""
    from exactmac.oracles.qonnx import start

    read = read_model(path)
    network, invoke = read.network, start(path)
    reals = {each.name: reals_of(read, each.name, b.rng.choice(
        each.quantization.format.levels(), (samples, *each.shape))) for each in network.inputs}
    x = {name: levels_of(read, name, each) for name, each in reals.items()}
    shown = [invoke([each[k:k + 1] for each in reals.values()]) for k in range(samples)]
    theirs = {name: np.concatenate([each[place] for each in shown])
              for name, place in read.tensors.items() if place in shown[0]}
    theirs = {name: np.moveaxis(each, 1, -1) if name in read.channels_last else each
              for name, each in theirs.items()}
    assert all((x[name] == theirs[name]).all() for name in x)
    own, counts = run(read.network, x, given=theirs), np.zeros(3, int)
    rounding = QonnxRounding(read, {**own, **theirs})
    for layer in network.layers:
        if layer.name in theirs:
            differ = own[layer.name] != theirs[layer.name]
            good = rounding.explained(layer.name, own[layer.name], theirs[layer.name])
            counts += differ.size, differ.sum(), (differ & good).sum()
    return counts.tolist()


def main() -> int:
    """Print a row for each group of operators."""
    parser = argparse.ArgumentParser(prog=f"python -m {__spec__.name}")
    parser.add_argument("--files", type=int, default=100)
    args = parser.parse_args()
    warnings.simplefilter("ignore")  # the executor's, of shapes
    print("| group | files | elements, all exact | powers of two: elements, differ | "
          "other scales: elements, differ, by float32 |\n|---|---|---|---|---|")
    wrong = 0
    with TemporaryDirectory() as work:
        path = Path(work) / "one.onnx"
        for name in CASES:
            files, exact, counts = 0, 0, {True: np.zeros(3, int), False: np.zeros(3, int)}
            for powers, count in counts.items():
                for b, model in made(name, args.files, powers):
                    try:
                        exact += equal(b, model, path)
                    except UnsupportedModel:
                        continue
                    count += executed(path, b)
                    files += 1
            [own, differ, _], [others, *rest] = counts[True], counts[False]
            wrong += differ + rest[0] - rest[1]
            print(f"| {name} | {files} | {exact:,} | {own:,}, {differ:,} | {others:,}, "
                  f"{rest[0]:,}, {rest[1]:,} |", flush=True)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
