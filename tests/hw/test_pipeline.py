# amaranth: UnusedElaboratable=no

import gc

from amaranth.back import rtlil
from amaranth.hdl import Module, Signal, Value, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.pipeline import Pipeline, dry_run
from sim.streams import run


class Stages(wiring.Component):
    """``i`` plus what ``i`` was held as, after a register, three of another's, and another one."""

    def __init__(self):
        super().__init__({"i": In(8), "o": Out(9)})

    def stages(self, m: Module) -> Pipeline:
        other = Pipeline(m, {})
        slow = other.register(self.i, "first")
        for stage in range(3):
            slow = other.register(slow, f"more_{stage}")
        pipe = Pipeline(m, {"held": Value.cast(self.i)}, lambda name, stage: Signal(name=name))
        pipe.register(self.i, "quick")
        pipe.take("unused")
        pipe.advance(other.stage)
        m.d.comb += self.o.eq(pipe.register(slow + pipe.take("held"), "sum", unsigned(9)))
        return pipe

    def elaborate(self, platform):
        m = Module()
        self.stages(m)
        return m


def test_what_is_held_moves_along_with_registers_made_elsewhere(rng):
    dut, values, seen = Stages(), rng.integers(256, size=20).tolist(), []

    async def testbench(ctx):
        for value in values:
            ctx.set(dut.i, value)
            seen.append(ctx.get(dut.o))
            await ctx.tick()

    run(dut, testbench)
    assert seen[5:] == [2 * value for value in values[:-5]]


def test_a_dry_run_counts_stages_and_leaves_nothing():
    dut = Stages()
    before = rtlil.convert(dut)
    pipe = dry_run(dut.stages)
    assert (pipe.stage, pipe.read) == (5, {"unused": 1})
    del pipe
    gc.collect()  # a module that nothing elaborates would warn, and warnings are errors
    assert rtlil.convert(dut) == before
