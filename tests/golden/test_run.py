import re
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from golden import ops
from golden.contracts import parse as contract
from golden.formats import IntFormat, parse
from golden.layers.linear import linear_sums, sum_ends
from golden.networks import INPUT, Conv2d, Dense, Layer, Linear, Network, Pool, Quantization, Tensor
from golden.ranges import Range
from golden.requantize import requantize
from golden.run import prove, run

S8, S4, S2, U2 = (parse(name) for name in ("s8", "s4", "s2", "u2"))
HALF_UP, TFLITE = contract("half_up"), contract("tflite")


def parameters(channels, output=S8, **changed):
    values = dict(bias=0, multiplier=2**30, shift=31, zero_point=0, clamp_min=output.min,
                  clamp_max=output.max) | changed
    return {name: np.broadcast_to(value, channels) for name, value in values.items()}


def dense(weights, source=INPUT, output=S8, name="a", way=HALF_UP, zero_point=0, weight=None,
          **changed):
    weights = np.array(weights)
    return Dense(name=name, inputs=(source,), weights=weights,
                 output=Quantization(output, zero_point=zero_point),
                 weight=weight or Quantization(S8), contract=way,
                 parameters=parameters(len(weights), output, zero_point=zero_point, **changed))


def network(*layers, input=None, shape=None):
    """Of an input that a first Dense layer takes, unless its shape is given."""
    shape = layers[0].weights.shape[1:] if shape is None else shape
    return Network(name="n", inputs=(Tensor(INPUT, input or Quantization(S8), shape),),
                   layers=layers)


def small_network(rng):
    conv = Conv2d(
        name="conv", inputs=(INPUT,), output=Quantization(S4, zero_point=-3),
        weights=rng.integers(-7, 8, (4, 3, 3, 2)), weight=Quantization(S4),
        contract=HALF_UP, parameters=parameters(
            4, S4, shift=35, zero_point=-3, bias=rng.integers(-50, 50, 4), clamp_min=-3),
        stride=(2, 1), padding=((1, 1), (1, 0)), dilation=(1, 1), groups=1)
    pool = Pool(name="pool", inputs=("conv",), output=conv.output, kind="average", size=(2, 2),
                stride=(2, 2), padding=((1, 0), (0, 1)))
    depth = Conv2d(
        name="depth", inputs=("pool",), output=Quantization(S8, zero_point=5),
        weights=rng.integers(0, 4, (4, 1, 2, 1)),
        weight=Quantization(U2, zero_point=np.array([0, 1, 2, 3])),
        contract=TFLITE, parameters=parameters(4, shift=-2, zero_point=5), groups=4)
    top = Pool(name="top", inputs=("depth",), output=depth.output, kind="max", size=(1, 2),
               stride=(1, 1))
    return network(conv, pool, depth, top, input=Quantization(S8, zero_point=7), shape=(6, 8, 2))


def test_every_tensor_is_kept_and_right(rng):
    n = small_network(rng)
    x = rng.integers(-128, 128, (3, 6, 8, 2))
    tensors = run(n, x)
    assert list(tensors) == ["input", "conv", "pool", "depth", "top"]
    conv, pool, depth, top = n.layers
    assert isinstance(conv, Conv2d) and isinstance(depth, Conv2d)
    sums = ops.conv2d(x, conv.weights, x_zero_point=7, stride=(2, 1), padding=((1, 1), (1, 0)))
    np.testing.assert_array_equal(linear_sums(conv, x, n), sums)
    first = requantize(sums, HALF_UP, S4, conv.parameters)
    second = ops.average_pool(first, size=(2, 2), stride=(2, 2), padding=((1, 0), (0, 1)))
    third = requantize(
        ops.depthwise(second, depth.weights, x_zero_point=-3, w_zero_point=[0, 1, 2, 3]),
        TFLITE, S8, depth.parameters)
    for name, tensor in zip(tensors, (x, first, second, third,
                                      ops.max_pool(third, size=(1, 2), stride=(1, 1))),
                            strict=True):
        np.testing.assert_array_equal(tensors[name], tensor)


def test_dense_chain(rng):
    a = dense(rng.integers(-8, 8, (5, 6)), zero_point=-9, bias=rng.integers(-99, 99, 5), shift=34)
    b = dense(rng.integers(-8, 8, (2, 5)), "a", name="b", way=contract("half_even"), shift=33)
    n = network(a, b, input=Quantization(S8, zero_point=3))
    x = rng.integers(-128, 128, (4, 6))
    tensors = run(n, x)
    first = requantize((x - 3) @ a.weights.T, HALF_UP, S8, a.parameters)
    np.testing.assert_array_equal(tensors["a"], first)
    np.testing.assert_array_equal(
        tensors["b"], requantize((first + 9) @ b.weights.T, contract("half_even"), S8,
                                 b.parameters))


def test_a_table_after_a_layer(rng):
    """It gives the tensor that the next layer takes."""
    weights = rng.integers(-8, 8, (5, 4))
    table = rng.integers(-128, 128, 256)
    x = rng.integers(-128, 128, (30, 4))
    plain = dense(weights, shift=33)
    after = dense(rng.integers(-8, 8, (3, 5)), "a", name="b")
    tensors = run(network(replace(plain, table=table), after), x)
    first = run(network(plain), x)["a"]
    np.testing.assert_array_equal(tensors["a"], table[first % 256])
    np.testing.assert_array_equal(tensors["b"], requantize(
        tensors["a"] @ after.weights.T, HALF_UP, S8, after.parameters))
    for wrong, output, message in (
            ([0] * 256, S4, "Table must be of a format of 8 bits, not s4"),
            ([0], S8, r"Table must have 256 levels, not shape \(1,\)"),
            ([0] * 255 + [200], S8, r"Table entry must be in range \[-128, 127\] of s8, not 200 "
                                    "at index 255")):
        bad = replace(dense(weights, output=output), table=np.array(wrong))
        with pytest.raises(ValueError, match=f"^Layer 'a': {message}$"):
            prove(network(bad))


def test_ranges_are_reached():
    """Over every possible input, each channel's sums have just the range that was proven."""
    layer = dense([[1, -2, 1], [0, 1, 1], [-2, -2, -1]], weight=Quantization(
        S2, zero_point=np.array([0, 1, -2])))
    n = network(layer, input=Quantization(U2, zero_point=1))
    every = np.array(list(product(range(4), repeat=3)))
    sums = linear_sums(layer, every, n)
    np.testing.assert_array_equal(sum_ends(layer, n), [sums.min(axis=0), sums.max(axis=0)])
    assert prove(n).sums == {"a": Range(int(sums.min()), int(sums.max()))}


def test_exact_sums_as_output(rng):
    weights = rng.integers(-128, 128, (2, 4))
    layer = dense(weights, way=contract("none"))
    layer = replace(layer, output=Quantization(IntFormat(33)),
                    parameters={"bias": np.array([5, -6])})
    x = rng.integers(-128, 128, (3, 4))
    np.testing.assert_array_equal(run(network(layer), x)["a"], x @ weights.T + [5, -6])
    narrow = replace(layer, output=Quantization(IntFormat(12)))
    with pytest.raises(ValueError, match=r"^Layer 'a', channel \d: Output must be in range "
                                         r"\[-2048, 2047\] of s12, not -?\d+$"):
        prove(network(narrow))


class TestProof:
    RANGE = re.escape("[-2147483648, 2147483647]")

    def test_bias_at_and_beyond_the_end(self):
        # Weights 3 and -5 of inputs in [-128, 127]: the sums are in [-1019, 1021].
        for bias, end in ((2**31 - 1 - 1021, None), (2**31 - 1021, 2**31),
                          (-2**31 + 1019, None), (-2**31 + 1018, -2**31 - 1)):
            n = network(dense([[0, 0], [3, -5]], way=TFLITE, shift=-24, bias=[0, bias]))
            if end is None:
                assert prove(n).sums == {"a": Range(-1019, 1021)}
                continue
            message = (rf"^Layer 'a', channel 1: Sum plus bias must be in range {self.RANGE} of "
                       rf"s32, not {end}$")
            with pytest.raises(ValueError, match=message):
                prove(n)
            with pytest.raises(ValueError, match=message):
                run(n, [[0, 0]])  # no input that would overflow is needed

    def test_left_shift(self):
        weights = [[1], [127]]
        assert prove(network(dense(weights, way=TFLITE, shift=17)))
        message = (rf"^Layer 'a', channel 1: Sum plus bias, shifted left, must be in range "
                   rf"{self.RANGE} of s32, not {-127 * 128 * 2**18}$")
        with pytest.raises(ValueError, match=message):
            prove(network(dense(weights, way=TFLITE, shift=18)))

    def test_single_rounding_result(self):
        way = contract("tflite_single")
        assert prove(network(dense([[64]], way=way, shift=18)))
        message = (rf"^Layer 'a', channel 0: Scaled sum must be in range {self.RANGE} of s32, "
                   rf"not {-64 * 128 * 2**19}$")
        with pytest.raises(ValueError, match=message):
            prove(network(dense([[64]], way=way, shift=20)))

    def test_accumulator_beyond_int32(self):
        n = network(dense(np.full((1, 2), 2**15 - 1), way=TFLITE, shift=-9,
                          weight=Quantization(parse("s16"))),
                    input=Quantization(parse("s16"), zero_point=-2**15))
        with pytest.raises(ValueError, match=rf"^Layer 'a': Accumulator must be in range "
                                             rf"{self.RANGE} of s32 for contract tflite, not "):
            prove(n)

    @pytest.mark.parametrize("changed, message", [
        ({"shift": 64}, r"^Layer 'a': Shift must be in range \[0, 63\] of u6, not 64 at index 0$"),
        ({"multiplier": -1}, r"^Layer 'a': Multiplier must be in range \[0, 2147483647\] of u31, "
                             r"not -1 at index 0$"),
        ({"clamp_min": 9, "clamp_max": 8},
         r"^Layer 'a': Clamp minimum must be at most the maximum 8, not 9$"),
    ])
    def test_parameters(self, changed, message):
        with pytest.raises(ValueError, match=message):
            prove(network(dense([[1]], **changed)))

    def test_entries(self):
        layer = dense([[1], [2], [3]])
        bad = replace(layer, parameters={**layer.parameters, "bias": np.array([1, 2])})
        with pytest.raises(ValueError, match=r"^Layer 'a': Parameter bias must have 1 entry or 3, "
                                             r"one per channel, not 2$"):
            prove(network(bad))

    def test_zero_point_of_the_output(self):
        layer = dense([[1]], zero_point=4)
        with pytest.raises(ValueError, match=r"^Layer 'a': Parameter zero_point must be 0, as the "
                                             r"output's, not \[4\]$"):
            prove(network(replace(layer, output=Quantization(S8))))

    @pytest.mark.parametrize("layer, input, message", [
        (dense([[8]], weight=Quantization(S4)), S8,
         r"^Weight of layer 'a' must be in range \[-8, 7\] of s4, not 8 at index \(0, 0\)$"),
        (dense([[1]], weight=Quantization(S4, zero_point=8)), S8,
         r"^Weight zero point of layer 'a' must be in range \[-8, 7\] of s4, not 8$"),
        (dense([[1]], weight=Quantization(S4, zero_point=np.zeros(2, dtype=int))), S8,
         r"^Weight zero point of layer 'a' must be a scalar or have one entry for each of 1 "
         r"channels, not shape \(2,\)$"),
        (dense([[1]]), Quantization(S8, zero_point=128),
         r"^Zero point of tensor 'input' must be in range \[-128, 127\] of s8, not 128$"),
        (dense([[1]]), Quantization(S8, zero_point=np.array([1])),
         r"^Zero point of tensor 'input' must be a scalar, not shape \(1,\)$"),
    ])
    def test_weights_and_zero_points(self, layer, input, message):
        input = input if isinstance(input, Quantization) else Quantization(input)
        with pytest.raises(ValueError, match=message):
            prove(network(layer, input=input))

    def test_pools(self):
        pool = Pool(name="p", inputs=(INPUT,), output=Quantization(S8, zero_point=1), kind="max",
                    size=(1, 1), stride=(1, 1))
        message = (r"^Output of pool 'p' must have the input's format s8 and zero point 0, "
                   r"not s8 and 1$")
        with pytest.raises(ValueError, match=message):
            prove(network(pool, shape=(1, 1, 1)))
        with pytest.raises(ValueError, match=r" format s8 and zero point 0, not s4 and 0$"):
            prove(network(replace(pool, output=Quantization(S4)), shape=(1, 1, 1)))
        bad = replace(pool, output=Quantization(S8), kind="median")
        with pytest.raises(ValueError, match=r"^Kind of pool 'p' must be average or max, "
                                             r"not 'median'$"):
            prove(network(bad, shape=(1, 1, 1)))

    def test_layers(self):
        two = replace(dense([[1]]), inputs=(INPUT, INPUT))
        with pytest.raises(ValueError, match=r"^Layer 'a' must have 1 input, not 2$"):
            network(two)
        other = Layer(name="o", inputs=(INPUT,), output=Quantization(S8))
        with pytest.raises(TypeError,
                           match=r"^Layer 'o': Layer must be one of golden.networks, not "):
            network(other, shape=(1,))
        linear = Linear(**{key: getattr(two, key) for key in (
            "name", "output", "weights", "weight", "contract", "parameters")}, inputs=(INPUT,))
        with pytest.raises(TypeError,
                           match=r"^Layer 'a': Layer must be one of golden.networks, not Linear"):
            network(linear)


def test_input_is_checked():
    with pytest.raises(ValueError, match=r"^Input must be in range \[-128, 127\] of s8, not 128 "
                                         r"at index \(0, 0\)$"):
        run(network(dense([[1]])), [[128]])


class TestProofOfAnInput:
    def test_sums_that_other_inputs_would_exceed(self):
        """Beyond int32 for some input, but not for these: to the last one that there may be."""
        layer = dense([[2**15 - 1] * 3, [1, 0, 0]], way=TFLITE, shift=-9, bias=[5, 0],
                      weight=Quantization(parse("s16")))
        n = network(layer, input=Quantization(parse("s16")))
        with pytest.raises(ValueError, match="^Layer 'a': Accumulator must be in range "):
            prove(n)
        most = (2**31 - 1 - 5) // (2**15 - 1)
        x = np.array([[0, 0, 0], [2**15 - 1, 2**15 - 1, most - 2 * (2**15 - 1)]])
        proof = prove(n, x)
        assert proof.sums == {"a": Range(-2**31, 2**31 - 1)}
        levels = run(n, x, proof)["a"]
        np.testing.assert_array_equal(levels, requantize(x @ layer.weights.T, TFLITE, S8,
                                                         layer.parameters))
        with pytest.raises(ValueError, match=r"^Layer 'a', channel 0: Sum plus bias must be in "):
            prove(n, x + [[0, 0, 0], [0, 0, 1]])
        with pytest.raises(ValueError, match=r"^Layer 'a', channel 0: Sum must be in range "):
            prove(n, -x - [[0, 0, 0], [1, 1, 2]])
        with pytest.raises(ValueError, match="^Input 'input' must be that of the proof, not "
                                             "another$"):
            run(n, x - 1, proof)
        x -= 1  # what was proven is the proof's own
        with pytest.raises(ValueError, match="^Input 'input' must be that of the proof, "):
            run(n, x, proof)
        assert proof.inputs is not None
        assert not proof.inputs["input"].flags.writeable

    def test_layers_behind_see_what_the_first_makes(self, rng):
        a = dense([[1, 1]], shift=31, output=S4)
        b = dense([[2**24]], "a", name="b", way=TFLITE, weight=Quantization(IntFormat(26)),
                  shift=-20, bias=2**31 - 1 - 3 * 2**24)
        n = network(a, b)
        x = np.array([[1, 5], [-300 + 172, 4]])
        assert run(n, x, prove(n, x))["a"].tolist() == [[3], [-8]]
        with pytest.raises(ValueError, match="^Layer 'b', channel 0: Sum plus bias must be in "):
            prove(n, x + 1)
        with pytest.raises(ValueError, match="^Layer 'b', channel 0: Sum plus bias must be in "):
            prove(n)

    def test_what_is_not_proven_for_an_input_alone(self):
        """Shifts are those for any sum, though these sums are of few bits."""
        layer = dense([[127] * 8], shift=70, weight=Quantization(IntFormat(40)))
        n = network(replace(layer, weights=np.full((1, 8), 2**38)))
        assert prove(n).sums == prove(n, np.ones((1, 8), int)).sums
        assert run(n, np.ones((1, 8), int), prove(n, np.ones((1, 8), int)))["a"] == [[2]]
        assert prove(n, np.zeros((0, 8), int)).sums == prove(n).sums

    def test_of_another_network(self, rng):
        n = small_network(rng)
        other = replace(n, name="m")
        x = np.zeros((1, 6, 8, 2), int)
        assert list(run(n, x, prove(n))) == ["input", "conv", "pool", "depth", "top"]
        with pytest.raises(ValueError, match="^Proof must be of this network, 'n', not of another, "
                                             "'m'$"):
            run(n, x, prove(other))
