"""Pure functions from values to values: no state, no submodules."""

from hw.arith.adder_tree import adder_tree
from hw.arith.lfsr import leap
from hw.arith.lookup import lookup
from hw.arith.round_shift import round_up, shift_right, sticky_bit
from hw.arith.saturate import clamp, saturate

__all__ = ["adder_tree", "clamp", "leap", "lookup", "round_up", "saturate", "shift_right",
           "sticky_bit"]
