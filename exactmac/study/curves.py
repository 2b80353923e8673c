"""Accuracy against the size of the calibration set, and codes before and after balancing."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from exactmac.study.members import FORMATS, Member, packaged
from exactmac.study.workflows import BALANCED, POST
from golden.networks import Linear
from golden.quantize.balanced import effective_bits
from golden.quantize.sizes import accuracy_by_size

__all__ = ["codes", "sizes"]


def sizes(width: str, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """Accuracy of the packaged network after post-training, by the number of calibration images.

    Parameters
    ----------
    width : str
    seeds : sequence of int
        Seeds of the choice of the images.

    Returns
    -------
    list of dict
        ``size``, ``seed`` and ``accuracy``.
    """
    data, samples, _ = packaged()
    weights, activations = FORMATS[POST][width]
    return [{"size": each.size, "seed": each.seed, "accuracy": each.accuracy}
            for each in accuracy_by_size(
                data.layers, data.calibration, samples.x, samples.labels, seeds=seeds,
                weights=weights, activations=activations, contract="half_up",
                weight_ranges="least_error", correct_bias=True, classifier=True)]


def codes(members: Sequence[Member]) -> Iterator[dict[str, Any]]:
    """Yield how often each weight level occurs after post-training and after balancing.

    Of each data set and width that both workflows have, the networks of the first seed.

    Yields
    ------
    dict
        ``data``, ``width``, ``levels``, counts ``before`` and ``after``, and the effective bits of
        both: the entropy of the levels.
    """
    own = {(each.data, each.workflow, each.width): _weights(each) for each in reversed(members)}
    for data, workflow, width in reversed(own):
        if workflow != BALANCED or (data, POST, width) not in own:
            continue
        before, after = own[data, POST, width], own[data, workflow, width]
        levels = np.union1d(before, after)
        yield {"data": data, "width": width, "levels": levels.tolist(),
               "before": [int((before == level).sum()) for level in levels],
               "after": [int((after == level).sum()) for level in levels],
               "bits_before": effective_bits(before), "bits_after": effective_bits(after)}


def _weights(member: Member) -> np.ndarray:
    return np.concatenate([layer.weights.ravel() for layer in member.network.layers
                           if isinstance(layer, Linear)])
