"""ONNX Runtime's QLinearAveragePool, in its own order of float operations."""

from collections.abc import Sequence

import numpy as np

from golden.contracts import S32, Clamped, contract
from golden.formats import IntFormat
from golden.multipliers import linear_parameters
from golden.networks import check_scale
from golden.requantize import requantize

__all__ = ["qlinear_average_pool"]


def qlinear_average_pool(x, x_scale: float, x_zero_point: int, y_scale: float, y_zero_point: int, *,
                         source: IntFormat, output: IntFormat, kernel_shape: Sequence[int],
                         strides: Sequence[int] = (1, 1), pads: Sequence[int] = (0, 0, 0, 0),
                         count_include_pad: bool = False) -> np.ndarray:
    """Mean of each window of images, as ONNX Runtime's com.microsoft operator computes it.

    In float32, each operation rounded to it: ``x_scale * (level - x_zero_point)`` of each tap,
    their sum, one after the other and row by row, divided by their number and then by ``y_scale``,
    the zero point added, and the result rounded, ties to even. Contract ``onnx_zp_inside`` is the
    same where the scales are powers of two, and so is the number of taps; else it is not, for
    these roundings are not those of one product.

    A window that is the whole image, without padding, is ONNX Runtime's QLinearGlobalAveragePool:
    contract ``onnx`` with the scale ``x_scale / (y_scale * taps)``.

    Parameters
    ----------
    x : array_like of integers, ``(batch, channels, height, width)``
    x_scale, y_scale : float
        Rounded to float32.
    x_zero_point, y_zero_point : int
    source, output : IntFormat
        Of ``x`` and of the result.
    kernel_shape, strides : pair of int
        Vertical, horizontal.
    pads : four int
        Top, left, bottom, right; each less than the window.
    count_include_pad : bool
        Whether the padding counts as taps.

    Returns
    -------
    array of ``int64``, ``(batch, channels, height, width)``

    Raises
    ------
    ValueError
        Where a level or a zero point is none of its format, a scale not positive and finite, or
        the window does not fit.
    """
    x = source.check(x, "Input")
    if x.ndim != 4:
        raise ValueError(f"Input must have 4 axes, not shape {x.shape}")
    x_zero_point = int(source.check_zero_point(x_zero_point, "Zero point of the input"))
    y_zero_point = int(output.check_zero_point(y_zero_point, "Zero point of the output"))
    scales = (check_scale(scale) for scale in (x_scale, y_scale))
    x_step, y_step = (np.float32(scale) for scale in scales)
    (rows, columns), (top, left, bottom, right) = kernel_shape, pads
    image = x.shape[2] + top + bottom, x.shape[3] + left + right
    if not (0 < rows <= image[0] and 0 < columns <= image[1]):
        raise ValueError(f"Kernel shape must be positive and at most the padded image's {image}, "
                         f"not {tuple(kernel_shape)}")
    if min(pads) < 0 or max(top, bottom) >= rows or max(left, right) >= columns:
        raise ValueError(f"Pads must not be negative, and less than the window "
                         f"{tuple(kernel_shape)}, not {tuple(pads)}")

    if tuple(kernel_shape) == x.shape[2:] and not any(pads):
        onnx, taps = contract("onnx"), np.float32(rows * columns)
        assert isinstance(onnx, Clamped)
        sums = (x - x_zero_point).sum(axis=(2, 3), keepdims=True)
        return requantize(sums, onnx, output, {
            "bias": 0, **linear_parameters(onnx, x_step, 1, y_step * taps, S32),
            "zero_point": y_zero_point, "clamp_min": output.min, "clamp_max": output.max})

    def windows(values: np.ndarray) -> np.ndarray:
        padded = np.pad(values, [(0, 0), (0, 0), (top, bottom), (left, right)])
        views = np.lib.stride_tricks.sliding_window_view(padded, (rows, columns), axis=(2, 3))
        return views[:, :, ::strides[0], ::strides[1]]

    scaled = windows(x_step * (x - x_zero_point).astype(np.float32))
    counted = windows(np.ones((1, 1, *x.shape[2:]), dtype=np.float32)).sum(axis=(4, 5))
    total = np.zeros(scaled.shape[:4], dtype=np.float32)
    for tap in np.ndindex(rows, columns):
        total = total + scaled[:, :, :, :, *tap]
    mean = total / (np.float32(rows * columns) if count_include_pad else counted)
    with np.errstate(over="ignore"):  # infinite is what saturates in any case
        levels = np.rint(mean / y_step + np.float32(y_zero_point))
    return np.clip(levels, output.min, output.max).astype(np.int64)
