"""What an explanation says, as plain data; ``dataclasses.asdict`` gives its JSON."""

from dataclasses import dataclass
from typing import Literal

from golden.costs import Cost

__all__ = ["Answer", "Contracted", "Explanation", "First", "Operator", "RuntimeState"]


@dataclass(frozen=True)
class RuntimeState:
    """A runtime, and whether it took part.

    Parameters
    ----------
    name : str
    version : str or None
        Installed version.
    status : str
        Whether it was compared, is not installed, reads other files, or was refused: it refused the
        model, failed, or golden does not have its arithmetic.
    reason : str
        Why it was refused, and what of it was not compared.
    checked, mismatches : int
        Elements of the runtime itself that were compared with golden as that runtime, and those of
        them that differ.
    rounded : int
        Elements that differ by the runtime's float32 alone, where golden is exact. They are no
        mismatches.
    """

    name: str
    version: str | None
    status: Literal["compared", "not installed", "reads other files", "refused"]
    reason: str = ""
    checked: int = 0
    mismatches: int = 0
    rounded: int = 0


@dataclass(frozen=True)
class First:
    """The first element of an operator's output that differs from the reference's.

    Parameters
    ----------
    index : tuple of int
        Place of the element, the sample first.
    exact : str or None
        Exact number as a fraction, in levels, with the zero point, before it is rounded and cut
        off; None where the operator's arithmetic is none of real numbers.
    decimal : str or None
        The same with 20 digits.
    level, reference : int or float
        What the answer and the reference have: levels, or numbers of float32.
    """

    index: tuple[int, ...]
    exact: str | None
    decimal: str | None
    level: int | float
    reference: int | float


@dataclass(frozen=True)
class Answer:
    """What a runtime or a contract makes of an operator's inputs as the reference has them.

    Parameters
    ----------
    name : str
    kind : "runtime" or "contract"
        A scheme of sums is a contract here.
    group : int
        Number that equal answers share; the reference's is 0. Without an answer, it is -1.
    differ : int
        Elements that differ from the reference's.
    largest : int
        Largest distance of two of them in levels, or in steps of float32.
    first : First or None
    outputs_differ, outputs_largest : int
        Elements of the network's outputs that differ, and their largest distance, if this operator
        alone answers so.
    accuracy : float or None
        Share of samples whose largest output has the label's place, if labels are given.
    reason : str
        Why there is no answer.
    """

    name: str
    kind: Literal["runtime", "contract"]
    group: int
    differ: int = 0
    largest: int = 0
    first: First | None = None
    outputs_differ: int = 0
    outputs_largest: int = 0
    accuracy: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Operator:
    """An operator of the model, its answers and its cost.

    Parameters
    ----------
    name : str
        Name of its output.
    operator : str
        Class of the layer, or the operator that quantizes an input.
    inputs : tuple of str
    place : int, str or None
        Place of the output in the file; None if the reader has added the operator.
    shape : tuple of int
        Shape of the output for one sample.
    quantization, arithmetic : str
        Of the reference, as in :mod:`golden.readers.report`.
    elements : int
        Elements of the output of all samples.
    cost : Cost
    agreement : str
        ``all``: runtimes and contracts agree. ``runtimes``: the runtimes agree, a contract differs.
        ``differ``: two runtimes differ. ``alone``: no contract, and at most one runtime, computes
        it.
    answers : tuple of Answer
    """

    name: str
    operator: str
    inputs: tuple[str, ...]
    place: int | str | None
    shape: tuple[int, ...]
    quantization: str
    arithmetic: str
    elements: int
    cost: Cost
    agreement: Literal["all", "runtimes", "differ", "alone"]
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Contracted:
    """The whole network with one contract throughout, as far as its operators can have it.

    Parameters
    ----------
    name : str
    layers : int
        Operators that have the contract.
    kept : int
        Operators that compute and keep the reference's arithmetic.
    outputs_differ, outputs : int
        Elements of the outputs that differ from the reference's, and all of them.
    largest : int
        Largest distance of two of them in levels.
    equal_to : tuple of str
        Runtimes whose every tensor, as they ran, is equal.
    accuracy : float or None
    reason : str
        Why the network cannot be computed so.
    """

    name: str
    layers: int
    kept: int
    outputs_differ: int = 0
    outputs: int = 0
    largest: int = 0
    equal_to: tuple[str, ...] = ()
    accuracy: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Explanation:
    """Whose answer a model's hardware gives, operator by operator.

    Parameters
    ----------
    model : str
        Path of the file.
    kind : str
    network : str
        Name of the network.
    inputs : str
        What the inputs are.
    samples : int
    reference : str
        Whose answers all others are compared with.
    runtimes : tuple of RuntimeState
    contracts : tuple of Contracted
    outputs : tuple of str
        Output tensors.
    accuracy : float or None
        Accuracy of the reference.
    operators : tuple of Operator
    costs : Cost
        Sum of the operators'.
    sentence : str
    """

    model: str
    kind: Literal["tflite", "onnx", "qonnx", "saved"]
    network: str
    inputs: str
    samples: int
    reference: str
    runtimes: tuple[RuntimeState, ...]
    contracts: tuple[Contracted, ...]
    outputs: tuple[str, ...]
    accuracy: float | None
    operators: tuple[Operator, ...]
    costs: Cost
    sentence: str
