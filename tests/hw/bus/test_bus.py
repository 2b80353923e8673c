# amaranth: UnusedElaboratable=no
"""A port is as wide as what is behind it, or refused."""

import re
from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import Fragment, Value

from hw.bus.axi_tile import AxiTile
from hw.payload import Field, Payload
from sim.components import AxiComponent
from tests import gallery
from tests.hw.units.test_units import UNITS

TILES = ("mixed", "shared exponent")


def resized(payload: Payload, bits: int) -> Payload:
    """A payload of fewer bits, or of more."""
    if bits > 0:
        return replace(payload, fields=(*payload.fields, Field("more", bits)))
    return replace(payload, fields=(Field("less", payload.bits + bits),))


def refused(top, port, inner: Value, bits: int):
    wide, last = len(inner), port.last
    message = (f"Payload of {port.name} must be as wide as that of {port.stream}, {wide} bits, "
               f"not {port.payload.bits + bits + last}")
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Fragment.get(top, None)


@pytest.mark.parametrize("bits", [-1, -2, 1, 8])
@pytest.mark.parametrize("name", TILES)
def test_ports_of_a_tile(name, bits):
    for index, port in enumerate(AxiTile(gallery.SMALL[name]).ports):
        top = AxiTile(gallery.SMALL[name])
        ports = list(top.ports)
        ports[index] = replace(port, payload=resized(port.payload, bits))
        top.ports = tuple(ports)
        refused(top, port, Value.cast(getattr(top.tile, port.stream).payload), bits)


@pytest.mark.parametrize("bits", [-1, 1])
def test_ports_of_units(bits):
    """Streams, and parameters that are held behind a port."""
    for make in UNITS.values():
        for name, payload in make().payloads.items():
            unit = make()
            whole = AxiComponent(unit)
            port = next(each for each in whole.ports if each.stream == name)
            unit.payloads = unit.payloads | {name: resized(payload, bits)}
            inner = getattr(unit, name)
            refused(AxiComponent(unit), port, Value.cast(getattr(inner, "payload", inner)), bits)


@pytest.mark.parametrize("name", gallery.SMALL)
def test_bytes_are_what_a_layout_says(name, rng):
    """By Amaranth's own constants: where each code of each field lies."""
    for port in AxiTile(gallery.SMALL[name]).ports:
        payload, layout = port.payload, port.payload.layout
        codes = {field: rng.integers(0, 1 << min(kind.bits, 62), (4, *kind.shape))
                 for field, (kind, _) in payload.placed.items()}
        rows = payload.pack(codes)
        assert rows.shape == (4, payload.bytes)
        for row, number in enumerate(rows):
            init = {field: each[row].tolist() for field, each in codes.items()}
            want = Value.cast(layout.const(init | ({"last": 0} if port.last else {})))
            assert int.from_bytes(number.tobytes(), "little") == want.value
        for field, each in codes.items():
            np.testing.assert_array_equal(payload.unpack(rows, field), each)
