"""Shapes of known networks with random weights, and how fast golden proves and runs them.

``python -m tests.known_networks`` prints the times, the best of several, and the products per
second; ``OPENBLAS_NUM_THREADS=1`` in front of it measures one core.
"""

import argparse
import time
from math import prod

import numpy as np

from golden.contracts import Clamped
from golden.contracts import parse as contract
from golden.formats import IntFormat, parse
from golden.multipliers import linear_parameters
from golden.networks import INPUT, Add, Conv2d, Dense, Linear, Network, Pool, Quantization, Tensor
from golden.ops import same_padding
from golden.run import prove, run
from golden.unit_scales import parameters_of
from golden.units import Addition
from golden.units import parse as scheme

S8, S32, TFLITE = parse("s8"), IntFormat(32), contract("tflite")
BLOCKS = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
          (6, 160, 3, 2), (6, 320, 1, 1)]
"""Expansion, channels, repeats and first stride, as the paper's table 2 has them."""


class Builder:
    """Layers one after the other, each of random weights."""

    def __init__(self, size: int, seed: int, channels: int = 3):
        self.rng = np.random.default_rng(seed)
        self.layers, self.size, self.channels = [], size, channels
        self.tensor, self.quantization = INPUT, Quantization(S8, 1 / 128, -1)
        self.input = Tensor(INPUT, self.quantization, (size, size, channels))

    def linear(self, kind, shape, *, linear=False, **more):
        # Results are about as large as the input: a sum of K products deviates by sqrt(K) of one.
        scales = self.rng.uniform(0.5, 1.5, shape[0]) / 127 / np.sqrt(np.prod(shape[1:]))
        weight = Quantization(S8, scales)
        output = Quantization(S8, self.quantization.scale, 3 if linear else -128)
        assert isinstance(TFLITE, Clamped)
        parameters = linear_parameters(TFLITE, self.quantization.step, weight.step, output.step,
                                       S32)
        fixed = {"zero_point": output.zero_point, "clamp_min": -128, "clamp_max": 127}
        self.add(kind(
            name=f"{kind.__name__.lower()}{len(self.layers)}", inputs=(self.tensor,),
            output=output, weights=self.rng.integers(-127, 128, shape), weight=weight,
            contract=TFLITE, **more, parameters=parameters | {
                "bias": self.rng.integers(-1000, 1000, shape[0]),
                **{name: np.full(shape[0], value) for name, value in fixed.items()}}))

    def conv(self, outputs, kernel=1, stride=1, *, depthwise=False, linear=False):
        sides, steps = (kernel, kernel), (stride, stride)
        self.linear(Conv2d, (outputs, *sides, 1 if depthwise else self.channels), linear=linear,
                    stride=steps, groups=outputs if depthwise else 1,
                    padding=same_padding((self.size, self.size), kernel=sides, stride=steps))
        self.size, self.channels = -(-self.size // stride), outputs

    def add(self, layer):
        self.layers.append(layer)
        self.tensor, self.quantization = layer.name, layer.output

    def residual(self, name, quantization):
        output = Quantization(S8, quantization.scale + self.quantization.scale, 0)
        way = scheme("tflite")
        self.add(Add(name=f"add{len(self.layers)}", inputs=(name, self.tensor), output=output,
                     scheme=way, parameters=parameters_of(
                         Addition(way, S8, S8, S8), quantization, self.quantization, output)))

    def classes(self, count):
        self.add(Pool(name="pool", inputs=(self.tensor,), output=self.quantization, kind="average",
                      size=(self.size, self.size), stride=(1, 1)))
        self.linear(Dense, (count, self.channels), linear=True)

    def network(self, name) -> Network:
        return Network(name=name, inputs=(self.input,), layers=tuple(self.layers))


def mobilenet(size: int = 224, seed: int = 0) -> Network:
    """Return MobileNetV2 of width 1.0 for images of ``size`` squared."""
    made = Builder(size, seed)
    made.conv(32, 3, 2)
    for expansion, channels, repeats, first_stride in BLOCKS:
        for stride in (first_stride, *[1] * (repeats - 1)):
            before = made.tensor, made.quantization
            residual = stride == 1 and made.channels == channels
            if expansion > 1:
                made.conv(expansion * made.channels)
            made.conv(made.channels, 3, stride, depthwise=True)
            made.conv(channels, linear=True)
            if residual:
                made.residual(*before)
    made.conv(1280)
    made.classes(1000)
    return made.network("mobilenet_v2")


def resnet(size: int = 32, seed: int = 0) -> Network:
    """Return MLPerf Tiny's ResNet-8 for images of ``size`` squared."""
    made = Builder(size, seed)
    made.conv(16, 3)
    for channels, stride in ((16, 1), (32, 2), (64, 2)):
        before = made.tensor, made.quantization, made.size, made.channels
        made.conv(channels, 3, stride)
        made.conv(channels, 3, linear=True)
        after = made.tensor, made.quantization
        if stride > 1:
            made.tensor, made.quantization, made.size, made.channels = before
            made.conv(channels, 1, stride, linear=True)
            before = made.tensor, made.quantization
            made.tensor, made.quantization = after
        made.residual(*before[:2])
    made.classes(10)
    return made.network("resnet_8")


def depthwise(size: int = 56, channels: int = 144, seed: int = 0) -> Network:
    """Return four depthwise convolutions of 3 x 3."""
    made = Builder(size, seed, channels)
    for _ in range(4):
        made.conv(channels, 3, depthwise=True)
    return made.network("depthwise")


def products(network: Network) -> int:
    """Return the products of one image."""
    return sum(prod(network.tensors[layer.name].shape) * prod(layer.weights.shape[1:])
               for layer in network.layers if isinstance(layer, Linear))


def best(work, runs: int):
    """Return the least of a few times that ``work`` takes, in seconds, and what it returns."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - start)
    return min(times), result


def main():
    """Print how fast golden proves and runs each network."""
    parser = argparse.ArgumentParser(prog="python -m tests.known_networks")
    parser.add_argument("--batch", type=int, default=16, help="images (default: %(default)s)")
    parser.add_argument("--runs", type=int, default=5,
                        help="runs, of which the best counts (default: %(default)s)")
    args = parser.parse_args()
    print(f"{'network':<13} layers  channels  proof s  run s  M products/s   (batch {args.batch})")
    for network in (resnet(), mobilenet(), depthwise()):
        images = np.random.default_rng(1).integers(
            -128, 128, (args.batch, *network.inputs[0].shape))
        channels = sum(len(layer.weights) for layer in network.layers
                       if isinstance(layer, Linear))
        proving, proof = best(lambda network=network: prove(network), args.runs)
        running, _ = best(lambda network=network, images=images, proof=proof: run(
            network, images, proof, outputs_only=True), args.runs)
        speed = products(network) * args.batch / running / 1e6
        print(f"{network.name:<13} {len(network.layers):>6} {channels:>9,} {proving:>8.3f} "
              f"{running:>6.2f} {speed:>13,.0f}", flush=True)


if __name__ == "__main__":
    main()
