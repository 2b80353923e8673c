"""Networks whose tensors are block-scaled, against their definition in fractions."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from golden import digits
from golden.block_scaled import Blocks, parts
from golden.contracts import Rounding
from golden.contracts import parse as contract
from golden.floats import FloatDense
from golden.formats import BLOCK, INFINITY, NAN, parse
from golden.layers.linear import linear_sums, sum_ends
from golden.networks import (
    INPUT,
    Conv2d,
    Dense,
    Network,
    Pool,
    Quantization,
    Rescale,
    Tensor,
)
from golden.quantize import quantize, quantize_network
from golden.ranges import Range
from golden.run import prove, run

FEATURES, HIDDEN, OUTPUTS = 70, 40, 5


def network_of(rng, weights="mx_e2m1", activations="mx_e4m3fn", output=None, name="half_up",
               layers=2, **more) -> Network:
    sizes = [FEATURES, *[HIDDEN] * (layers - 1), OUTPUTS]
    floats = [FloatDense(rng.normal(size=(made, taken)) * 4.0**-(np.arange(made)[:, None] % 5),
                         rng.normal(size=made), relu=made == HIDDEN)
              for taken, made in zip(sizes, sizes[1:], strict=False)]
    return quantize_network(floats, rng.normal(size=(20, FEATURES)), weights=parse(weights),
                            activations=parse(activations), output=output and parse(output),
                            contract=contract(name), **more)


def dense(network: Network, index=0) -> Dense:
    layer = network.layers[index]
    assert isinstance(layer, Dense)
    return layer


def random_blocks(rng, quantization: Quantization, shape) -> Blocks:
    """Any levels, and exponents at the ends of what they may be and in between."""
    exponents, blocks = quantization.exponents, (*shape[:-1], -(-shape[-1] // BLOCK))
    ends = rng.choice([exponents.lo, exponents.hi], blocks)
    codes = rng.integers(exponents.lo, exponents.hi, blocks, endpoint=True)
    levels = rng.choice(quantization.format.levels(), shape)
    return Blocks(levels, np.where(rng.integers(2, size=blocks) == 0, ends, codes))


def log2(value: Fraction) -> int:
    """Floor of the binary logarithm, by trial."""
    found = 0
    while value >= Fraction(2)**(found + 1):
        found += 1
    while value < Fraction(2)**found:
        found -= 1
    return found


def power(exponent: int) -> Fraction:
    return Fraction(2)**exponent


def numbers(fmt, levels, codes) -> list[list[Fraction]]:
    """What the levels of a matrix stand for, block by block."""
    return [[int(level) * power(fmt.unit + (int(codes[row, k // BLOCK]) - 127
                                            if codes is not None else 0))
             for k, level in enumerate(each)] for row, each in enumerate(levels)]


def nearest(value: Fraction, fmt, rounding) -> int:
    """Level nearest to a value, by trying all."""
    levels = [int(level) for level in fmt.levels()]
    least = min(abs(value - level) for level in levels)
    best = [level for level in levels if abs(value - level) == least]
    if rounding is Rounding.HALF_EVEN and len(best) > 1:
        return next(level for level in best if int(fmt.encode(level)) % 2 == 0)
    return max(best)


def defined(layer: Dense, network: Network, x: Blocks):
    """Sums, in units of the least exponents, and results of a layer."""
    taken, made = network.quantization(layer.inputs[0]), layer.output
    codes = layer.exponents
    unit = power(taken.format.unit + taken.exponents.lo - 127 + layer.weight.format.unit
                 + (0 if codes is None else int(codes.min()) - 127))
    weights = numbers(layer.weight.format, layer.weights, codes)
    sums = [[sum(a * b for a, b in zip(row, channel, strict=True)) / unit for channel in weights]
            for row in numbers(taken.format, *parts(x).values())]
    p = {name: value.tolist() for name, value in layer.parameters.items()}
    lo, hi = made.exponents.lo, made.exponents.hi
    levels, exponents = [], []
    for row in sums:
        values = [(total + p["bias"][k]) * p["multiplier"][k] / 2**p["shift"][k]
                  for k, total in enumerate(row)]
        asked = [lo if v == 0 or (v < 0 and p["clamp_min"][k] >= 0) else
                 min(max(log2(abs(v)) - log2(Fraction(made.format.max)) + 127, lo), hi)
                 for k, v in enumerate(values)]
        exponents.append([max(asked[k:k + BLOCK]) for k in range(0, len(asked), BLOCK)])
        levels.append([max(nearest(v / power(exponents[-1][k // BLOCK] - 127), made.format,
                                   layer.contract.rounding), p["clamp_min"][k])
                       for k, v in enumerate(values)])
    return sums, Blocks(np.array(levels), np.array(exponents))


@pytest.mark.parametrize("weights, activations, name, window", [
    ("mx_e2m1", "mx_e4m3fn", "half_up", 16), ("mx_s8", "mx_s8", "half_even", 7),
    ("s4n", "mx_e2m1", "half_up", 3), ("mx_ternary", "mx_odd4", "half_even", 1),
    ("mx_e4m3fn", "mx_e5m2", "half_up", 64)])
def test_two_layers_are_what_fractions_say(rng, weights, activations, name, window):
    network = network_of(rng, weights, activations, name=name, window=window)
    x = random_blocks(rng, network.input, (4, FEATURES))
    tensors = run(network, x)
    for layer in (dense(network), dense(network, 1)):
        taken = tensors[layer.inputs[0]]
        sums, results = defined(layer, network, taken)
        assert linear_sums(layer, taken, network).tolist() == sums
        for got, want in zip(tensors[layer.name], results, strict=True):
            np.testing.assert_array_equal(got, want)
        exponents = layer.output.exponents
        assert exponents.hi - exponents.lo < window
    assert tensors["dense0"].exponents.shape == (4, 2)


def test_ranges_are_reached_with_the_largest_exponents(rng):
    network = network_of(rng, "mx_s4", "mx_u4", window=9)
    layer, fmt = dense(network), network.input.format
    assert network.input.exponents.hi - network.input.exponents.lo == 4
    found = sum_ends(layer, network)
    for channel, weights in enumerate(layer.weights):
        for sign, end in zip((-1, 1), found[:, channel], strict=True):
            x = Blocks(np.where(sign * weights > 0, fmt.max, fmt.min)[None],
                       np.full((1, 3), network.input.exponents.hi))
            assert linear_sums(layer, x, network)[0, channel] == end
    assert prove(network).sums["dense0"] == Range(min(found[0]), max(found[1]))


def test_the_proof_is_for_every_exponent_that_there_may_be(rng):
    options = dict(weights="s8n", activations="mx_s8", output="s8", name="tflite", layers=1)
    network_of(rng, **options, window=6)
    with pytest.raises(ValueError, match=r"^Accumulator must be in range \[-2147483648, 2147483647"
                                         r"\] of s32 for contract tflite, not .*$"):
        network_of(rng, **options, window=16)


def test_sums_of_any_size(rng):
    network = network_of(rng, "mx_e5m2", "mx_e5m2", window=64)
    layer = dense(network)
    x = Blocks(np.full((1, FEATURES), network.input.format.max),
               np.full((1, 3), network.input.exponents.hi))
    sums = linear_sums(layer, x, network)
    assert sums.dtype == object and abs(sums).max() >= 1 << 63
    assert sums.tolist() == defined(layer, network, x)[0]


@pytest.mark.parametrize("weights, activations, output, layers, spans", [
    ("mx_s4", "s8", None, 1, (4, 1, 1)), ("s4n", "mx_s8", None, 2, (None, 4, 4)),
    ("mx_s4", "mx_s8", None, 2, (3, 2, 2)), ("s4n", "s8", "mx_e2m1", 1, (None, 1, 4)),
    ("mx_s4", "s8", "mx_e2m1", 1, (4, 1, 2)), ("mx_s4", "mx_s8", "mx_e2m1", 1, (3, 2, 2)),
    ("mx_s4", "mx_s8", "s8", 1, (3, 2, 1)), ("s4n", "mx_s8", "e4m3fn", 1, (None, 4, 1))])
def test_how_the_window_is_divided(rng, weights, activations, output, layers, spans):
    network = network_of(rng, weights, activations, output, layers=layers, window=4)
    for layer in network.layers:
        assert isinstance(layer, Dense)
        assert (layer.exponents is None) == (spans[0] is None)
        assert layer.exponents is None or np.ptp(layer.exponents) == spans[0] - 1
        for tensor, span in ((network.quantization(layer.inputs[0]), spans[1]),
                             (layer.output, spans[2])):
            assert tensor.exponents.hi - tensor.exponents.lo == span - 1
    x = random_blocks(rng, network.input, (3, FEATURES))
    run(network, x if activations.startswith("mx") else x.levels)


def test_the_exact_sum_of_block_scaled_activations(rng):
    network = network_of(rng, "s4n", "mx_e2m1", name="none", layers=1)
    layer, x = dense(network), random_blocks(rng, network.input, (3, FEATURES))
    sums = run(network, x)["dense0"] - layer.parameters["bias"]
    assert (sums == linear_sums(layer, x, network)).all()
    step = network.input.step * 2.0**(network.input.exponents.lo - 127) * layer.weight.step
    np.testing.assert_array_equal(layer.output.step, step)


def test_specials_prefer_the_least_exponent(rng):
    name = "mx_e5m2:specials=propagate"
    network = network_of(rng, name, name, layers=1)
    x = random_blocks(rng, network.input, (4, FEATURES))
    x.levels[np.abs(x.levels) >= NAN] = 0
    clean = run(network, x)["dense0"]
    x.levels[1, 3], x.levels[2, 5], x.levels[3, 40:42] = NAN, INFINITY, (INFINITY, -INFINITY)
    found = run(network, x)["dense0"]
    np.testing.assert_array_equal(found.levels[0], clean.levels[0])
    assert (found.levels[1] == NAN).all()
    weights = dense(network).weights[:, 5]
    np.testing.assert_array_equal(found.levels[2], np.where(
        weights == 0, NAN, np.sign(weights) * INFINITY))
    # No result of these rows is a number.
    least = dense(network).parameters["exponent_min"].max()
    assert (clean.exponents > least).all()
    np.testing.assert_array_equal(found.exponents[0], clean.exponents[0])
    assert (found.exponents[1:] == least).all()


@pytest.mark.parametrize("weights, activations, points", [
    ("mx_e4m3fn", "mx_e4m3fn", 0.3), ("mx_e2m1", "mx_e4m3fn", 0.3), ("mx_s8", "mx_s8", 0.3),
    ("mx_e2m1", "mx_e2m1", 1), ("mx_s4", "mx_s4", 2), ("s8n", "mx_e4m3fn", 0.3)])
def test_accuracy_of_the_digits_network(weights, activations, points):
    data = digits.load()
    network = digits.quantized(data, weights=parse(weights), activations=parse(activations))
    outputs = run(network, quantize(data.images, network.input))[network.layers[-1].name]
    assert isinstance(outputs, Blocks)
    assert 100 * (528 / 540 - digits.accuracy(outputs, data.labels)) <= points


def test_accuracy_is_of_the_numbers():
    """Of class 33 the number is the largest, although its level is not."""
    outputs = Blocks(np.array([[7] * 32 + [0, 1]]), np.array([[127, 130]]))
    assert digits.accuracy(outputs, np.array([33])) == 1
    assert digits.accuracy(outputs._replace(exponents=np.array([[128, 130]])), np.array([0])) == 1


def test_what_a_layer_refuses(rng):
    network = network_of(rng, "s4n", "mx_e2m1", window=5)
    layer, taken = dense(network), network.input
    values = layer.parameters
    one = values["exponent_min"]
    lo, hi = layer.output.exponents.lo, layer.output.exponents.hi
    mx, s8 = parse("mx_e2m1"), Quantization(parse("s8"))
    conv = Conv2d(**(vars(layer) | {"weights": layer.weights.reshape(HIDDEN, 1, 1, FEATURES)}))
    pool = Pool(name="a", inputs=(INPUT,), output=taken, kind="max", size=(1, 1), stride=(1, 1))
    cases = [
        (replace(layer, parameters=values | {"exponent_min": one + 1}),
         rf"Layer 'dense0': Parameter exponent_min must be {lo}, as the output's, "
         rf"not \[{lo + 1}, .*"),
        (replace(layer, parameters=values | {"exponent_max": one}),
         rf"Layer 'dense0': Parameter exponent_max must be {hi}, as the output's, not \[{lo}, .*"),
        (replace(layer, parameters={name: value for name, value in values.items()
                                    if name != "exponent_max"}),
         "Layer 'dense0': Parameters must be .*exponent_max for contract half_up, not .*"),
        (replace(layer, table=np.arange(256)),
         "Table of layer 'dense0' must be None where its output is mx_e2m1, whose codes alone are "
         "no numbers"),
        (replace(layer, contract=contract("none")),
         "Contract of layer 'dense0' must be one of multiply and shift to make a tensor of "
         "mx_e2m1, not none"),
        (replace(layer, contract=contract("tflite")),
         "Layer 'dense0': Output must be an integer format for contract tflite, not mx_e2m1"),
        (replace(layer, contract=contract("stochastic")),
         "Layer 'dense0': Output must be an integer format for contract stochastic, not mx_e2m1"),
        (replace(layer, contract=contract("thresholds")),
         "Layer 'dense0': Output must be a format without exponents for contract thresholds, "
         "not mx_e2m1"),
        (conv, "Layer 'dense0' must be a Dense one to take a tensor of mx_e2m1, not a Conv2d"),
        (replace(conv, output=s8),
         "Layer 'dense0' must be a Dense one to take a tensor of mx_e2m1, not a Conv2d"),
        (pool, "Input of pool 'a' must have a format without exponents, not mx_e2m1"),
    ]
    for wrong, message in cases:
        with pytest.raises(ValueError, match=f"^{message}$"):
            prove(Network(name="n", layers=(wrong,), inputs=(Tensor(
                INPUT, taken, (FEATURES,) if isinstance(wrong, Dense) else (1, 1, FEATURES)),)))
    with pytest.raises(ValueError, match="^Layer 'dense0' must be a Dense one to make a tensor of "
                                         "mx_e2m1, not a Conv2d$"):
        prove(Network(name="n", layers=(conv,),
                      inputs=(Tensor(INPUT, s8, (1, 1, FEATURES)),)))
    with pytest.raises(TypeError, match="^Format of tensor 'input' must be an integer one, "
                                        "not mx_e2m1$"):
        prove(Network(name="n", inputs=(Tensor(INPUT, Quantization(mx), (70,)),), layers=(
            Rescale(name="r", inputs=(INPUT,), output=s8, contract=contract("half_up"),
                    parameters={}),)))


def test_what_an_input_must_be(rng):
    network = network_of(rng, window=5)
    lo, hi = network.input.exponents.lo, network.input.exponents.hi
    x = random_blocks(rng, network.input, (2, FEATURES))
    assert hi - lo == 2
    for row, block, code in ((1, 2, hi + 1), (0, 1, lo - 1)):
        wrong = x.exponents.copy()
        wrong[row, block] = code
        with pytest.raises(ValueError, match=rf"^Exponent of input block \({row}, {block}\) must "
                                             rf"be in range \[{lo}, {hi}\], not {code}$"):
            run(network, x._replace(exponents=wrong))
    for wrong, message in [
            (x._replace(exponents=x.exponents[:, :2]),
             r"Exponents must have shape \(2, 3\), one for each 32 levels, not \(2, 2\)"),
            (x._replace(exponents=np.full((2, 3), 255)), "Exponent .* not 255.*"),
            (x._replace(levels=np.full((2, FEATURES), 449 * 512)),
             "Input must be .* not 229888.*")]:
        with pytest.raises(ValueError, match=f"^{message}$"):
            run(network, wrong)
    with pytest.raises(TypeError, match="^Input must be Blocks for mx_e4m3fn, not ndarray$"):
        run(network, x.levels)
    plain = network_of(rng, "s4n", "s8", layers=1)
    with pytest.raises(TypeError, match="^Input must be an array of levels for s8, not Blocks$"):
        run(plain, x)


def test_requests_that_do_not_go_together(rng):
    for more, message in [
            (dict(output="e4m3fn"), "Output must be the activations' format mx_e4m3fn if there "
                                    "are hidden layers, not e4m3fn"),
            (dict(window=0), "Window must be at least 1, not 0"),
            (dict(name="onnx", layers=1, activations="mx_s4", window=2),
             "Output must be an integer format for contract onnx, not mx_s4")]:
        with pytest.raises(ValueError, match=f"^{message}$"):
            network_of(rng, **more)


def test_exponents_that_there_may_be():
    Quantization(parse("mx_s8"), exponents=Range(0, 254))
    for name, exponents, message in [
            ("s8", Range(126, 127), r"Exponents must be in range \[127, 127\] for s8, "
                                    r"not \[126, 127\]"),
            ("mx_s8", Range(-1, 9), r"Exponents must be in range \[0, 254\] for mx_s8, "
                                    r"not \[-1, 9\]"),
            ("mx_s8", Range(0, 255), r"Exponents must be in range \[0, 254\] for mx_s8, "
                                     r"not \[0, 255\]")]:
        with pytest.raises(ValueError, match=f"^{message}$"):
            Quantization(parse(name), exponents=exponents)


def test_exponents_from_the_least_to_the_largest(rng):
    """One product, of a factor whose exponent may be any; its result's may be, too."""
    tensor = Quantization(parse("mx_s8"), exponents=Range(0, 254))
    parameters = dict(bias=0, multiplier=1, shift=127, clamp_min=-128, clamp_max=127,
                      exponent_min=0, exponent_max=254)
    layer = Dense(name="a", inputs=(INPUT,), output=tensor, weights=np.array([[3]]),
                  weight=Quantization(parse("s4")), contract=contract("half_even"),
                  parameters={name: np.array([value]) for name, value in parameters.items()})
    network = Network(name="n", inputs=(Tensor(INPUT, tensor, (1,)),), layers=(layer,))
    assert sum_ends(layer, network).tolist() == [[-384 << 254], [381 << 254]]
    x = random_blocks(rng, tensor, (40, 1))
    found, (sums, results) = run(network, x)["a"], defined(layer, network, x)
    assert linear_sums(layer, x, network).tolist() == sums
    for got, want in zip(found, results, strict=True):
        np.testing.assert_array_equal(got, want)
    assert (found.exponents.min(), found.exponents.max()) == (0, 254)
