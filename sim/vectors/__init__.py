"""Jobs that verify a tile: the digits network if it fits, corners, and random jobs."""

from sim.vectors.aim import aimed
from sim.vectors.corners import corner_phase, deep_phase, revealing_parameters
from sim.vectors.digits import digits_network, digits_phases
from sim.vectors.malformed import Malformed, among, malformed
from sim.vectors.parameters import random_parameters
from sim.vectors.random import random_codebooks, random_states, random_table
from sim.vectors.traffic import random_phase, verification_phases

__all__ = ["verification_phases", "digits_network", "digits_phases", "random_phase",
           "corner_phase", "deep_phase", "Malformed", "among", "malformed", "aimed",
           "random_parameters", "random_codebooks", "random_states", "random_table",
           "revealing_parameters"]
