"""Numbers of windows of a kernel or a pool in an image."""

from collections.abc import Sequence

from golden.formats import integers

__all__ = ["Pair", "Padding", "NO_PADDING", "windows", "pool_windows"]

Pair = tuple[int, int]
Padding = tuple[Pair, Pair]

NO_PADDING: Padding = ((0, 0), (0, 0))


def windows(image: Sequence[int], kernel: Sequence[int], stride: Pair, padding: Padding,
            dilation: Pair = (1, 1), *, name: str = "Input") -> Pair:
    """Rows and columns of the windows; ``ValueError``, with ``name`` in it, if there are none."""
    for title, pair in (("Kernel", kernel), ("Stride", stride), ("Dilation", dilation)):
        if integers(pair, title).shape != (2,):
            raise ValueError(f"{title} must be a pair, not {pair!r}")
        if min(pair) < 1:
            raise ValueError(f"{title} must be positive, not {tuple(pair)}")
    if integers(padding, "Padding").shape != (2, 2):
        raise ValueError(f"Padding must be a pair of pairs, not {padding!r}")
    if min(min(pair) for pair in padding) < 0:
        raise ValueError(f"Padding must not be negative, not {padding}")
    rows, columns = ((size + sum(pad) - (taps - 1) * step - 1) // advance + 1
                     for size, pad, taps, step, advance
                     in zip(image, padding, kernel, dilation, stride, strict=True))
    if min(rows, columns) < 1:
        raise ValueError(f"{name} must be at least as large as the kernel {tuple(kernel)}, "
                         f"not {tuple(image)} with padding {padding}")
    return rows, columns


def pool_windows(image: Sequence[int], size: Pair, stride: Pair, padding: Padding, *,
                 name: str = "Input") -> Pair:
    """Rows and columns of a pool's windows; ``ValueError`` if a window may be all padding."""
    output = windows(image, size, stride, padding, name=name)
    if any(max(pad) >= taps for pad, taps in zip(padding, size, strict=True)):
        raise ValueError(f"Padding must be less than the window {size}, not {padding}")
    return output
