"""Methods of calibration by name, with options, for every kind of format."""

import numpy as np
import pytest

from golden.affine import asymmetric, dequantize, quantize, symmetric
from golden.floats import FloatDense, run_float
from golden.formats import BlockScaled, IntFormat, parse
from golden.quantize import quantize_network
from golden.quantize.calibration import METHODS, calibrate, method_of
from golden.quantize.extremes import average_range, min_max_range
from golden.quantize.histograms import entropy_range, percentile_range
from golden.run import run

FORMATS = ["s1", "s2", "s4", "s8", "s16", "s2n", "s8n", "u1", "u4", "u8", "u4n", "odd1", "odd2",
           "odd8", "e2m1", "e2m3", "e3m2", "e4m3fn", "e4m3fn:specials=propagate", "e5m2",
           "cfloat8_1_4_3", "cfloat8_1_5_2", "cfloat8_1_4_3:bias=12,denormals=paper",
           "codebook:-7/-3/0/3/7", "codebook:-5/-1/1/5", "codebook:0/1/4/9", "codebook:-4/-1/0",
           "codebook2:loaded=s8", "codebook4:loaded=u4", "mx_s8", "mx_u4", "mx_odd4", "mx_e2m1",
           "mx_e4m3fn", "mx_codebook:-7/-3/0/3/7"]

RANGES = {
    "min_max": lambda x, absolute: min_max_range(x),
    "moving_average:batch=10": lambda x, absolute: average_range(x, batch=10),
    "moving_average:batch=10,collect=20,averaging=0.5":
        lambda x, absolute: average_range(x, batch=10, collect=20, averaging=0.5),
    "percentile": lambda x, absolute: percentile_range(x, absolute=absolute),
    "percentile:percentile=90,bins=100,collect=30": lambda x, absolute: percentile_range(
        x, absolute=absolute, percentile=90, bins=100, collect=30),
    "entropy:bins=512": lambda x, absolute: entropy_range(x, bins=512),
    "entropy:bins=300,quantized_bins=32,collect=50":
        lambda x, absolute: entropy_range(x, bins=300, quantized_bins=32, collect=50)}


@pytest.mark.parametrize("name", ["s4", "s8n", "u8", "odd4", "e4m3fn", "codebook:-7/-3/0/3/7"])
@pytest.mark.parametrize("method", RANGES)
def test_a_format_spans_the_range(method, name, rng):
    fmt, x = parse(name), rng.normal(0.4, 1, (60, 20))
    found = calibrate(x, fmt, method=method, zero_point=False)
    lo, hi = RANGES[method](x if name != "u8" or "perc" not in method else np.maximum(x, 0), True)
    expected = symmetric(hi if name == "u8" else max(-lo, hi), fmt)
    assert (found.scale, found.zero_point) == (expected.scale, 0)
    if isinstance(fmt, IntFormat):
        found = calibrate(x, fmt, method=method, zero_point=True)
        expected = asymmetric(*RANGES[method](x, False), fmt)
        assert (found.scale, found.zero_point) == (expected.scale, expected.zero_point)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("zero_point", [False, True])
@pytest.mark.parametrize("values", [0.0, 2.5, -2.5])
def test_constants(method, zero_point, values):
    for name in ("s4", "u4"):
        chosen = calibrate(np.full((3, 2), values), parse(name), method=method,
                           zero_point=zero_point)
        found = dequantize(quantize(values, chosen), chosen)
        if values == 0 or method in ("mse", "min_max", "moving_average") and (
                zero_point or name == "s4" or values > 0):
            assert abs(found - values) <= chosen.scale / 2
        assert np.isfinite(found)


@pytest.mark.parametrize("name, method", [
    (name, "percentile:percentile=99") for name in FORMATS] + [
    (name, method) for name in ("s4", "u8", "odd4", "e4m3fn", "codebook:-7/-3/0/3/7", "mx_s8")
    for method in METHODS])
def test_every_format_of_activations(name, method, rng):
    """It is quantized into a proven network, or refused by name."""
    layers = [FloatDense(rng.normal(size=(32, 64)) / 8, relu=True),
              FloatDense(rng.normal(size=(32, 32)) / 6)]
    x = np.abs(rng.normal(size=(24, 64)))
    fmt = parse(name)

    def made(activations=fmt, zero_points="none"):
        return quantize_network(layers, x, weights="s8n", activations=activations,
                                contract="half_up", method=method, zero_points=zero_points)

    if "loaded" in name:
        for given in (fmt, name):
            with pytest.raises(ValueError, match=f"^Activations must have levels of their own, as "
                                                 f"codebook:L/L... has, not {name}$"):
                made(given)
        return
    if fmt.max < 1:
        with pytest.raises(ValueError, match=f"^Format must have a positive level to be "
                                             f"symmetric, not {name}$"):
            made()
        return
    network = made(zero_points="activations" if isinstance(fmt, IntFormat) else "none")
    y = run(network, quantize(x, network.input))["dense1"]
    if fmt.bits >= 4 and not (isinstance(fmt, BlockScaled) or fmt.min >= 0):
        real = run_float(layers, x)
        error = dequantize(y, network.layers[-1].output) - real
        assert np.square(error).mean() < np.square(real).mean() / (4 if method != "entropy" else 2)


@pytest.mark.parametrize("per", ["tensor", "channel"])
@pytest.mark.parametrize("zero_points", ["none", "both"])
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_of_weights(name, zero_points, per, rng):
    layers = [FloatDense(rng.normal(size=(8, 64)) / 8, rng.normal(size=8))]
    x, fmt = rng.normal(size=(24, 64)), parse(name)

    def made(weights=fmt):
        return quantize_network(layers, x, weights=weights, activations="s8", contract="half_up",
                                zero_points=zero_points, per=per)

    if "loaded" in name:
        for given in (fmt, name):
            with pytest.raises(ValueError, match=f"^Weights must have levels of their own, as "
                                                 f"codebook:L/L... has, not {name}$"):
                made(given)
        return
    movable = zero_points == "both" and isinstance(fmt, IntFormat)
    if not movable and (fmt.min >= 0 or fmt.max < 1):
        with pytest.raises(ValueError, match=f"^Weights must have a format with levels on both "
                                             f"sides of 0 where they have no zero points, "
                                             f"not {name}$"):
            made()
        return
    (layer,) = made().layers
    assert np.ndim(layer.weight.scale) == (per == "channel" and not isinstance(fmt, BlockScaled))
    assert bool(np.any(layer.weight.zero_point)) == (movable and name != "s2n")


@pytest.mark.parametrize("text, message", [
    ("max", "Method must be one of mse, min_max, moving_average, percentile, entropy, not 'max'"),
    (3, "Method must be one of mse, min_max, moving_average, percentile, entropy, not 3"),
    ("mse:bins=3", "Options of method mse must be none, not 'bins=3'"),
    ("percentile:", "Options of method percentile must be percentile=NUMBER or bins=INTEGER or "
                    "collect=INTEGER, each once, separated by commas, not ''"),
    ("percentile:bins=2.5", "Options of method percentile must be percentile=NUMBER or "
                            "bins=INTEGER or collect=INTEGER, each once, separated by commas, "
                            "not 'bins=2.5'"),
    ("entropy:bins=9,bins=9", "Options of method entropy must be bins=INTEGER or "
                              "quantized_bins=INTEGER or collect=INTEGER, each once, separated "
                              "by commas, not 'bins=9,bins=9'"),
    ("moving_average:percentile=9", "Options of method moving_average must be batch=INTEGER or "
                                    "collect=INTEGER or averaging=NUMBER, each once, separated "
                                    "by commas, not 'percentile=9'")])
def test_what_is_no_method(text, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        method_of(text)
