"""Other arithmetic that a layer of a model can have: contracts, and schemes of sums."""

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import partial

import numpy as np

from golden.contracts import (
    ADDING,
    CONTRACTS,
    MAX_ADDEND_BITS,
    Clamped,
    Contract,
    ExactSum,
    MultiplyShift,
)
from golden.contracts import parse as contract_of
from golden.formats import IntFormat
from golden.layers import kind_of
from golden.layers.linear import sum_ends
from golden.multipliers import scale_parameters
from golden.networks import (
    Add,
    Concat,
    FloatReduce,
    Layer,
    Linear,
    Mul,
    Network,
    Reduce,
    Rescale,
)
from golden.ranges import values_range
from golden.readers import Model
from golden.readers.model import Exact
from golden.recontract import network_with, with_contract, with_scheme
from golden.units import SCHEMES

__all__ = ["NAMES", "alternatives", "given_contract", "own_name", "whole"]

NAMES = tuple(name for name in CONTRACTS if name != "none")
"""Contracts that a layer is given; ``none`` makes no levels."""


def own_name(layer: Layer) -> str | None:
    """Name of a layer's contract or scheme; None if it has none."""
    own = getattr(layer, "scheme", None) or getattr(layer, "contract", None)
    return None if own is None else own.name


def alternatives(layer: Layer, model: Model) -> Iterator[tuple[str, Layer | str]]:
    """Yield each contract's name, and the layer with that contract, or why it cannot have it.

    A sum or a difference of two tensors has schemes in place of contracts. A layer that no contract
    scales has none.

    Parameters
    ----------
    layer : Layer
        Layer of ``model.network``.
    model : Model
    """
    network = model.network
    if isinstance(layer, Add):
        changes = {name: partial(with_scheme, layer, network, each)
                   for name, each in SCHEMES.items()}
    elif isinstance(layer, Linear | Reduce | FloatReduce | Rescale | Mul | Concat) and not (
            isinstance(getattr(layer, "contract", None), ExactSum)):
        changes = {name: partial(given_contract, layer, model, contract_of(name))
                   for name in NAMES}
    else:
        return
    for name, change in changes.items():
        try:
            yield name, change()
        except ValueError as error:
            yield name, str(error)


def whole(model: Model, contract: Contract) -> tuple[Network, dict[str, str]]:
    """Return a model's network with one contract throughout, and why a layer keeps its own.

    As :func:`golden.recontract.network_with`.
    """
    return network_with(model.network, contract,
                        lambda layer, network, own: given_contract(layer, model, own))


def given_contract(layer: Layer, model: Model, contract: Contract) -> Layer:
    """Return a layer of a model with another contract; ``ValueError`` says why it has none.

    Where the file says what real number a sum stands for (``model.exact``), the factor follows from
    that. What is added behind the sum becomes an addend of a contract that may have one, else the
    nearest integer of the bias.
    """
    exact = model.exact.get(layer.name)
    if exact is None or getattr(layer, "contract", None) == contract:
        return with_contract(layer, model.network, contract)
    if not isinstance(layer, Linear):
        raise ValueError(f"Layer {layer.name!r} must be one that a contract scales, "
                         f"not a {type(layer).__name__}")
    own = _scaled(layer, model.network, exact, contract)
    kind_of(own).prove(own, model.network, None)
    return own


def _scaled(layer: Linear, network: Network, exact: Exact, contract: Contract) -> Linear:
    # A layer that multiplies its sums by the factors of their real numbers.
    name, output = layer.name, layer.output
    if not isinstance(contract, Clamped):
        raise ValueError(f"Contract of layer {name!r} must be one that scales, "
                         f"not {contract.name}")
    if not exact.regular or exact.level is None or not isinstance(output.format, IntFormat):
        raise ValueError(f"Levels of layer {name!r} must be multiples of a scale to be had by a "
                         f"contract that scales")
    pieces = [exact.reals[channel % len(exact.reals)] for channel in range(len(layer.weights))]
    if any(piece.slope == 0 for piece in pieces):
        raise ValueError(f"Factors of layer {name!r} must not be 0, as a number behind the sum is "
                         f"then no part of a bias")
    biases, step = [piece.offset / piece.slope for piece in pieces], Fraction(float(output.step))
    offset = None
    if any(each.denominator > 1 for each in biases):
        if contract.name in ADDING:
            contract = contract_of(contract.name, addend_bits=MAX_ADDEND_BITS)
        if isinstance(contract, MultiplyShift) and contract.addend is not None:
            offset = [float(piece.offset / step) for piece in pieces]
            biases = [Fraction(0)] * len(pieces)
    sums = contract.sum_format(values_range(sum_ends(layer, network)))
    assert isinstance(contract, Clamped)
    lo, hi = ([limit if end is None else exact.level(end, channel)
               for channel, end in enumerate(ends)]
              for ends, limit in (([piece.lo for piece in pieces], output.format.min),
                                  ([piece.hi for piece in pieces], output.format.max)))
    return replace(layer, contract=contract, parameters={
        "bias": np.array([_nearest(each) for each in biases]),
        **scale_parameters(contract, [float(piece.slope / step) for piece in pieces], sums,
                           offset=offset),
        "zero_point": np.array(output.scalar_zero_point()), "clamp_min": np.array(lo),
        "clamp_max": np.array(hi)})


def _nearest(value: Fraction) -> int:
    # Ties away from zero.
    whole = int(abs(value) + Fraction(1, 2))
    return whole if value >= 0 else -whole
