# amaranth: UnusedElaboratable=no
"""Resets of components that never stall, with something under way."""

from amaranth.hdl import ResetInserter, Signal

from sim.streams import run


def valid_after_reset(dut, payloads):
    """Whether ``dut.o`` is valid, cycle by cycle from a reset behind these payloads on."""
    reset, seen = Signal(), []

    async def testbench(ctx):
        ctx.set(dut.i.valid, 1)
        for payload in payloads:
            ctx.set(dut.i.payload, payload)
            await ctx.tick()
        ctx.set(dut.i.valid, 0)
        ctx.set(reset, 1)
        await ctx.tick()
        ctx.set(reset, 0)
        for _ in range(2 * dut.latency):
            seen.append(ctx.get(dut.o.valid))
            await ctx.tick()

    run(ResetInserter(reset)(dut), testbench)
    return seen
