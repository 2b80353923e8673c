"""Mutations of the source, spread over its concepts, and which tests see each.

They prefer what only costly tests see: emitted Verilog, the front door, proofs. Old texts are
short, so that they survive changes around them. ``python -m tests.mutations --help`` runs them.
"""

from tests.mutations import golden, hardware, tools
from tests.mutations.mutation import Mutation

__all__ = ["MUTATIONS", "Mutation"]

MUTATIONS: dict[str, Mutation] = hardware.MUTATIONS | tools.MUTATIONS | golden.MUTATIONS
