"""Fabrics by name: whose cells arithmetic is made of."""

from hw.targets.base import READ, Extra, Fabric, Narrowed, Stages, Write
from hw.targets.ecp5_fabric import ECP5Fabric

__all__ = ["ECP5", "Extra", "FABRICS", "Fabric", "GENERIC", "Narrowed", "READ", "Stages",
           "Write"]

GENERIC = Fabric("generic")
"""Plain Verilog, for any target."""

ECP5 = ECP5Fabric("ecp5", heaps=True)
"""Lattice's ECP5: sums of products in its carry cells, products in its DSPs, instantiated."""

FABRICS = {fabric.name: fabric for fabric in (GENERIC, ECP5)}
