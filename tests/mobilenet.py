"""MobileNetV2's shapes with random weights: how long golden's proof and run of it take.

``python -m tests.mobilenet`` prints both, the best of several; ``OPENBLAS_NUM_THREADS=1`` in front
of it measures one core.
"""

import time

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

    def __init__(self, size: int, seed: int):
        self.rng = np.random.default_rng(seed)
        self.layers, self.size, self.channels = [], size, 3
        self.tensor, self.quantization = INPUT, Quantization(S8, 1 / 128, -1)

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


def mobilenet(size: int = 224, seed: int = 0) -> Network:
    """Return MobileNetV2 of width 1.0 for images of ``size`` squared."""
    made = Builder(size, seed)
    first = made.quantization
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
    made.add(Pool(name="pool", inputs=(made.tensor,), output=made.quantization, kind="average",
                  size=(made.size, made.size), stride=(1, 1)))
    made.linear(Dense, (1000, 1280), linear=True)
    return Network(name="mobilenet_v2", inputs=(Tensor(INPUT, first, (size, size, 3)),),
                   layers=tuple(made.layers))


def best(work, runs: int = 7):
    """Return the least of a few times that ``work`` takes, in seconds, and what it returns."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - start)
    return min(times), result


if __name__ == "__main__":
    network = mobilenet()
    image = np.random.default_rng(1).integers(-128, 128, (1, *network.inputs[0].shape))
    channels = sum(len(layer.weights) for layer in network.layers if isinstance(layer, Linear))
    proving, proof = best(lambda: prove(network))
    running, _ = best(lambda: run(network, image, proof))
    print(f"{network.name}: {len(network.layers)} layers, {channels:,} channels of sums")
    print(f"proof {proving:.3f} s, run with it {running:.3f} s")
