# amaranth: UnusedElaboratable=no
"""What the words in front of a parameter set's records load: tables, beside a tile's datapath."""

from collections.abc import Sequence

from amaranth.hdl import Module, Value
from amaranth.lib import data

from hw.blocks.loaded import LoadedLevels
from hw.config import TileConfig
from hw.fixed_parameters import FixedParameters
from hw.lut import Table
from hw.parameters import ParameterStore

__all__ = ["levels_of", "look_up"]

Store = ParameterStore | FixedParameters


def look_up(m: Module, config: TileConfig, tables: Sequence[Table], codes: Sequence[Value],
            bank: Value, store: Store) -> list[Value]:
    """What the tables make of ``codes``, one each.

    Parameters
    ----------
    m : Module
        The tile's.
    config : TileConfig
    tables : sequence of Table
    codes : sequence of Value
    bank : Value
        Of the parameter set of their job, as old as they are.
    store : ParameterStore or FixedParameters
    """
    for k, (table, code) in enumerate(zip(tables, codes, strict=True)):
        m.submodules[f"table_{k}"] = table
        m.d.comb += [table.code.eq(code), table.enable.eq(1)]
        if isinstance(store, ParameterStore) and "lut" in config.head:
            m.d.comb += [
                table.bank.eq(bank),
                table.write.valid.eq(store.write.valid & (
                    store.write.index < config.head["lut"])),
                table.write.bank.eq(store.write.bank),
                table.write.index.eq(store.write.index),
                table.write.word.eq(store.write.word),
            ]
    return [table.result for table in tables]


def levels_of(m: Module, config: TileConfig, name: str, codes: data.View, bank: Value,
              store: Store) -> data.View:
    """Levels of a beat of ``weights`` or ``activations``, by :func:`look_up`'s bank and store.

    Of any other format than a loaded codebook they are the codes themselves.
    """
    fmt, head = getattr(config, name), config.head
    if name not in head or not isinstance(store, ParameterStore):
        return codes
    before = list(head)[:list(head).index(name)]
    loaded = m.submodules[name] = LoadedLevels(
        fmt=fmt, vectors=codes.shape().length, lanes=config.lanes,
        first=sum(head[other] for other in before), words=store.head)
    m.d.comb += [
        loaded.write.eq(store.write),
        loaded.bank.eq(bank),
        loaded.codes.eq(codes),
    ]
    return loaded.levels
