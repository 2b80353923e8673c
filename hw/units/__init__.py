"""Units that combine tensors of unequal scales: vectors in, vectors out."""

from hw.units.add import Add
from hw.units.concat import Concat
from hw.units.fused_add import FusedAdd
from hw.units.multiply import Multiply
from hw.units.pool import AveragePool, MaxPool
from hw.units.rescale import Rescale
from hw.units.unit import Unit

__all__ = ["Add", "AveragePool", "Concat", "FusedAdd", "MaxPool", "Multiply", "Rescale", "Unit"]
