"""Inputs and attributes of ONNX's nodes, checked."""

from collections.abc import Mapping, Sequence
from typing import Any

from golden.readers.contents import printable
from golden.readers.model import Unsupported
from golden.readers.onnx.file import Node
from golden.windows import Padding, Pair

__all__ = ["attribute", "axis_of", "check_attributes", "ints", "operands", "window"]


def operands(node: Node, least: int, most: int | None = None) -> list[str]:
    """Return the names of the inputs, so many at least and empty up to so many, and the output."""
    inputs, most = list(node.inputs), least if most is None else most
    while inputs and not inputs[-1]:
        inputs.pop()
    if not least <= len(inputs) <= most or "" in inputs[:least]:
        wanted = str(least) if least == most else f"{least} to {most}"
        raise Unsupported(f"Inputs must be {wanted}, all given, not {len(inputs)}")
    outputs = [name for name in node.outputs if name]
    if len(outputs) != 1:
        raise Unsupported(f"Outputs must be 1, not {len(outputs)}")
    return [*inputs, *[""] * (most - len(inputs)), *outputs]


def attribute(node: Node, name: str, default: Any) -> Any:
    """Return an attribute, which must be of the default's kind."""
    value = node.attributes.get(name, default)
    kind = int if default is None else type(default)
    if value is not default and not isinstance(value, kind):
        raise Unsupported(f"Attribute {name} must be of type {kind.__name__}, not {value!r}")
    return value


def ints(node: Node, name: str, default: Sequence[int] | None, count: int | None = None
         ) -> list[int] | None:
    """Return an attribute of integers, perhaps of a given count."""
    value = node.attributes.get(name)
    if value is None:
        return None if default is None else list(default)
    if not isinstance(value, list) or not all(isinstance(each, int) for each in value) or (
            count is not None and len(value) != count):
        raise Unsupported(f"Attribute {name} must be {count or ''} integers, "
                          f"not {str(value)[:100]}")
    return value


def check_attributes(node: Node, wanted: Mapping[str, Any]):
    """Raise :class:`Unsupported` unless attributes that are given have the only value read."""
    for name, value in wanted.items():
        if (given := node.attributes.get(name, value)) != value:
            raise Unsupported(f"Attribute {name} must be {value!r}, not {str(given)[:100]!r}")


def axis_of(value: int, rank: int) -> int:
    """Return an axis from 0 on."""
    if not -rank <= value < rank:
        raise Unsupported(f"Axis must be in range [{-rank}, {rank - 1}], not {value}")
    return value % rank


def window(node: Node, image: Sequence[int], kernel: Sequence[int]
           ) -> tuple[Pair, Pair, Padding]:
    """Return stride, dilation and padding of a convolution or a pool."""
    stride, dilation = ints(node, "strides", (1, 1), 2), ints(node, "dilations", (1, 1), 2)
    pads, automatic = ints(node, "pads", (0, 0, 0, 0), 4), attribute(node, "auto_pad", "NOTSET")
    assert stride is not None and dilation is not None and pads is not None
    if min(*stride, *dilation, *kernel) < 1:
        raise Unsupported(f"Kernel, strides and dilations must be positive, not {tuple(kernel)}, "
                          f"{tuple(stride)} and {tuple(dilation)}")
    top, left, bottom, right = pads
    padding = (top, bottom), (left, right)
    if automatic in ("SAME_UPPER", "SAME_LOWER"):
        totals = [max((-(-size // step) - 1) * step + (taps - 1) * wide + 1 - size, 0)
                  for size, step, taps, wide in zip(image, stride, kernel, dilation, strict=True)]
        upper = automatic == "SAME_UPPER"
        (top, bottom), (left, right) = ((total // 2, total - total // 2) for total in totals)
        padding = ((top, bottom), (left, right)) if upper else ((bottom, top), (right, left))
    elif automatic == "VALID":
        padding = (0, 0), (0, 0)
    elif automatic != "NOTSET":
        raise Unsupported(f"Attribute auto_pad must be NOTSET, SAME_UPPER, SAME_LOWER or VALID, "
                          f"not {printable(automatic)!r}")
    return (stride[0], stride[1]), (dilation[0], dilation[1]), padding
