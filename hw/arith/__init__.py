"""Pure functions from values to values: no state, no submodules."""

from hw.arith.adder_tree import adder_tree
from hw.arith.lfsr import leap
from hw.arith.lookup import lookup
from hw.arith.round_shift import doubled_and_sticky, round_up, shift_right
from hw.arith.saturate import clamp, saturate

__all__ = ["adder_tree", "clamp", "doubled_and_sticky", "leap", "lookup", "round_up", "saturate",
           "shift_right"]
