"""The training loop: gradient descent on a chain of float layers in JAX, repeated from its seed."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np

from golden.floats import FloatLayer, FloatNetwork
from golden.train.data import Data
from golden.train.models import Scheme, forward, start_parameters

__all__ = ["Plan", "Trained", "fit"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long and how a network is trained: AdamW with a cosine of the learning rate.

    Parameters
    ----------
    epochs : int
        Passes over the training examples.
    batch : int
        Examples of a step.
    rate : float
        First learning rate; it ends at 0.
    decay : float
        Weight decay.
    shifts : int
        Most pixels, or samples of a signal, that an example is shifted by in each direction.
    shifted : float
        Share of examples that are shifted.
    noise : float
        Deviation of the normal noise that is added to each input.
    teach : float
        Share of the loss that a teacher's outputs have, the labels having the rest. A teacher sees
        the inputs without noise.
    """

    epochs: int = 300
    batch: int = 50
    rate: float = 3e-3
    decay: float = 1e-3
    shifts: int = 1
    shifted: float = 1.0
    noise: float = 0.0
    teach: float = 0.0


@dataclass(frozen=True, eq=False)
class Trained:
    """Result of training: arrays of each layer by name, and the mean loss of each epoch."""

    parameters: dict[str, dict[str, np.ndarray]]
    losses: np.ndarray


TEMPERATURE = 2.0
"""Temperature of a teacher's outputs and of those that are to equal them."""


def fit(network: FloatNetwork, data: Data, plan: Plan, seed: int, *, scheme: Scheme | None = None,
        teacher: FloatNetwork | None = None, steps: int | None = None) -> Trained:
    """Train a network from the numbers that it has.

    Parameters
    ----------
    network : FloatNetwork
        A chain of fully connected layers, convolutions and reshapes; convolutions without padding,
        dilation and groups.
    data : Data
    plan : Plan
    seed : int
        Seed of the order of the examples and of their shifts.
    scheme : Scheme, optional
        How the layers are quantized; by default they are not.
    teacher : FloatNetwork, optional
        Network whose outputs are imitated, by the plan's share; without one, labels have it all.
    steps : int, optional
        Number of steps; by default the plan's epochs.

    Returns
    -------
    Trained
        The same arrays on the same machine with the same versions.

    Raises
    ------
    ValueError
        If the network has another layer.
    """
    import jax

    parameters = start_parameters(network, scheme, data.calibration)
    taught = {} if teacher is None else start_parameters(teacher, None, data.calibration)
    numbers = {name: np.float32(getattr(plan, name)) for name in _NUMBERS}
    examples = _shifted(data.inputs["training"], plan.shifts), data.labels["training"]
    run = _compiled(_Shape(network), scheme, plan.epochs if steps is None else 1, plan.batch, steps,
                    _Shape(teacher) if plan.teach > 0 and teacher is not None else None)
    trained, losses = run(parameters, taught, jax.random.key(seed), numbers, *examples)
    return Trained(jax.tree.map(np.asarray, trained), np.asarray(losses))


_NUMBERS = "rate", "decay", "shifted", "noise", "teach"
"""Numbers of a plan that what is compiled takes as arguments."""


class _Shape:
    # A network without its numbers, so that seeds share what is compiled.

    def __init__(self, network: FloatNetwork):
        self.network = network

    def __eq__(self, other):
        return self.key == other.key

    def __hash__(self):
        return hash(self.key)

    @property
    def key(self):
        return (self.network.input, self.network.input_shape,
                tuple(map(_without_numbers, self.network.layers)))


def _without_numbers(layer: FloatLayer) -> tuple[Any, ...]:
    # All that decides what is computed of a layer's numbers.
    values = ((each.name, getattr(layer, each.name)) for each in fields(layer))
    return type(layer), *((name, value.shape if isinstance(value, np.ndarray) else repr(value))
                          for name, value in values if name != "bias")


@lru_cache(maxsize=4)
def _compiled(shape: _Shape, scheme: Scheme | None, epochs: int, batch: int, steps: int | None,
              teacher: _Shape | None) -> Callable[..., Any]:
    import jax
    import jax.numpy as jnp
    import optax

    network = shape.network

    def loss_of(parameters, taught, clean, inputs, own, teach):
        found = forward(network, parameters, inputs, scheme)
        loss = optax.softmax_cross_entropy_with_integer_labels(found, own).mean()
        if teacher is None:
            return loss
        wanted = jax.nn.softmax(forward(teacher.network, taught, clean, None) / TEMPERATURE)
        soft = optax.softmax_cross_entropy(found / TEMPERATURE, wanted).mean()
        return (1 - teach) * loss + teach * TEMPERATURE**2 * soft

    @jax.jit
    def run(parameters, taught, key, numbers, x, labels):
        count = x.shape[1] // batch if steps is None else steps
        optimizer = optax.adamw(
            lambda step: numbers["rate"] * (1 + jnp.cos(jnp.pi * step / (epochs * count))) / 2,
            weight_decay=numbers["decay"], mask=_decaying)

        def step(carry, which):
            parameters, state = carry
            shift, index, key = which
            clean = x[shift, index]
            inputs = clean + numbers["noise"] * jax.random.normal(key, clean.shape)
            loss, gradient = jax.value_and_grad(loss_of)(
                parameters, taught, clean, inputs, labels[index], numbers["teach"])
            updates, state = optimizer.update(gradient, state, parameters)
            return (optax.apply_updates(parameters, updates), state), loss

        def epoch(carry, key):
            order, which, some, noise = jax.random.split(key, 4)
            index = jax.random.permutation(order, x.shape[1])[:count * batch]
            shift = jax.random.randint(which, index.shape, 0, len(x))
            shift = jnp.where(jax.random.uniform(some, index.shape) < numbers["shifted"], shift,
                              len(x) // 2)
            carry, losses = jax.lax.scan(step, carry, (
                shift.reshape(count, -1), index.reshape(count, -1),
                jax.random.split(noise, count)))
            return carry, losses if steps else losses.mean()

        carry, losses = jax.lax.scan(epoch, (parameters, optimizer.init(parameters)),
                                     jax.random.split(key, epochs))
        return carry[0], losses.ravel()

    return run


def _decaying(parameters: Any) -> Any:
    # Weights decay; biases, steps and tables do not.
    return {layer: {name: name == "weights" for name in own} for layer, own in parameters.items()}


def _shifted(inputs: np.ndarray, most: int) -> np.ndarray:
    # Every example by every shift, the first axis; what comes in at the border is 0.
    images = inputs.reshape(len(inputs), 8, 8) if inputs.ndim == 2 else inputs[..., 0]
    rows = range(-most, most + 1) if images.shape[1] > 1 else [0]
    padded = np.pad(images, ((0, 0), (most, most), (most, most)))
    height, width = images.shape[1:]
    return np.stack([padded[:, most + row:most + row + height, most + column:most + column + width]
                     .reshape(inputs.shape) for row in rows for column in range(-most, most + 1)])
