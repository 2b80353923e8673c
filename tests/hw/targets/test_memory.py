# amaranth: UnusedElaboratable=no
"""Memories of each fabric, in both simulators."""

import pytest
from amaranth.hdl import Module
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.delay import delay
from hw.emit import modules
from hw.targets.ecp5_fabric import ECP5Fabric
from hw.targets.fabric import ECP5, GENERIC, READ, Write
from hw.targets.memory import BlockRam
from sim.verilator import available
from tests.hw.piped import results_of

needs_verilator = pytest.mark.skipif(available() is not None, reason=str(available()))


class Traffic(wiring.Component):
    """Writes and reads of a memory, one of each in a cycle."""

    latency = READ

    i: stream.Interface
    o: stream.Interface

    def __init__(self, fabric, width, depth):
        self.fabric, self.width, self.depth = fabric, width, depth
        self.layout = data.StructLayout({
            "valid": 1, "place": range(depth), "data": width, "address": range(depth)})
        super().__init__({"i": In(stream.Signature(self.layout, always_ready=True)),
                          "o": Out(stream.Signature(width, always_ready=True))})

    def elaborate(self, platform):
        m = Module()
        write = Write(self.i.p.valid & self.i.valid, self.i.p.place, self.i.p.data)
        m.d.comb += [
            self.o.payload.eq(self.fabric.memory(
                m, "memory", write, self.i.p.address, width=self.width, depth=self.depth)),
            self.o.valid.eq(delay(m, self.i.valid, READ, "valid", reset_less=False)),
        ]
        return m

    def check(self, rng, simulator):
        """Each word is written first; no word is read in the cycle of its write."""
        words, payloads, want = [0] * self.depth, [], []
        for cycle in range(4 * self.depth):
            first = cycle < self.depth
            place = cycle if first else int(rng.integers(self.depth))
            address = int(rng.integers(cycle or 1 if first else self.depth))
            known = cycle > 0 and (not first or address < cycle)
            valid = first or bool(rng.random() < 0.5)
            if place == address and valid:
                address = (address + 1) % self.depth
                known = known and not first
            value = int.from_bytes(rng.bytes(8), "little") % (1 << self.width)
            payloads.append(self.layout.const({
                "valid": valid, "place": place, "data": value, "address": address,
                }).as_value().value)
            want.append(words[address] if known else None)
            if valid:
                words[place] = value
        got = results_of(self, payloads, simulator)
        assert [g for g, w in zip(got, want, strict=True) if w is not None] == [
            w for w in want if w is not None]


SIZES = [(32, 512), (12, 128), (36, 200), (5, 20), (9, 600)]


@pytest.mark.parametrize("fabric", [GENERIC, ECP5], ids=lambda fabric: fabric.name)
@pytest.mark.parametrize("width, depth", SIZES)
def test_what_is_written_is_read(rng, fabric, width, depth):
    Traffic(fabric, width, depth).check(rng, "amaranth")


@needs_verilator
@pytest.mark.parametrize("width, depth", SIZES)
@pytest.mark.thinned(2)
def test_what_is_written_is_read_in_verilog(rng, width, depth):
    Traffic(ECP5, width, depth).check(rng, "verilator")


@needs_verilator
@pytest.mark.parametrize("right, wrong", [
    ("register <= read;", "register <= memory[address_b];"),
    ("if (WEA & ADA2)", "if (WEA & ~ADA2)"),
    ("ADB7, ADB6, ADB5}", "ADB7, ADB5, ADB6}")])
def test_a_wrong_model_is_seen(rng, monkeypatch, right, wrong):
    models = ECP5.models
    assert models is not None and models.count(right) == 1
    monkeypatch.setattr(ECP5Fabric, "models", models.replace(right, wrong))
    with pytest.raises(AssertionError):
        Traffic(ECP5, 32, 512).check(rng, "verilator")


@pytest.mark.parametrize("width, depth", SIZES)
def test_which_memories_are_block_ram(width, depth):
    text = modules(Traffic(ECP5, width, depth), "a")
    assert text.count("DP16KD") == (128 <= depth <= 512)


@pytest.mark.parametrize("name, width, depth, range_", [
    ("Width", 0, 512, "[1, 36], not 0"), ("Width", 37, 512, "[1, 36], not 37"),
    ("Depth", 8, 127, "[128, 512], not 127"), ("Depth", 8, 513, "[128, 512], not 513")])
def test_other_sizes_are_refused(name, width, depth, range_):
    with pytest.raises(ValueError) as caught:
        BlockRam(width=width, depth=depth)
    assert str(caught.value) == f"{name} must be in range {range_}"
