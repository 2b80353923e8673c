"""scikit-learn's multilayer perceptrons as float networks."""

from typing import Any

from golden.floats import FloatDense, FloatNetwork

__all__ = ["from_sklearn"]

_ACTIVATIONS = "relu", "identity"


def from_sklearn(model: Any, *, name: str = "mlp") -> FloatNetwork:
    """Return the network of a fitted ``MLPClassifier`` or ``MLPRegressor``.

    Parameters
    ----------
    model : MLPClassifier or MLPRegressor
        Model of ``sklearn.neural_network``, whose activation is ``relu`` or ``identity``; a
        regressor's loss is ``squared_error``, as that of ``poisson`` predicts the exponential
        function of the last sums.
    name : str
        Name of the network.

    Returns
    -------
    FloatNetwork
        Layers ``dense0``, ``dense1`` ... Its outputs are the sums of the last layer, before a
        softmax or a logistic function: of a classifier the largest is that of the predicted class,
        in the order of ``classes_``; of one with two classes the only one is positive for the
        second; of one with several labels it is positive where the label is predicted.

    Raises
    ------
    ModuleNotFoundError
        If scikit-learn is not installed.
    TypeError
        If the model is another.
    ValueError
        If it is not fitted, or has another activation or loss.
    """
    try:
        from sklearn.neural_network import MLPClassifier, MLPRegressor
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "scikit-learn is not installed; run: pip install 'exactmac[train]'") from None

    if not isinstance(model, MLPClassifier | MLPRegressor):
        raise TypeError(f"Model must be an MLPClassifier or MLPRegressor, not {model!r}")
    if model.activation not in _ACTIVATIONS:
        raise ValueError(f"Activation must be {' or '.join(_ACTIVATIONS)}, "
                         f"not {model.activation!r}")
    if isinstance(model, MLPRegressor) and model.loss != "squared_error":
        raise ValueError(f"Loss must be squared_error, of which the outputs are the last sums, "
                         f"not {model.loss!r}")
    if not hasattr(model, "coefs_"):
        raise ValueError(f"Model must be fitted, not {model!r}")
    last = len(model.coefs_) - 1
    return FloatNetwork.chain(
        [FloatDense(weights.T, bias, relu=model.activation == "relu" and index < last)
         for index, (weights, bias) in enumerate(
             zip(model.coefs_, model.intercepts_, strict=True))],
        (len(model.coefs_[0]),), name=name)
