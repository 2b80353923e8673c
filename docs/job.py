"""Draw ``docs/job.svg``, the timing diagram of one job: ``python docs/job.py``.

A simulation of the tile gives the cycles. ``docs/job.json`` is the source of the diagram, for
WaveDrom.
"""

import json
from pathlib import Path

import numpy as np
import wavedrom
from amaranth.sim import Simulator

from hw import drive
from hw.bus.axi_tile import AxiTile
from hw.tile.config import TileConfig

PLACE = Path(__file__).with_suffix(".svg")
SOURCE = PLACE.with_suffix(".json")
TILE = TileConfig(weights="s8n", activations="s8", output="s8", zero_points="activations", rows=1,
                  cols=1, lanes=2, depth=4, channels=1)
PORTS = ("s_axis_parameters", "s_axis_job", "s_axis_activations", "s_axis_weights", "m_axis_o")
SIGNALS = ("tvalid", "tready", "tdata", "tlast")


def cycles(tile: AxiTile) -> list[dict[str, int]]:
    """Run the job; return the value of every port's signals in each cycle after the reset."""
    parameters = dict(bias=10, multiplier=1 << 30, shift=32, zero_point=3, clamp_min=-128,
                      clamp_max=127)
    [phase] = drive.matmul_phases(TILE, np.array([[1, 2, 3, 4]]), np.array([[5, 6, 7, -8]]),
                                  {name: np.array([value]) for name, value in parameters.items()})
    ports = {f"{port}_{signal}": getattr(tile, f"{port}_{signal}") for port in PORTS
             for signal in SIGNALS if hasattr(tile, f"{port}_{signal}")}
    simulator, shown = Simulator(tile), []
    simulator.add_clock(1e-8)

    def sender(port, beats):
        async def send(ctx):
            await ctx.tick()  # of reset
            for row, last in zip(beats.data, beats.last, strict=True):
                ctx.set(ports[f"{port}_tdata"], int.from_bytes(row.tobytes(), "little"))
                if f"{port}_tlast" in ports:
                    ctx.set(ports[f"{port}_tlast"], int(last))
                ctx.set(ports[f"{port}_tvalid"], 1)
                while not (await ctx.tick().sample(ports[f"{port}_tready"]))[-1]:
                    pass
            ctx.set(ports[f"{port}_tvalid"], 0)

        return send

    async def watch(ctx):
        await ctx.tick()
        ctx.set(tile.aresetn, 1)
        ctx.set(tile.m_axis_o_tready, 1)
        while not shown or not shown[-2:][0]["m_axis_o_tvalid"]:
            _, _, *values = await ctx.tick().sample(*ports.values())
            shown.append(dict(zip(ports, values, strict=True)))

    for port, beats in drive.streams(TILE, [phase]).items():
        simulator.add_testbench(sender(port, beats), background=True)
    simulator.add_testbench(watch)
    simulator.run()
    return shown


def source() -> str:
    """Return the diagram in WaveDrom's JSON, up to the cycle after the result."""
    tile = AxiTile(TILE)
    shown = cycles(tile)
    rows = [{"name": "aclk", "wave": "p" + "." * (len(shown) - 1)}]
    for port in PORTS:
        offered = [each[f"{port}_tvalid"] for each in shown]
        transferred = [each[f"{port}_tvalid"] and each[f"{port}_tready"] for each in shown]
        rows += [{}, [port, *(
            _row(signal, [each[f"{port}_{signal}"] for each in shown], offered, transferred,
                 -(-len(getattr(tile, f"{port}_{signal}")) // 4))
            for signal in SIGNALS if f"{port}_{signal}" in shown[0])]]
    return json.dumps({"signal": rows, "head": {"tick": 0}, "config": {"hscale": 2}}, indent=1)


def _row(signal, values, offered, transferred, digits):
    # While nothing is offered, data and tlast have no meaning; a transfer is a brick.
    states = ["x" if signal in ("tdata", "tlast") and not valid else f"{value:0{digits}x}"
              for value, valid in zip(values, offered, strict=True)]
    wave, data = "", []
    for before, state, moved in zip([None, *states], states, [False, *transferred], strict=False):
        if state == before and not (signal == "tdata" and moved):
            wave += "."
        elif signal == "tdata" and state != "x":
            wave += "="
            data.append(state)
        else:
            wave += state
    return {"name": signal, "wave": wave, **({"data": data} if data else {})}


def drawing(text: str) -> str:
    """Return the picture of a source as SVG."""
    return wavedrom.render(text).tostring() + "\n"


if __name__ == "__main__":
    SOURCE.write_text(source() + "\n")
    PLACE.write_text(drawing(SOURCE.read_text()))
