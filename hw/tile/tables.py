# amaranth: UnusedElaboratable=no
"""Tables beside a tile's datapath, loaded by the first words of a parameter set."""

from collections.abc import Sequence

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import data

from golden.formats import LoadedCodebook
from hw.formats import beat_layout
from hw.requantize.level_table import LoadedTable
from hw.requantize.lut import Table
from hw.tile.config import TileConfig

__all__ = ["levels_of", "look_up", "table_of"]


def look_up(m: Module, config: TileConfig, tables: Sequence[Table], codes: Sequence[Value],
            bank: Value, write: data.View | None) -> list[Value]:
    """Results of the tables for ``codes``, one code each.

    Parameters
    ----------
    m : Module
        Module of the tile.
    config : TileConfig
    tables : sequence of Table
    codes : sequence of Value
    bank : Value
        Bank of the job's parameter set, in the same cycle as the codes.
    write : View or None
        Write of a word to the loaded tables; None if there are none.
    """
    for k, (table, code) in enumerate(zip(tables, codes, strict=True)):
        m.submodules[f"table_{k}"] = table
        m.d.comb += [table.code.eq(code), table.enable.eq(1)]
        if write is not None and "lut" in config.head:
            m.d.comb += [
                table.bank.eq(bank),
                table.write.valid.eq(write.valid & (write.index < config.head["lut"])),
                *(table.write[name].eq(write[name]) for name in ("bank", "index", "word")),
            ]
    return [table.result for table in tables]


def levels_of(m: Module, config: TileConfig, name: str, codes: data.View, bank: Value,
              write: data.View | None) -> data.View:
    """Levels of a beat of ``weights`` or ``activations``; ``bank`` and ``write`` as for `look_up`.

    For formats other than a loaded codebook, the codes are returned as they are.
    """
    fmt = getattr(config, name)
    if not isinstance(fmt, LoadedCodebook):
        return codes
    vectors, table = codes.shape().length, table_of(m, config, name, bank, write)
    levels = Signal(beat_layout(fmt.range, vectors, config.lanes), name=f"levels_of_{name}")
    m.d.comb += [levels[vector][lane].eq(table[codes[vector][lane]])
                 for vector in range(vectors) for lane in range(config.lanes)]
    return levels


def table_of(m: Module, config: TileConfig, name: str, bank: Value, write: data.View | None
             ) -> data.View:
    """Levels of the codebook loaded for ``name``; ``bank`` and ``write`` as for `look_up`."""
    head = config.head
    before = list(head)[:list(head).index(name)]
    table = m.submodules[f"{name}_table"] = LoadedTable(
        fmt=getattr(config, name), first=sum(head[other] for other in before),
        words=sum(head.values()))
    assert write is not None  # or no table is loaded
    m.d.comb += [table.write.eq(write), table.bank.eq(bank)]
    return table.levels
