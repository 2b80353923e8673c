"""ONNX Runtime's QLinearAveragePool, in its own order of float operations."""

from collections.abc import Sequence

import numpy as np

from golden import contracts
from golden.contracts import S32, Clamped
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

    Every operation is rounded to float32:

    1. ``x_scale * (level - x_zero_point)`` of each tap;
    2. their sum, tap by tap and row by row;
    3. divided by the number of taps, then by ``y_scale``, plus ``y_zero_point``;
    4. rounded to an integer, ties to even.

    Contract ``onnx_zp_inside`` gives the same if the scales and the number of taps are powers of
    two. Else it does not, as it rounds only one product.

    A window of the whole image, without padding, is ONNX Runtime's QLinearGlobalAveragePool:
    contract ``onnx`` with the scale ``x_scale / (y_scale * taps)``.

    Parameters
    ----------
    x : array_like of integers, ``(batch, channels, height, width)``
        Levels of the images.
    x_scale, y_scale : float
        Scales of images and result, rounded to float32.
    x_zero_point, y_zero_point : int
        Zero points of images and result.
    source, output : IntFormat
        Formats of images and result.
    kernel_shape, strides : pair of int
        Vertical and horizontal size and step of the windows.
    pads : four int
        Padding at the top, left, bottom and right, each less than the window.
    count_include_pad : bool
        Whether the padding counts as taps.

    Returns
    -------
    array of ``int64``, ``(batch, channels, height, width)``

    Raises
    ------
    ValueError
        If a level or a zero point is not in its format, a scale is not positive and finite, or the
        window does not fit.
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
        onnx, taps = contracts.parse("onnx"), np.float32(rows * columns)
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
    with np.errstate(over="ignore"):  # infinity saturates too
        levels = np.rint(mean / y_step + np.float32(y_zero_point))
    return np.clip(levels, output.min, output.max).astype(np.int64)
