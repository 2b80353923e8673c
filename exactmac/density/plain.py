"""Verilog of a dot product with its accumulator, as one writes it by hand."""

from itertools import count

from golden.formats import Format, IntFormat, OddFormat, parse
from golden.ranges import dot_range, levels_range

__all__ = ["has_plain", "plain_dot"]

GROUP = 4
"""Terms that are added between two registers."""

TERNARY, BINARY, BIT = parse("ternary"), parse("binary"), parse("bit")


def has_plain(weights: Format, activations: Format) -> bool:
    """Whether :func:`plain_dot` knows the formats: integers, odd levels, and pairs of bits."""
    if weights.bits == activations.bits == 1:
        return weights == BINARY
    return all(isinstance(fmt, IntFormat | OddFormat) for fmt in (weights, activations))


def plain_dot(name: str, weights: Format, activations: Format, lanes: int, depth: int
              ) -> tuple[str, int]:
    """Return the Verilog and latency of a dot product with an accumulator.

    Products have a register each, and so has each sum of up to four of these. Where a product is
    no multiplication, with weights of -1, 0 and 1, all products of a cycle are added in one
    expression.

    Parameters
    ----------
    name : str
        Name of the module.
    weights, activations : Format
        Formats that :func:`has_plain` knows.
    lanes, depth : int
        Products in a cycle, and most products of a total.
    """
    total = dot_range(weights, activations, depth).format
    body = [line for operand, fmt in (("activations", activations), ("weights", weights))
            for line in _levels(operand, fmt, lanes)]
    if weights.bits == activations.bits == 1:
        latency, last = 1, _bits(body, weights, activations, lanes)
    elif weights == TERNARY:
        terms = [f"(weights[{2 * k}] ? (weights[{2 * k + 1}] ? -activation_{k} : activation_{k})"
                 " : 0)" for k in range(lanes)]
        latency, last = 1, _register(body, "sum", dot_range(weights, activations, lanes).format,
                                     " + ".join(terms))
    else:
        latency, last = _tree(body, weights, activations, lanes)
    lines = [
        f"module {name} (input clk, input valid, input clear,",
        f"    input [{lanes * activations.bits - 1}:0] activations,",
        f"    input [{lanes * weights.bits - 1}:0] weights,",
        f"    output reg {_shape(total)} total);",
        *body, f"reg [{latency - 1}:0] valid_q, clear_q;",
        "always @(posedge clk) begin",
        "    valid_q <= {valid_q, valid};",
        "    clear_q <= {clear_q, clear};",
        f"    if (clear_q[{latency - 1}]) total <= 0;",
        f"    else if (valid_q[{latency - 1}]) total <= total + {last};",
        "end", "endmodule", ""]
    return "\n".join(lines), latency + 1


def _shape(fmt: IntFormat) -> str:
    return f"{'signed ' * fmt.signed}[{fmt.bits - 1}:0]"


def _levels(operand: str, fmt: Format, lanes: int) -> list[str]:
    # A wire for each level that has more than a bit. All are signed: an unsigned operand would make
    # a whole expression unsigned.
    if fmt.bits == 1:
        return []
    level = levels_range(fmt).format
    one, lines, width = operand.removesuffix("s"), [], level.bits + (not level.signed)
    for k in range(lanes):
        code = f"{operand}[{k * fmt.bits}+:{fmt.bits}]"
        if isinstance(fmt, OddFormat):
            code = f"2 * {code} - {-fmt.min}"
        lines.append(f"wire signed [{width - 1}:0] {one}_{k} = {code};")
    return lines


def _register(body: list[str], name: str, fmt: IntFormat, value: str) -> str:
    body += [f"reg {_shape(fmt)} {name};", f"always @(posedge clk) {name} <= {value};"]
    return name


def _bits(body: list[str], weights: Format, activations: Format, lanes: int) -> str:
    # Counts of ones. In braces, an operator does not act on more bits than there are.
    def ones(term: str) -> str:
        return " + ".join(f"{{{term.format(k=k)}}}" for k in range(lanes))

    if activations == BINARY:
        value = f"2 * ({ones('weights[{k}] ~^ activations[{k}]')}) - {lanes}"
    else:
        value = f"2 * ({ones('weights[{k}] & activations[{k}]')}) - ({ones('activations[{k}]')})"
    return _register(body, "sum", dot_range(weights, activations, lanes).format, value)


def _tree(body: list[str], weights: Format, activations: Format, lanes: int) -> tuple[int, str]:
    # Registers of products, then of sums: their number in a row, and the last one.
    values, size = [f"activation_{k} * weight_{k}" for k in range(lanes)], 1
    for stage in count():
        fmt = dot_range(weights, activations, min(size, lanes)).format
        names = [_register(body, f"sum_{stage}_{k}", fmt, value)
                 for k, value in enumerate(values)]
        if len(names) == 1:
            return stage + 1, names[0]
        values, size = [" + ".join(names[k:k + GROUP])
                        for k in range(0, len(names), GROUP)], size * GROUP
    raise AssertionError
