"""Scales of few digits."""

from fractions import Fraction

import numpy as np
import pytest

from golden.affine import dequantize
from golden.floats import FloatDense
from golden.quantize import quantize_network, short_scales


def quantized(rng, activations="u4", weights="s4n", **more):
    layers = [FloatDense(rng.normal(size=(6, 9)), rng.normal(size=6), relu=True),
              FloatDense(rng.normal(size=(4, 6)))]
    x = np.abs(rng.normal(size=(50, 9)))
    return layers, x, quantize_network(layers, x, weights=weights, activations=activations,
                                       contract="half_up", **more)


@pytest.mark.parametrize("per", ["channel", "tensor"])
@pytest.mark.parametrize("bits", [1, 3, 8])
def test_factors_have_few_digits(bits, per, rng):
    layers, x, before = quantized(rng, per=per)
    given = short_scales(layers, before, bits=bits)
    after = quantize_network(layers, x, weights="s4n", activations="u4", contract="half_up",
                             given=given, per=per)
    for name, tensor in after.tensors.items():
        scale = tensor.quantization.scale
        assert np.frexp(scale)[0] == 0.5
        assert 2**-0.5 <= scale / before.quantization(name).scale <= 2**0.5
    for own, old, layer in zip(after.layers, before.layers, layers, strict=True):
        ratio = np.atleast_1d(own.weight.scale / old.weight.scale)
        assert (ratio >= 1).all() and (ratio <= 1 + 2.0**(1 - bits)).all()
        for multiplier in own.parameters["multiplier"].tolist():
            assert Fraction(multiplier, 1 << 64).numerator < 1 << bits
        # Nothing saturates: every weight is within half a step of its level.
        error = dequantize(own.weights, own.weight) - layer.weights
        assert (np.abs(error) <= np.reshape(own.weight.step, (-1, 1)) * 0.5000001).all()


@pytest.mark.parametrize("bits", [0, 25])
def test_bits(bits, rng):
    layers, _, before = quantized(rng)
    with pytest.raises(ValueError, match=rf"^Bits must be in range \[1, 24\], not {bits}$"):
        short_scales(layers, before, bits=bits)


def test_other_layers_and_exponents(rng):
    layers, _, before = quantized(rng)
    with pytest.raises(ValueError, match="^Quantized network must have tensors input, dense0, not "
                                         "input, dense0, dense1$"):
        short_scales(layers[:1], before)
    layers, _, before = quantized(rng, "mx_s8", "s4n")
    with pytest.raises(ValueError, match="^Format of 'input' must be one without exponents, "
                                         "not mx_s8$"):
        short_scales(layers, before)
