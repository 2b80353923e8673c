"""Faults in a Verilog file, all in one mutated copy with an input that selects one."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hw.flow.tools import PYOSYS, ToolFailed, require
from hw.flow.yosys import run_script
from hw.folder import scratch

__all__ = ["SELECTOR", "Fault", "Mutated", "mutate"]

SELECTOR = "selected_fault"
"""Input of the mutated module: number of the active fault, 0 for none."""

SEED = 1
"""Seed with which Yosys draws the same faults of a design each time."""

EXEMPT = re.compile(r"-port CLK |-cell \S*\$memrd\S* -port (EN|ARST|SRST) ")
"""Faults that are dropped: of clocks, and of unused pins of a read without a clock."""

SPARE = 2
"""Faults drawn for each requested one, since some are dropped."""

MODES = {
    "inv": "inverted",
    "const0": "stuck at 0",
    "const1": "stuck at 1",
    "cnot0": "inverted where bit {} is 0",
    "cnot1": "inverted where bit {} is 1",
}


@dataclass(frozen=True)
class Fault:
    """Fault of one bit of the design.

    Parameters
    ----------
    number : int
        Value of :data:`SELECTOR` that selects the fault, from 1.
    line : int
        Line of the Verilog file.
    module : str
        Module of the line.
    source : str
        Text of the line.
    place : str
        Instance, and the bit: of a net, or of a port of a cell that Yosys made from the line.
    kind : str
        Effect on the bit.
    """

    number: int
    line: int
    module: str
    source: str
    place: str
    kind: str

    def __str__(self) -> str:
        return f"{self.place} {self.kind}"


@dataclass(frozen=True)
class Mutated:
    """Design with faults to select.

    Parameters
    ----------
    top : str
        Name of the only module.
    verilog : str
    rtlil : str
        Design as RTLIL, before memories and operators are mapped.
    bits : int
        Width of :data:`SELECTOR`.
    faults : tuple of Fault
    """

    top: str
    verilog: str
    rtlil: str
    bits: int
    faults: tuple[Fault, ...]


def mutate(verilog: str, top: str, count: int) -> Mutated:
    """Put ``count`` faults into a design, and one more: its reset ``aresetn`` tied off.

    The design is flattened, so that each instance of a module has faults of its own. Yosys draws
    bits of nets and of ports of cells, spread over nets and lines; a multiplexer's select is the
    reset or the enable of a register as often as a choice. Clocks have no faults: a register
    that is clocked by something else is no slip of a designer in one clock domain.

    Parameters
    ----------
    verilog : str
        Text of the file, complete.
    top : str
        Top module, with an input ``aresetn``.
    count : int

    Raises
    ------
    ToolMissing, ToolFailed
        If Yosys is missing, or fails.
    """
    require(*PYOSYS)
    with scratch() as folder:
        (folder / "design.v").write_text(verilog)
        _yosys(folder, f"""\
read_verilog design.v
hierarchy -check -top {top}
proc -norom
flatten
opt_clean
write_rtlil design.il
mutate -list 1 -seed {SEED} -mode const1 -wire aresetn -o reset.txt
mutate -list {SPARE * count} -seed {SEED} -o drawn.txt
""")
        reset, drawn = ((folder / f"{part}.txt").read_text().splitlines()
                        for part in ("reset", "drawn"))
        drawn = [line for line in drawn if not EXEMPT.search(line)]
        if not reset or len(drawn) < count:
            raise ToolFailed("yosys", f"found {len(drawn)} faults in {top}, not {count}")
        chosen = drawn[:count] + reset
        bits = len(chosen).bit_length()
        _yosys(folder, "\n".join([
            "read_rtlil design.il",
            *(line.replace("mutate", f"mutate -ctrl {SELECTOR} {bits} {number}", 1)
              for number, line in enumerate(chosen, 1)),
            "opt_clean", "write_rtlil mutated.il", "write_verilog -noattr mutated.v", ""]))
        describe = _describer(verilog)
        return Mutated(top, (folder / "mutated.v").read_text(), (folder / "mutated.il").read_text(),
                       bits, tuple(describe(*each) for each in enumerate(chosen, 1)))


def _yosys(folder: Path, script: str):
    (folder / "run.ys").write_text(script)
    run_script(folder)


def _describer(verilog: str) -> Callable[[int, str], Fault]:
    # Return a function from a line of Yosys's list of mutations to the fault.
    lines, modules, module = verilog.splitlines(), [], ""
    for line in lines:
        if header := re.match(r"module (\w+)", line):
            module = header[1]
        modules.append(module)

    def describe(number: int, mutation: str) -> Fault:
        options: dict[str, str] = {}
        for option, value in re.findall(r"-(\w+) (\S+)", mutation):
            options[option] = value  # of all sources the last, the cell's
        line = int(options["src"].split(":")[1].split(".")[0])
        # `$flatten\tile.\store.$procmux$669` is a cell of an instance, of a kind, with a number.
        cell = options["cell"].replace("$flatten", "").replace("\\", "")
        path, _, kind = cell.rpartition(".$") if ".$" in cell else ("", "", cell.lstrip("$"))
        kind = re.sub(r"auto\$.*:", "", kind).split("$")[0].removeprefix("proc").strip("_")
        if "wire" in options:
            place = f"{options['wire']}[{options['wirebit']}]"
        else:
            place = f"{path}{'.' * bool(path)}{kind}.{options['port']}[{options['portbit']}]"
        wrong = MODES[options["mode"]].format(options.get("ctrlbit"))
        return Fault(number, line, modules[line - 1], lines[line - 1].strip(), place, wrong)

    return describe
