"""Layers and networks on simulated hardware."""

from sim.layers.designs import Designs
from sim.layers.placement import Placement, placement
from sim.layers.run import Run, run_layer, run_network, run_placed, schedule_of

__all__ = ["Designs", "Placement", "Run", "placement", "run_layer", "run_network", "run_placed",
           "schedule_of"]
