# amaranth: UnusedElaboratable=no

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.contracts import parse as contract
from golden.formats import parse
from hw.bus.axi_tile import AxiTile
from hw.emit import verilog
from hw.shared import Emission, Shared
from hw.tile.config import TileConfig
from sim.streams import run

ROOT = Path(__file__).parents[2]


def tile(name="half_up", zero_points="none", **shape):
    return TileConfig(weights=parse("s3"), activations=parse("u4"),
                      output=None if name == "none" else parse("s4"), contract=contract(name),
                      zero_points=zero_points, **shape)


CONFIGS = {
    "plain": tile(rows=2, cols=2, lanes=2, depth=8, channels=4),
    "outputs": tile(rows=2, cols=4, lanes=5, depth=40, channels=4, outputs=4),
    "both": tile("tflite", "both", rows=2, cols=3, lanes=5, depth=20, channels=6, outputs=3),
    "none": tile("none", rows=1, cols=1, lanes=1, depth=1, channels=1),
}


@pytest.fixture(scope="module")
def texts():
    return {key: verilog(AxiTile(config), "mac") for key, config in CONFIGS.items()}


def modules(text):
    """Body of each module by name."""
    parts = re.findall(r"(?ms)^module (\w+)\(.*?^endmodule", text)
    bodies = re.findall(r"(?ms)^module \w+\(.*?^endmodule", text)
    assert len(parts) == len(set(parts)) == text.count("endmodule")
    return dict(zip(parts, bodies, strict=True))


def instances(body, names):
    """Module and connections, ``{port: expression}``, of each instance."""
    found = []
    for name, _, pins in re.findall(r"(?ms)^  (\w+) (\w+) \(\n(.*?)^  \);", body):
        if name in names:
            found.append((name, dict(re.findall(r"\.(\w+)\(([^\n]*)\),?\n", pins))))
    return found


def count(text, name):
    return sum(instance == name for body in modules(text).values()
               for instance, _ in instances(body, modules(text)))


def test_alike_components_share_a_module(texts):
    for key, config in CONFIGS.items():
        text = texts[key]
        assert count(text, "mac_dot_product") == config.rows * config.cols
        assert count(text, "mac_requantizer") == config.outputs
        kinds = [name for name in modules(text) if re.search(r"dot_product|requantizer", name)
                 and not name.endswith("grid")]
        assert kinds == ["mac_dot_product", "mac_requantizer"]


def test_different_ones_do_not(texts):
    # Sums of products and sums of activations have trees and parts of their own.
    both = modules(texts["both"])
    assert {"mac_sum_tree", "mac_sum_tree_2", "mac_part", "mac_part_2"} <= set(both)
    assert count(texts["both"], "mac_vector_sum") == 2
    plain = modules(texts["plain"])
    assert not [name for name in plain if name.endswith("_2")]


def test_hierarchy_is_named_after_the_design(texts):
    for text in texts.values():
        names = list(modules(text))
        assert names[0] == "mac"
        assert all(name == "mac" or name.startswith("mac_") for name in names)
        assert {"mac_mac_tile", "mac_mac_array", "mac_part", "mac_parameter_store",
                "mac_requantizer"} <= set(names)
        used = {name for body in modules(text).values() for name, _ in instances(body, names)}
        assert used == set(names) - {"mac"}


def test_identifiers_are_plain(texts):
    for text in texts.values():
        # Escaped are intermediate values of expressions, \$12, and second signals of a name,
        # \i$12; but no fields and elements of payloads.
        assert re.findall(r"\\[^$\s][^.\[\s]*[.\[]\S*", text) == []
        assert not re.search(r"^ *wire \[-", text, re.MULTILINE)  # nor wires of no bits
        assert not re.search(r"^\(\*", text, re.MULTILINE)  # nor attributes


def test_every_instance_of_a_clocked_module_is_clocked(texts):
    for text in texts.values():
        bodies = modules(text)
        clocked = 0
        for name, body in bodies.items():
            assert ("posedge clk" not in body) or re.search(r"^  input clk;", body, re.MULTILINE)
            for module, pins in instances(body, bodies):
                for port in ("clk", "rst"):
                    needed = re.search(rf"^  input {port};", bodies[module], re.MULTILINE)
                    assert (port in pins) == bool(needed), (name, module, port)
                    if not needed:
                        continue
                    clocked += port == "clk"
                    if name == "mac":
                        want = {"clk": "aclk", "rst": r"\w+"}[port]
                        assert re.fullmatch(want, pins[port]), (name, module, pins)
                    else:
                        assert pins[port] == port, (name, module, pins)
        assert clocked > 5


def test_every_input_of_an_instance_is_connected(texts):
    for text in texts.values():
        bodies = modules(text)
        for name, body in bodies.items():
            for module, pins in instances(body, bodies):
                inputs = re.findall(r"^  input (?:signed )?(?:\[\d+:0\] )?(\w+);", bodies[module],
                                    re.MULTILINE)
                assert inputs
                assert all(pins.get(port) for port in inputs), (name, module)


def test_text_is_the_same_in_any_run(texts):
    again = {key: verilog(AxiTile(config), "mac") for key, config in CONFIGS.items()}
    assert again == texts


@pytest.mark.parametrize("seed", ["0", "1"])
def test_text_is_the_same_under_any_hash_seed(texts, seed):
    program = ("from golden.contracts import parse as contract\n"
               "from golden.formats import parse\n"
               "from hw.bus.axi_tile import AxiTile\n"
               "from hw.tile.config import TileConfig\n"
               "from hw.emit import verilog\n"
               "print(verilog(AxiTile(TileConfig(weights=parse('s3'), activations=parse('u4'), "
               "output=parse('s4'), contract=contract('tflite'), zero_points='both', "
               "rows=2, cols=3, lanes=5, depth=20, channels=6, outputs=3)), 'mac'), end='')")
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                          check=True, cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": seed,
                                                                 "PYTHONPATH": str(ROOT)})
    assert done.stdout == texts["both"]


class Increment(Shared):
    """Combinational: no clock, no reset."""

    def __init__(self, *, step, record=None):
        self.step = step
        self.record = record
        super().__init__({"i": In(8), "o": Out(8)})

    def body(self, platform):
        m = Module()
        m.d.comb += self.o.eq(self.i + self.step)
        return m


class Counter(Shared):
    """Made of a shared part, and clocked through it and by itself."""

    def __init__(self, *, step, reset_less=False):
        self.step = step
        self.reset_less = reset_less
        super().__init__({"o": Out(8)})

    def body(self, platform):
        m = Module()
        value = Signal(8, reset_less=self.reset_less)
        m.submodules.increment = increment = Increment(step=self.step)
        m.d.comb += [increment.i.eq(value), self.o.eq(value)]
        m.d.sync += value.eq(increment.o)
        return m


class Top(wiring.Component):
    def __init__(self, *parts):
        self.parts = parts
        super().__init__({f"o_{k}": Out(8) for k in range(len(parts))})

    def elaborate(self, platform):
        m = Module()
        for k, part in enumerate(self.parts):
            m.submodules[f"part_{k}"] = part
            m.d.comb += getattr(self, f"o_{k}").eq(part.o)
        return m


def rtlil_modules(text):
    return re.findall(r"^module \\(\S+)$", text, re.MULTILINE)


def cells(text):
    return re.findall(r"^\s*cell \\(\S+) \\(\S+)$", text, re.MULTILINE)


def test_parts_are_shared_across_the_hierarchy():
    text = Emission("t").rtlil(Top(Counter(step=1), Counter(step=1), Increment(step=1),
                                   Counter(step=2), Counter(step=1, reset_less=True)))
    assert sorted(rtlil_modules(text)) == sorted(
        ["t", "t_counter", "t_counter_2", "t_counter_3", "t_increment", "t_increment_2"])
    assert sorted(cells(text)) == sorted([
        ("t_counter", "part_0"), ("t_counter", "part_1"), ("t_increment", "part_2"),
        ("t_counter_2", "part_3"), ("t_counter_3", "part_4"),
        ("t_increment", "increment"), ("t_increment_2", "increment"),
        ("t_increment", "increment")])


def test_clock_and_reset_only_where_there_are_registers():
    def ports_of(text, module):
        body = re.search(rf"(?ms)^module \\{module}$.*?^end$", text)[0]
        return set(re.findall(r" input \d+ +\\(\w+)$", body, re.MULTILINE))

    text = Emission("t").rtlil(Top(Counter(step=1), Increment(step=1)))
    assert ports_of(text, "t_counter") == {"clk", "rst"}
    assert ports_of(text, "t_increment") == {"i"}
    assert ports_of(text, "t") == {"clk", "rst"}


def test_a_shared_top_is_emitted_itself():
    assert rtlil_modules(Emission("t").rtlil(Counter(step=3))) == ["t", "t_increment"]
    assert Emission("t").rtlil(Counter(step=3)) == Emission("t").rtlil(Counter(step=3))


def test_keys():
    keys = [Increment(step=1), Increment(step=2), Increment(step=1, record={"a": 1, "b": 2}),
            Increment(step=1, record={"b": 2, "a": 1}), Increment(step=1, record={"a": 1, "b": 3}),
            Counter(step=1), Counter(step=1, reset_less=True)]
    assert len({each.shared_key for each in keys}) == len(keys)
    assert Increment(step=1, record={"a": 1}).shared_key == Increment(
        step=1, record={"a": 1}).shared_key


def test_simulated_as_it_is():
    top = Top(Counter(step=1), Counter(step=3))
    seen = []

    async def testbench(ctx):
        for _ in range(4):
            seen.append((ctx.get(top.o_0), ctx.get(top.o_1)))
            await ctx.tick()

    run(top, testbench)
    assert seen == [(0, 0), (1, 3), (2, 6), (3, 9)]
