"""Drivers, monitors and meters for ``amaranth.lib.stream`` interfaces, to test components.

A payload may be of any shape and width. The ``ready`` (``valid``) of a stream that is
``always_ready`` (``always_valid``) is the constant 1; drivers cannot stall there.

Waits are written as loops of single ticks: Amaranth 0.5 reports an unrelated error on abandoning
a ``tick().until()`` or ``tick().repeat()``, which would bury the failure that ended a simulation.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from fractions import Fraction
from typing import Any

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import stream
from amaranth.sim import Simulator

__all__ = ["transfer", "put_all", "get_all", "hold_monitor", "run", "transform",
           "measure_latency", "measure_throughput"]

PERIOD = 1e-6


async def transfer(ctx, stream: stream.Interface) -> Any:
    """Wait until a payload is transferred, and return it."""
    while True:
        _, _, valid, ready, payload = await ctx.tick().sample(
            stream.valid, stream.ready, stream.payload)
        if valid and ready:
            return payload


async def put_all(ctx, stream: stream.Interface, payloads: Iterable, *,
                  stall: Callable[[], bool] | None = None):
    """Send ``payloads`` in order, staying idle for each cycle in which ``stall()``.

    An idle stream carries ones, to reveal a component that reads it regardless.
    """
    _check_stall(stall, stream.signature.always_valid, "valid")
    for payload in payloads:
        while stall and stall():
            _idle(ctx, stream)
            await ctx.tick()
        # Numpy's integers and arrays are not accepted by the simulator.
        ctx.set(stream.payload, payload.tolist() if hasattr(payload, "tolist") else payload)
        if not stream.signature.always_valid:
            ctx.set(stream.valid, 1)
        await transfer(ctx, stream)
    _idle(ctx, stream)


async def get_all(ctx, stream: stream.Interface, count: int, *,
                  stall: Callable[[], bool] | None = None) -> list:
    """Receive ``count`` payloads, refusing them for each cycle in which ``stall()``."""
    _check_stall(stall, stream.signature.always_ready, "ready")

    def ready(value):
        if not stream.signature.always_ready:
            ctx.set(stream.ready, value)

    payloads = []
    for _ in range(count):
        while stall and stall():
            ready(0)
            await ctx.tick()
        ready(1)
        payloads.append(await transfer(ctx, stream))
    ready(0)
    return payloads


def hold_monitor(stream: stream.Interface) -> Callable:
    """Process that fails if an offered payload changes or is withdrawn before its transfer."""
    async def monitor(ctx):
        offered = None
        async for _, _, valid, ready, payload in ctx.tick().sample(
                stream.valid, stream.ready, stream.payload):
            if offered is not None and not (valid and payload == offered):
                raise AssertionError(f"Payload {offered!r} became {payload!r} (valid={valid}) "
                                     "before its transfer")
            offered = payload if valid and not ready else None
    return monitor


def run(dut: Any, *testbenches: Callable, monitors: Sequence[Callable] = (),
        max_cycles: int = 100_000, vcd: str | None = None):
    """Simulate until every testbench returns; fail, rather than hang, after ``max_cycles``.

    Parameters
    ----------
    dut : component
        Component clocked by the domain ``sync``; it may have no registers.
    testbenches, monitors : async functions
        Functions for the simulator's ``add_testbench`` and ``add_process``.
    max_cycles : int
    vcd : str or None
        File for waves.

    Raises
    ------
    TimeoutError
        If the testbenches do not return within ``max_cycles``.
    """
    # This register makes the clock that drivers need, if the component has no registers.
    top = Module()
    beat = Signal()
    top.d.sync += beat.eq(~beat)
    top.submodules.dut = dut
    simulator = Simulator(top)
    simulator.add_clock(PERIOD)
    for testbench in testbenches:
        simulator.add_testbench(_begun(testbench))
    for monitor in monitors:
        simulator.add_process(monitor)
    with nullcontext() if vcd is None else simulator.write_vcd(vcd):
        # Two time steps a cycle.
        for _ in range(2 * max_cycles):
            if not simulator.advance():
                return
    raise TimeoutError(f"Simulation did not finish in {max_cycles} cycles")


def transform(dut: Any, payloads: Iterable, count: int, *,
              stall_i: Callable[[], bool] | None = None,
              stall_o: Callable[[], bool] | None = None, **kwargs) -> list:
    """Push ``payloads`` through ``dut.i`` and return ``count`` payloads from ``dut.o``.

    Payloads on ``dut.o`` must hold until their transfer. Other arguments are those of `run`.
    """
    received = []

    async def source(ctx):
        await put_all(ctx, dut.i, payloads, stall=stall_i)

    async def sink(ctx):
        received.extend(await get_all(ctx, dut.o, count, stall=stall_o))

    run(dut, sink, source, monitors=[hold_monitor(dut.o)], **kwargs)
    return received


def measure_latency(dut: Any, payload: Any) -> int:
    """Cycles from the transfer of ``payload`` on ``dut.i`` to the first with ``dut.o`` valid.

    The latency of a combinational path is zero; ``dut.o`` is ready all the time.
    """
    cycles = 0

    async def source(ctx):
        await put_all(ctx, dut.i, [payload])

    async def meter(ctx):
        nonlocal cycles
        _take_all(ctx, dut.o)
        started = False
        while True:
            _, _, transferred, valid = await ctx.tick().sample(
                dut.i.valid & dut.i.ready, dut.o.valid)
            started = started or transferred
            if started and valid:
                return
            cycles += started

    run(dut, source, meter, max_cycles=1000)
    return cycles


def measure_throughput(dut: Any, payloads: Sequence, count: int) -> Fraction:
    """Transfers per cycle on ``dut.o``, from the first to the last of ``count``, unstalled."""
    cycles: list[int] = []

    async def source(ctx):
        await put_all(ctx, dut.i, payloads)

    async def meter(ctx):
        _take_all(ctx, dut.o)
        cycle = 0
        while len(cycles) < count:
            _, _, valid = await ctx.tick().sample(dut.o.valid)
            if valid:
                cycles.append(cycle)
            cycle += 1

    run(dut, source, meter)
    return Fraction(count - 1, cycles[-1] - cycles[0])


def _begun(testbench: Callable) -> Callable:
    # All testbenches begin before one of them can fail: Python would complain of those that never
    # began, in a later test.
    async def begun(ctx):
        await ctx.delay(0)
        await testbench(ctx)
    return begun


def _check_stall(stall, constant: bool, name: str):
    if stall is not None and constant:
        raise ValueError(f"Stall must be None where the stream is always {name}")


def _take_all(ctx, stream: stream.Interface):
    if not stream.signature.always_ready:
        ctx.set(stream.ready, 1)


def _idle(ctx, stream: stream.Interface):
    if not stream.signature.always_valid:
        ctx.set(stream.valid, 0)
        ctx.set(Value.cast(stream.payload), -1)
