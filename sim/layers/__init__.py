"""Layers and networks on simulated hardware."""

from sim.layers.designs import Design, Designs
from sim.layers.placement import Placement, placement
from sim.layers.run import Run, run_layer, run_network, run_placed, schedule_of
from sim.layers.usage import Usage, usage_of

__all__ = ["Design", "Designs", "Placement", "Run", "Usage", "placement", "run_layer",
           "run_network", "run_placed", "schedule_of", "usage_of"]
