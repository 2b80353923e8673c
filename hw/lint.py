"""Emitted Verilog for linters: operands of equal widths, and waivers."""

import re

__all__ = ["WAIVED", "equal_widths", "tidy", "waivers"]

WAIVED = {
    "UNUSEDSIGNAL": "intermediate values that nothing reads, or not all bits of",
    "PROCASSINIT": "registers have an initial value beside their clocked assignment",
    "DECLFILENAME": "all modules are in one file",
}
"""Rules of Verilator's ``-Wall`` that the emitted Verilog breaks, each with the reason."""

# Operands as wide as the result; without `$mul`, since products are wider than factors.
_ARITHMETIC = ("$add", "$sub", "$neg", "$not", "$and", "$or", "$xor")
_SHIFTS = ("$shl", "$shr", "$sshl", "$sshr")
# Operands as wide as each other.
_COMPARISONS = ("$eq", "$ne", "$lt", "$le", "$gt", "$ge")


def equal_widths(text: str) -> str:
    """Return Amaranth's RTLIL with operands extended to the width that each cell computes with.

    Amaranth leaves out zeros and copies of the sign at the top of an operand. Verilog's own rules
    would put them back, but linters warn of that.
    """
    text = re.sub(r"(?ms)^  cell \$shift .*?^  end$", _whole, text)
    return re.sub(r"(?ms)^  cell (\$\w+) .*?^  end$", _widened, text)


def _parameters(cell: str) -> dict[str, int]:
    return {name: int(value) for name, value in
            re.findall(r"(?m)^    parameter \\(\w+) (\d+)$", cell)}


def _whole(cell: re.Match[str]) -> str:
    # Part of a value, from a variable bit on: the whole value shifted, and its low bits taken.
    parameters = _parameters(cell[0])
    width, kept = parameters["A_WIDTH"], parameters["Y_WIDTH"]
    kind = "$sshr" if parameters["A_SIGNED"] else "$shr"
    text = cell[0].replace("$shift", kind, 1)
    if kept >= width:
        return text
    part = text[text.index("connect \\Y ") + 11:].split("\n", 1)[0]
    whole = f"$shifted_{part[1:]}"
    text = text.replace(f"\\Y_WIDTH {kept}", f"\\Y_WIDTH {width}").replace(
        f"connect \\Y {part}\n", f"connect \\Y {whole}\n")
    return f"  wire width {width} {whole}\n{text}\n  connect {part} {whole} [{kept - 1}:0]"


def _widened(cell: re.Match[str]) -> str:
    kind, text = cell[1], cell[0]
    parameters = _parameters(text)
    if kind in _COMPARISONS:
        width, ports = max(parameters["A_WIDTH"], parameters["B_WIDTH"]), "AB"
    elif kind in _ARITHMETIC:
        width, ports = parameters["Y_WIDTH"], "AB" if "B_WIDTH" in parameters else "A"
    elif kind in _SHIFTS:
        width, ports = parameters["Y_WIDTH"], "A"
    else:
        return text
    for port in ports:
        missing = width - parameters[f"{port}_WIDTH"]
        if missing > 0:
            connected = f"\n    connect \\{port} "
            before, rest = text.split(connected)
            operand, after = rest.split("\n", 1)
            operand = _extended(operand, missing, bool(parameters[f"{port}_SIGNED"]))
            text = re.sub(rf"(?<=parameter \\{port}_WIDTH )\d+", str(width),
                          f"{before}{connected}{operand}\n{after}")
    return text


def _extended(operand: str, bits: int, signed: bool) -> str:
    # An operand is a constant, bits of a wire, or several of these in braces, the highest first.
    operand = operand.strip("{} ")
    highest = re.match(r"\d+'([01])|(\S+ \[\d+)", operand)
    if not signed or highest is None:
        top = f"{bits}'{'0' * bits}"
    elif highest[1]:
        top = f"{bits}'{highest[1] * bits}"
    else:
        top = f"{highest[2]}] " * bits
    return f"{{ {top} {operand} }}"


def tidy(text: str) -> str:
    """Return Yosys's Verilog with repeated bits written once, and with linters' rules kept.

    Linters want logical operators on single bits only, and a default in each case statement. The
    default is empty here, since the statement before it assigns the value.

    Yosys has each combinational block read a register, whose first value is to make a simulator
    evaluate the block at time 0. The value given in a declaration does not with SystemVerilog's
    rules, so an ``initial`` statement gives it.
    """
    text = re.sub(r"(?m)^( +)reg (\\\$auto\$verilog_backend\S+)  = 0;$",
                  r"\1reg \2 ;\n\1initial \2 = 0;", text)
    bit = r"(?:\\\S+ |\w+)(?: ?\[\d+\])?"
    text = re.sub(rf"(?<=[{{,] )({bit})(?:, \1)+(?=[ ,])",
                  lambda bits: f"{{{bits[0].count(',') + 1}{{{bits[1]}}}}}", text)
    lines, complete = [], []
    for line in text.replace("= ! ", "= ~| ").split("\n"):
        statement = line.strip()
        if statement.startswith(("case ", "casez ")):
            complete.append("full_case" in lines[-1])
        elif statement.startswith("default:"):
            complete[-1] = True
        elif statement == "endcase" and not complete.pop():
            lines.append(line.replace("endcase", "  default: ;"))
        lines.append(line)
    return "\n".join(lines)


def waivers(*names: str) -> str:
    """Text of ``<name>.vlt``, the waivers for Verilator's ``-Wall`` on ``<name>.v`` alone.

    Files behind the first name are waived too: models of cells have pins that they do not read.
    """
    lines = [f"lint_off -rule {rule} -file \"{folder}{name}.v\"  // {why}\n"
             for name in names for rule, why in WAIVED.items() for folder in ("", "*/")]
    files = " ".join(f"{name}.v" for name in names)
    return f"`verilator_config\n// For verilator -Wall {files} {names[0]}.vlt\n\n{''.join(lines)}"
