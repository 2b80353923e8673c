"""What `python -m golden.train` trains: every result that is committed, by name."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from golden.formats import parse
from golden.train.loop import Plan
from golden.train.models import Scheme

__all__ = ["FEW_SEEDS", "FLOAT_PLANS", "POST_SEEDS", "RECIPES", "SEEDS", "Recipe"]

SEEDS = {"digits": 10, "mnist1d": 3}
"""Number of seeds of a float network and of what is compared with it, by data."""

FEW_SEEDS = 3
"""Number of seeds of results that only show another workflow or width."""

POST_SEEDS = 3
"""Number of seeds whose validation accuracy chooses among ways of post-training quantization."""

FLOAT_PLANS = {
    "digits": Plan(epochs=600, rate=1e-2, decay=1e-2, shifts=1, shifted=0.2, noise=0.2),
    "mnist1d": Plan(epochs=100, rate=5e-3, decay=1e-2, shifts=2, noise=0.1),
}
"""How the float networks are trained, by data."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a result is made.

    Parameters
    ----------
    data : str
        ``digits`` or ``mnist1d``.
    workflow : str
        ``float``, ``post`` for post-training quantization, or a kind of quantization-aware
        training.
    weight_bits, activation_bits : int
        Widths of weights and of every layer's input; 0 of the float network.
    scheme : Scheme, optional
        How the layers are quantized while they are trained, if they are.
    plan : Plan, optional
        How they are trained.
    tuned : bool
        Whether training starts from the float network, quantized after training; else from new
        numbers.
    seeds : int
        Number of seeds.
    """

    data: str
    workflow: str
    weight_bits: int = 0
    activation_bits: int = 0
    scheme: Scheme | None = None
    plan: Plan | None = None
    tuned: bool = False
    seeds: int

    @property
    def name(self) -> str:
        """Name of the result, such as ``digits-step-w4a4``."""
        width = f"-w{self.weight_bits}a{self.activation_bits}" if self.weight_bits else ""
        return f"{self.data}-{self.workflow}{width}"


def _trained(data: str, workflow: str, estimator: str, weights: str, input: str, activations: str,
             plan: Plan, *, tuned: bool, seeds: int) -> Recipe:
    own = parse(weights)
    return Recipe(data=data, workflow=workflow, weight_bits=own.bits,
                  activation_bits=parse(activations).bits, plan=plan, tuned=tuned,
                  seeds=seeds, scheme=Scheme(estimator=estimator, weights=own, input=parse(input),
                                activations=parse(activations)))


def _recipes() -> Iterator[Recipe]:
    for data, seeds in SEEDS.items():
        yield Recipe(data=data, workflow="float", plan=FLOAT_PLANS[data], seeds=seeds)
        # One bit of a signal is its sign, of which mnist1d's classes cannot be told.
        for bits in (8, 4, 3, 2, 1) if data == "digits" else (8, 4, 3, 2):
            yield Recipe(data=data, workflow="post", weight_bits=bits, activation_bits=bits,
                         seeds=seeds)
        yield from _digits() if data == "digits" else _mnist1d()


def _digits() -> Iterator[Recipe]:
    wide = Plan(epochs=200, rate=3e-3, decay=0.0, shifts=1, shifted=0.2, noise=0.2, teach=0.5)
    narrow = replace(wide, epochs=400, rate=1e-2, shifted=0.0)
    least = replace(narrow, epochs=1000, rate=1e-3, noise=0.1, teach=0.9)

    def made(workflow: str, estimator: str, weights: str, activations: str, plan: Plan, *,
             tuned: bool = True, seeds: int = FEW_SEEDS) -> Recipe:
        return _trained("digits", workflow, estimator, weights, activations, activations, plan,
                        tuned=tuned, seeds=seeds)

    for bits, plan in ((4, wide), (3, narrow), (2, narrow)):
        tensor, seeds = f"u{bits}", FEW_SEEDS if bits == 3 else SEEDS["digits"]
        yield made("tuned", "step", f"s{bits}", tensor, plan, seeds=seeds)
        yield made("odd", "step", f"odd{bits}", tensor, plan, seeds=seeds)
        yield made("step", "step", f"s{bits}", tensor, plan, tuned=False)
        yield made("dorefa", "dorefa", f"odd{bits}", tensor, plan, tuned=False)
        yield made("codebook", "codebook", f"s{bits}", tensor, plan, seeds=seeds)
    yield made("binary", "binary", "binary", "bit", least, tuned=False, seeds=SEEDS["digits"])
    yield made("dorefa", "dorefa", "binary", "bit", least, tuned=False)
    yield made("ternary", "ternary", "ternary", "u2", narrow)
    yield made("tuned", "step", "s8", "u8", wide)
    yield made("float8", "step", "e4m3fn", "e4m3fn", wide)
    yield made("float8_e5m2", "step", "e5m2", "e5m2", wide)


def _mnist1d() -> Iterator[Recipe]:
    wide = Plan(epochs=100, rate=3e-3, decay=1e-3, shifts=2, noise=0.05, teach=0.5)
    narrow = replace(wide, rate=5e-3, shifts=1, noise=0.0)
    for workflow, estimator, weights, bits, plan in (
            ("tuned", "step", "s4", 4, wide), ("tuned", "step", "s2", 2, narrow),
            ("codebook", "codebook", "s2", 2, narrow),
            ("ternary", "ternary", "ternary", 2, narrow)):
        yield _trained("mnist1d", workflow, estimator, weights, f"odd{bits}", f"u{bits}", plan,
                       tuned=True, seeds=SEEDS["mnist1d"])


RECIPES: Mapping[str, Recipe] = {each.name: each for each in _recipes()}
"""Recipes by the result's name, those first that others start from."""
