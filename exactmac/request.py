"""Requests for a run of :mod:`exactmac.build`, and their checks."""

import argparse
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exactmac.files import saved_of
from exactmac.networks.choice import SHAPE, Choice, choice_of
from exactmac.options import area_of, choices_of, config_of, of_tile, option
from hw.emit import check_clocking, check_name
from hw.flow.mapping import TARGETS, Target
from hw.flow.nextpnr import SEEDS, check_options
from hw.targets.fabric import GENERIC
from hw.tile.config import TileConfig
from hw.tile.ports import Clocking

__all__ = ["Request", "request_of"]


@dataclass(frozen=True)
class Request:
    """Request for a run of :mod:`exactmac.build`.

    Parameters
    ----------
    config : TileConfig
        Tile to emit.
    name : str
        Name of the module and its files.
    out : Path
        Parent of the tile's folder.
    clocking : Clocking
        Names of the module's clock and reset.
    areas : tuple of Target
        Targets for which to estimate area; with ``dsp`` 0, those of
        :meth:`~hw.flow.mapping.Target.without_dsp`.
    dsp : int or None
        Most DSPs on a target: 0, or None for as many as Yosys takes.
    area_only : bool
        Report area alone, and write no files.
    verify, require_verilog : bool
        Simulate; fail if the Verilog cannot be simulated.
    netlist, pnr, vcd, plot : bool
        Write and simulate netlists; place and route; write waves; draw the area.
    placing : mapping of str to str, int or float
        Options for :func:`~hw.flow.nextpnr.place`, without defaults and seed.
    seeds : tuple of int
        Seeds to place with.
    command : str
        Command line, for the manifest.
    model : Choice or None
        Model whose layers decided the tile.
    """

    config: TileConfig
    name: str
    out: Path
    clocking: Clocking
    areas: tuple[Target, ...]
    dsp: int | None
    area_only: bool
    verify: bool
    require_verilog: bool
    netlist: bool
    pnr: bool
    vcd: bool
    plot: bool
    placing: Mapping[str, Any]
    seeds: tuple[int, ...]
    command: str
    model: Choice | None = None


def request_of(args: argparse.Namespace, argv: list[str]) -> Request:
    """Return the request of a command line; raise ``ValueError`` if options contradict."""
    if args.out == "":
        raise ValueError("Out must name a folder, not ''")
    model, tile = None, of_tile(args)
    if args.model is not None:
        for name, value in choices_of(tile).items():
            if name not in (*SHAPE, "contract"):
                raise ValueError(f"{option(name)} must be left out for {args.model}, which decides "
                                 f"it, not {value}")
        if args.config is not None:
            raise ValueError(f"Config must be left out for {args.model}, not {args.config!r}")
        model = choice_of(tile)
        config, saved = model.config, Clocking()
    elif args.runtime is not None:
        raise ValueError(f"Runtime must be left out without a MODEL, not {args.runtime}")
    elif args.config is None:
        config, saved = config_of(tile), Clocking()
    else:
        for name, value in choices_of(tile).items():
            given = option(name) if value is True else f"{option(name)} {value}"
            raise ValueError(f"Config must be left out for {given}, not {args.config!r}")
        config, saved = saved_of(args.config)
        if args.dsp is not None and config.fabric.most_dsp:
            raise ValueError(f"Config must be left out for --dsp {args.dsp}, not {args.config!r}")
    if args.area is not None and args.no_area:
        raise ValueError(f"Area must not be off (--no-area) for --area {args.area!r}")
    names = ((list(TARGETS) if config.fabric is GENERIC else [config.target])
             if args.area is None else args.area.split(","))
    areas = () if args.no_area else tuple(
        area_of(name, config.target) for name in dict.fromkeys(names))
    if args.dsp is not None and not config.fabric.most_dsp:
        if args.dsp:
            raise ValueError(f"Dsp must be 0 or left out for target {config.target}, "
                             f"not {args.dsp}")
        if not areas:
            raise ValueError("Area must be at least one target for --dsp, not none")
        areas = tuple(each.without_dsp() for each in areas)
    if args.area_only:
        others = ("no_area", "netlist", "vcd", "plot", "require_verilog")
        if unfit := [each for each in others if getattr(args, each)]:
            raise ValueError("Area only (--area-only) must be off for --"
                             f"{unfit[0].replace('_', '-')}, not on")
        if args.out is not None:
            raise ValueError(f"Out must be left out for --area-only, not {args.out!r}")
    if args.pnr and not any(each.name == "ecp5" for each in areas):
        raise ValueError("Area must include ecp5 for --pnr, not "
                         f"{','.join(each.name for each in areas) or 'none'}")
    placing = {name: value for name in ("device", "speed", "seed", "frequency")
               if (value := getattr(args, name)) is not None}
    if placing and not args.pnr:
        name, value = next(iter(placing.items()))
        raise ValueError(f"Pnr (--pnr) must be on for --{name} {value}, not off")
    check_options(**placing)
    seed = placing.pop("seed", None)
    if args.netlist and not areas:
        raise ValueError("Area must be at least one target for --netlist, not none")
    if args.plot and not areas:
        raise ValueError("Area must be at least one target for --plot, not none")
    if args.no_verify and args.require_verilog:
        raise ValueError("Verification must not be off (--no-verify) for --require-verilog")
    return Request(
        config=config, name=check_name(config.name if args.name is None else args.name),
        out=Path(args.out or "build"),
        clocking=check_clocking(Clocking(
            saved.clock if args.clock_name is None else args.clock_name,
            saved.reset if args.reset_name is None else args.reset_name)), areas=areas,
        dsp=args.dsp, area_only=args.area_only, verify=not (args.no_verify or args.area_only),
        require_verilog=args.require_verilog, netlist=args.netlist, pnr=args.pnr, vcd=args.vcd,
        plot=args.plot, placing=placing,
        seeds=SEEDS if seed is None else (seed,), model=model,
        command=shlex.join(["exactmac", "build", *argv]))
