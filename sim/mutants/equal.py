"""Faults that change nothing: a tile and its mutant are compared for all inputs, for ever."""

import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

from hw.flow.tools import ToolFailed, run_tool
from hw.flow.yosys import run_script
from hw.folder import scratch
from hw.tile.ports import StreamPort
from sim.mutants.faults import SELECTOR, Fault, Mutated

__all__ = ["Prover"]

STEPS = (0, 3, 1000)
"""Registers upstream of a fault's reach that are modelled, for each attempt in turn."""

MEMORY = re.compile(r"\[\d+\]\[\d+\]$")
"""Pattern of the name of a memory's bit."""


@dataclass
class _Netlist:
    # Gates by the net that they drive: input nets, and the lines of the table. Latches by the net
    # that they drive: input net, and initial value.
    inputs: list[str]
    outputs: list[str]
    gates: dict[str, tuple[list[str], list[str]]]
    latches: dict[str, tuple[str, str]]


class Prover:
    """Proofs that a fault of a tile shows at no port, for any inputs.

    Two copies of the design, one of them without a fault, get the same inputs, including resets,
    from the initial values of their registers on; memories begin with zeros. They are equal if, in
    each cycle, every ``ready`` and ``valid`` is equal, and all data offered with ``valid``.

    Parameters
    ----------
    ports : tuple of StreamPort
    mutated : Mutated
    """

    def __init__(self, ports: tuple[StreamPort, ...], mutated: Mutated):
        self._bits = mutated.bits
        self._offered = {f"{port.name}_t{what}": f"{port.name}_tvalid"
                         for port in ports if not port.is_input for what in ("data", "last")}
        with scratch() as folder:
            (folder / "mutated.il").write_text(mutated.rtlil)
            (folder / "run.ys").write_text("""\
read_rtlil mutated.il
memory_collect
memory_map
techmap
opt_expr
opt_merge
opt_clean
dfflegalize -cell $_DFF_P_ 01
setundef -undriven -init -zero
simplemap
write_blif netlist.blif
""")
            run_script(folder)
            self._netlist = _read((folder / "netlist.blif").read_text())
        self._readers: dict[str, list[str]] = {}
        for net, (read, _) in self._netlist.gates.items():
            for each in read:
                self._readers.setdefault(each, []).append(net)
        for net, (read, _) in self._netlist.latches.items():
            self._readers.setdefault(read, []).append(net)

    def equal(self, fault: Fault, seconds: int) -> bool:
        """Return True for a proof that a fault shows nowhere; each attempt has ``seconds``.

        The first attempt allows any values in registers that the fault cannot reach, a small
        problem. The second models the registers close upstream; the last models all of them.
        """
        return any(_proven(self.miter(fault, steps), seconds) for steps in STEPS)

    def miter(self, fault: Fault, steps: int) -> str:
        """BLIF of both copies and of ``differed``; logic that the fault cannot reach is shared.

        In the shared part, memories have any value in each cycle; so have registers more than
        ``steps`` registers upstream of the fault's reach.
        """
        n = self._netlist
        selected = {f"{SELECTOR}[{bit}]": fault.number >> bit & 1 for bit in range(self._bits)}
        plain, faulty = self._settled(dict.fromkeys(selected, 0)), self._settled(selected)
        reached = {net for net, value in plain.items() if faulty[net] != value}
        waiting = list(reached)
        while waiting:
            for net in self._readers.get(waiting.pop(), ()):
                if net not in reached and net not in plain:
                    reached.add(net)
                    waiting.append(net)
        inputs = [net for net in n.inputs if net not in selected]
        kept: set[str] = set()
        border = reached | set(self._offered.values())
        for _ in range(steps):
            border = {net for net in self._upstream(border)
                      if not (net in reached or net in kept or MEMORY.search(net))}
            if not border:
                break
            kept |= border
        freed = {net for net in n.latches if net not in reached and net not in kept}
        inputs += sorted(freed)
        text = [".model miter", f".inputs {' '.join(inputs)}", ".outputs differed"]

        def twin(net: str) -> str:
            return net + "~" if net in reached else net

        for values, name in ((plain, str), (faulty, twin)):
            text += [line for net, value in values.items() if name is str or net in reached
                     for line in (f".names {name(net)}", *["1"] * value)]
        for net, (read, table) in n.gates.items():
            if net not in plain:
                text += [f".names {' '.join(read)} {net}", *table]
                if net in reached:
                    text += [f".names {' '.join(map(twin, read))} {twin(net)}", *table]
        for net, (read, init) in n.latches.items():
            if net in reached:
                text.append(f".latch {twin(read)} {twin(net)} {init}")
            if net not in freed:
                text.append(f".latch {read} {net} {init}")
        differing = []
        for net in n.outputs:
            if net in reached:
                valid = self._offered.get(net.split("[")[0])
                differing.append(f"{net}~differs")
                text += [f".names {net} {twin(net)} {valid or ''} {differing[-1]}",
                         f"01{'1' * bool(valid)} 1", f"10{'1' * bool(valid)} 1"]
        text.append(f".names {' '.join(differing)} differs")
        text += [f"{'-' * place}1{'-' * (len(differing) - place - 1)} 1"
                 for place in range(len(differing))]
        # At least one register, since ABC refuses a circuit that is not sequential.
        return "\n".join([*text, ".latch differs differed 0", ".end", ""])

    def _upstream(self, nets: set[str]) -> set[str]:
        # Registers that decide, in the same cycle, the values of gates among `nets`, and the next
        # values of registers among them.
        n = self._netlist
        waiting = [n.latches[net][0] if net in n.latches else net for net in nets]
        seen, registers = set(waiting), set()
        while waiting:
            net = waiting.pop()
            if net in n.latches:
                registers.add(net)
                continue
            for each in n.gates[net][0] if net in n.gates else ():
                if each not in seen:
                    seen.add(each)
                    waiting.append(each)
        return registers

    def _settled(self, values: dict[str, int]) -> dict[str, int]:
        # Nets that the selector alone decides.
        values, waiting = dict(values), list(values)
        while waiting:
            for net in self._readers.get(waiting.pop(), ()):
                if net in values or net not in self._netlist.gates:
                    continue
                read, table = self._netlist.gates[net]
                if all(each in values for each in read):
                    bits = "".join(str(values[each]) for each in read)
                    values[net] = int(any(re.fullmatch(row.split()[0].replace("-", "."), bits)
                                          for row in table))
                    waiting.append(net)
        return values


def _read(blif: str) -> _Netlist:
    netlist = _Netlist([], [], {}, {})
    table: list[str] = []
    for line in blif.splitlines():
        words = line.split()
        match words[0] if words else "#":
            case ".inputs":
                netlist.inputs = words[1:]
            case ".outputs":
                netlist.outputs = words[1:]
            case ".names":
                table = []
                netlist.gates[words[-1]] = words[1:-1], table
            case ".latch":
                netlist.latches[words[2]] = words[1], words[-1]
            case ".model" | ".end" | "#":
                pass
            case word if word.startswith("."):
                raise ToolFailed("yosys", f"cannot map {' '.join(words[:2])}")
            case _:
                table.append(line)
    return netlist


def _proven(miter: str, seconds: int) -> bool:
    with scratch() as folder:
        (folder / "miter.blif").write_text(miter)
        done = run_tool("abc", [
            _abc(), "-c", "read_blif miter.blif; strash; scleanup; &get -n; &scorr; &put; "
                          f"print_stats; pdr -T {seconds}"], cwd=folder)
    # If induction alone proves all equal, the search has no registers to start from.
    return bool("Property proved" in done.stdout
                or re.search(r"lat = +0 +and = +0 ", done.stdout))


def _abc() -> Path:
    spec = importlib.util.find_spec("pyosys")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).with_name("yosys-abc")
