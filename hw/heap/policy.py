"""Choices of a compilation: each is drawn once, from a seed, and kept."""

import random
from collections.abc import Callable, Mapping
from typing import Any, Self

__all__ = ["Policy"]

EVERY = 1 << 20
"""As many as there are."""


class Policy:
    """Random choices that decide how a heap is compiled.

    Seed 0 takes everything as soon as it can, without a draw.

    Parameters
    ----------
    seed : int
    base : Policy, optional
        Policy whose choices are kept, all but a few.
    """

    def __init__(self, seed: int, base: Self | None = None):
        self.seed = seed
        self._random = rng = random.Random(seed)
        self._drawn: dict[str, Any] = {}
        self._fill = rng.choice((0.5, 0.7, 0.85, 0.95))
        self._third = rng.random() < 0.67
        self._fours = rng.choice((0, 0.5, 0.8, 1))
        self._tall_fours = rng.choice((0, 0, 0.2, 0.5))
        if base is not None:
            self._drawn = dict(base._drawn)
            self._fill, self._third = base._fill, base._third
            if rng.random() < 0.8:
                self._fours, self._tall_fours = base._fours, base._tall_fours
            for _ in range(rng.choice((1, 1, 2, 3, 5))):
                if self._drawn:
                    del self._drawn[rng.choice(list(self._drawn))]

    @classmethod
    def of(cls, choices: Mapping[str, Any]) -> Self:
        """Return the policy whose choices were these."""
        policy = cls(0)
        policy._drawn = dict(choices)
        return policy

    @property
    def choices(self) -> dict[str, Any]:
        """Choices so far, by the names of what was chosen."""
        return dict(self._drawn)

    def segments(self, stage: object, column: int, height: int) -> int:
        """Return the most segments that begin in a column of some height."""
        def draw() -> int:
            if height <= 3:
                return EVERY if self._random.random() < 0.9 else 0
            if self._random.random() < 0.2:
                return EVERY
            most = height / (3 if self._third else 2)
            return max(1, round(most * self._random.uniform(self._fill, 1)))
        return self._choice(("segments", stage, column), draw, EVERY)

    def pairs(self, stage: object) -> bool:
        """Whether segments of a stage may begin with two bits, and inject none."""
        return self._choice(("pairs", stage), lambda: self._random.random() < 0.6, True)

    def lookups(self, stage: object, wide: int, narrow: int) -> int:
        """Return how many bits of three wires become one wire, of a column's ``wide``.

        ``narrow`` is the number of its other bits.
        """
        if stage != "first":
            return 0 if narrow else 1
        share = self._choice(("lookups",), lambda: self._random.choice((2, 3, 4, 4, 5, 6, 8)), 4)
        return -(-wide // share)

    def fours(self, stage: object, column: int, *, tall: bool) -> bool:
        """Whether four bits of a column take two halves; ``tall`` if the next column has bits."""
        share = self._tall_fours if tall else self._fours
        return self._choice(("fours", tall, stage, column),
                            lambda: self._random.random() < share, False)

    def _choice(self, what: tuple[object, ...], draw: Callable[[], Any], first: Any) -> Any:
        key = " ".join(map(str, what))
        if self.seed == 0:
            return self._drawn.get(key, first)
        if key not in self._drawn:
            self._drawn[key] = draw()
        return self._drawn[key]
