# amaranth: UnusedElaboratable=no
"""Products of any widths, of each fabric and number of DSPs, in both simulators."""

from dataclasses import replace
from functools import cached_property

import numpy as np
import pytest
from amaranth.hdl import Module, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from golden.formats import IntFormat
from golden.ranges import levels_range
from hw.delay import delay
from hw.emit import modules
from hw.formats import shape_of
from hw.pipeline import Pipeline, dry_run, product_sizes
from hw.targets.dsp import Multiplier
from hw.targets.ecp5_fabric import ECP5Fabric
from hw.targets.fabric import ECP5, GENERIC, Extra, Fabric
from sim.verilator import available
from tests.hw.piped import results_of

needs_verilator = pytest.mark.skipif(available() is not None, reason=str(available()))


def parse(name):
    """Integers of any width: ``s33``."""
    return IntFormat(int(name[1:]), signed=name[0] == "s")


class Product(wiring.Component):
    """Product of two numbers."""

    i: stream.Interface
    o: stream.Interface

    def __init__(self, a, b, fabric, **more):
        self.a, self.b, self.fabric = parse(a), parse(b), fabric
        self.fmt = (levels_range(self.a) * levels_range(self.b)).format
        self.operands = data.StructLayout({"a": shape_of(self.a), "b": shape_of(self.b), **more})
        super().__init__({
            "i": In(stream.Signature(self.operands, always_ready=True)),
            "o": Out(stream.Signature(shape_of(self.fmt), always_ready=True))})

    def product(self, m: Module) -> tuple[Pipeline, Value]:
        pipe = Pipeline(m, {}, fabric=self.fabric, sizes=product_sizes(
            lambda m, fabric: self._product(Pipeline(m, {}, fabric=fabric))[0], self.fabric))
        return self._product(pipe)

    def _product(self, pipe: Pipeline) -> tuple[Pipeline, Value]:
        return pipe, pipe.multiply(self.i.p["a"], self.i.p["b"], "product")

    @cached_property
    def latency(self):
        return dry_run(self.product)[0].stage

    def elaborate(self, platform):
        m = Module()
        pipe, product = self.product(m)
        m.d.comb += [self.o.payload.eq(product), self.o.valid.eq(
            delay(m, self.i.valid, pipe.stage, "valid", reset_less=False))]
        return m

    def rows(self, rng, count):
        """Every pair of the ends of each factor and its parts, and random ones."""
        ends = []
        for fmt in (self.a, self.b):
            near = {fmt.min, fmt.max, 0, 1, -1, *(
                sign * (1 << cut) + step for cut in (16, 17, 18, 33, 34, 35)
                for sign in (-1, 1) for step in (-1, 0, 1))}
            ends.append([each for each in near if fmt.contains(each)])
        rows = [(a, b) for a in ends[0] for b in ends[1]]
        rows += [tuple(int(rng.integers(fmt.min, fmt.max, endpoint=True)) >> int(
            rng.integers(fmt.bits)) for fmt in (self.a, self.b)) for _ in range(count)]
        rng.shuffle(rows)
        return [tuple(map(int, row)) for row in rows]

    def check(self, rows, simulator):
        payloads = [self.operands.const({"a": a, "b": b}).as_value().value for a, b in rows]
        got = results_of(self, payloads, simulator)
        want = self.fmt.encode(np.array([a * b for a, b in rows], object))
        np.testing.assert_array_equal(got, want.tolist())


WIDTHS = {("s33", "u31"): 3, ("s18", "u31"): 2, ("s48", "u15"): 2, ("s44", "s33"): 3,
          ("u25", "u24"): 3, ("s5", "u3"): 1, ("u18", "u18"): 1, ("s9", "s9"): 1, ("s40", "u1"): 2,
          ("u18", "s18"): 2, ("s60", "s18"): 3, ("u54", "u36"): 4}
"""Widths of factors, and registers of their product on any fabric."""


@pytest.mark.parametrize("a, b", WIDTHS, ids="-".join)
@pytest.mark.parametrize("fabric", [GENERIC, ECP5], ids=lambda fabric: fabric.name)
def test_products_are_exact(rng, a, b, fabric):
    dut = Product(a, b, fabric)
    # A DSP has one more for its operands; a product of a few bits has none.
    assert dut.latency == WIDTHS[a, b] + (fabric is ECP5 and (a, b) != ("s5", "u3"))
    rows = dut.rows(rng, 100)
    dut.check(rows[:300], "amaranth")


class Rounded(Product):
    """``a * b + 2**place * (bit - 2 * (bit and a < 0))``, as double rounding has it."""

    def __init__(self, a, b, fabric, place=30):
        super().__init__(a, b, fabric, bit=1)
        self.place = place

    def product(self, m: Module) -> tuple[Pipeline, Value]:
        pipe = Pipeline(m, {}, fabric=self.fabric)
        a, bit = self.i.p["a"], self.i.p["bit"]
        return pipe, pipe.multiply_add(a, self.i.p["b"], [
            Extra(self.place, bit), Extra(self.place + 1, bit & (a < 0), negative=True)], "product")

    def check(self, rows, simulator):
        payloads, want = [], []
        for place, (a, b) in enumerate(rows):
            bit = place % 3 > 0
            total = a * b + bit * (1 << self.place) * (-1 if a < 0 else 1)
            if self.fmt.contains(total):
                payloads.append(self.operands.const({"a": a, "b": b, "bit": bit}).as_value().value)
                want.append(total)
        got = results_of(self, payloads, simulator)
        np.testing.assert_array_equal(got, self.fmt.encode(np.array(want, object)).tolist())


@pytest.mark.parametrize("fabric, more", [(GENERIC, 1), (ECP5, 0)], ids=["generic", "ecp5"])
@pytest.mark.parametrize("a, b, registers", [
    ("s32", "u31", 3), ("s18", "u31", 2), ("s14", "u31", 2), ("s19", "u31", 3)])
@pytest.mark.thinned(2)
def test_products_and_bits_are_exact(rng, a, b, registers, fabric, more):
    dut = Rounded(a, b, fabric)
    assert dut.latency == registers + more + (fabric is ECP5)
    dut.check(dut.rows(rng, 100)[:300], "amaranth")


@pytest.mark.parametrize("a, b, place, dsp", [
    ("s13", "u31", 30, None), ("s44", "s33", 30, None), ("s24", "u10", 20, None),
    ("s9", "u9", 4, None), ("s20", "u19", 18, 2), ("s20", "u19", 18, 0), ("s20", "u19", 17, None)])
@pytest.mark.thinned(2)
def test_bits_that_cost_an_adder_are_exact(rng, a, b, place, dsp):
    dut = Rounded(a, b, replace(ECP5, dsp=dsp), place)
    dut.check(dut.rows(rng, 60)[:160], "amaranth")


@needs_verilator
@pytest.mark.parametrize("a", ["s32", "s18"])
def test_products_and_bits_are_exact_in_their_verilog(rng, a):
    dut = Rounded(a, "u31", ECP5)
    dut.check(dut.rows(rng, 3000), "verilator")


@needs_verilator
@pytest.mark.parametrize("a, b, dsp", [
    ("s33", "u31", None), ("s33", "u31", 3), ("s20", "s19", 1), ("s20", "s19", 0),
    pytest.param("s33", "u31", 0, marks=pytest.mark.slow), ("s40", "u1", 0), ("u9", "u9", None)])
@pytest.mark.thinned(3)
def test_products_are_exact_in_their_verilog(rng, a, b, dsp):
    dut = Product(a, b, replace(ECP5, dsp=dsp))
    dut.check(dut.rows(rng, 3000), "verilator")


@pytest.mark.parametrize("dsp, used", [(None, 4), (7, 4), (2, 2), (0, 0)])
def test_a_product_takes_the_dsps_that_there_are(dsp, used):
    dut = Product("s24", "s23", replace(ECP5, dsp=dsp))
    text = modules(dut, "product")
    names = [line.split()[1].split("(")[0] for line in text.splitlines()
             if line.startswith("module product_multiplier")]
    assert sum(text.count(f"  {name} ") for name in names) == used


def test_the_largest_products_of_a_pipeline_take_the_dsps():
    """Whatever their order."""
    factors = [Product("s24", "s23", ECP5), Product("s9", "s8", ECP5), Product("s18", "s18", ECP5)]

    def part(m: Module, fabric: Fabric) -> Pipeline:
        pipe = Pipeline(m, {}, fabric=fabric, sizes=product_sizes(part, fabric))
        for place, each in enumerate(factors):
            pipe.multiply(each.i.p["a"], each.i.p["b"], f"product_{place}")
        assert pipe.dsp in (None, [])
        return pipe

    sizes = product_sizes(part, replace(ECP5, dsp=1))
    assert len(sizes) == 6 and 9 * 8 in sizes and max(sizes) == 18 * 18
    for dsp in range(7):
        found = part(Module(), replace(ECP5, dsp=dsp)).multipliers
        assert sorted(found) == sorted(sizes)[6 - dsp:]


@pytest.mark.parametrize("fabric, dsp, must", [
    (GENERIC, 0, "left out for fabric generic"),
    (ECP5, -1, "a number of at least 0 for fabric ecp5")])
def test_dsps_are_refused(fabric: Fabric, dsp, must):
    with pytest.raises(ValueError, match=f"^DSPs must be {must}, not {dsp}$"):
        replace(fabric, dsp=dsp)


def test_wide_operands_are_refused():
    with pytest.raises(ValueError, match="^Operands must have at most 18 bits, not 19$"):
        Multiplier(one=parse("s18"), other=parse("u19"), pipelined=False)


@needs_verilator
@pytest.mark.parametrize("right, wrong", [
    ("{SIGNEDB & B17", "{SIGNEDA & B17"),
    ('REG_INPUTA_CLK == "NONE" ? operand_a', 'REG_INPUTA_CLK != "NONE" ? operand_a'),
    ('REG_PIPELINE_CLK == "NONE" ? product', 'REG_PIPELINE_CLK != "NONE" ? product')])
def test_a_wrong_model_is_seen(rng, monkeypatch, right, wrong):
    """What the simulators agree on is the function of the cell that has been written down."""
    models = ECP5.models
    assert models is not None and models.count(right) == 1
    monkeypatch.setattr(ECP5Fabric, "models", models.replace(right, wrong))
    dut = Product("s24", "s23", ECP5)
    with pytest.raises(AssertionError):
        dut.check(dut.rows(rng, 20), "verilator")
