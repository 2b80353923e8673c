"""scikit-learn's perceptrons predict as their networks do."""

import re
import sys

import numpy as np
import pytest

from golden.floats import run_float
from golden.readers.sklearn import from_sklearn

neural = pytest.importorskip("sklearn.neural_network", reason="scikit-learn is not installed")


def fitted(kind, rng, y, **options):
    """A model whose weights are integers after its fit, so that sums are exact."""
    x = rng.integers(-3, 4, (len(y), 5)).astype(float)
    model = kind(hidden_layer_sizes=(16, 16), max_iter=1, **options).fit(x, y)
    for arrays in (model.coefs_, model.intercepts_):
        arrays[:] = [rng.integers(-2, 3, each.shape).astype(float) for each in arrays]
    return model, x


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("activation", ["relu", "identity"])
class TestModels:
    def test_a_regressor(self, rng, activation):
        model, x = fitted(neural.MLPRegressor, rng, rng.normal(size=(40, 2)),
                          activation=activation)
        np.testing.assert_array_equal(run_float(from_sklearn(model), x), model.predict(x))

    def test_a_classifier(self, rng, activation):
        model, x = fitted(neural.MLPClassifier, rng, np.arange(40) % 3 + 7, activation=activation)
        found = run_float(from_sklearn(model), x)
        # Equal sums have equal probabilities, and so one prediction.
        assert (model.classes_[np.argmax(found, axis=1)] == model.predict(x)).all()
        assert len(set(model.predict(x))) > 1

    def test_two_classes_have_one_output(self, rng, activation):
        model, x = fitted(neural.MLPClassifier, rng, np.arange(40) % 2, activation=activation)
        found = run_float(from_sklearn(model), x)
        assert found.shape == (40, 1) and ((found[:, 0] > 0) == model.predict(x)).all()


@pytest.mark.parametrize("model, error, message", [
    (lambda: neural.MLPClassifier(activation="tanh"), ValueError,
     "Activation must be relu or identity, not 'tanh'"),
    (lambda: neural.MLPRegressor(activation="logistic"), ValueError,
     "Activation must be relu or identity, not 'logistic'"),
    (lambda: neural.MLPRegressor(loss="poisson"), ValueError,
     "Loss must be squared_error, of which the outputs are the last sums, not 'poisson'"),
    (lambda: neural.MLPRegressor(), ValueError, "Model must be fitted, not MLPRegressor()"),
    (lambda: 3, TypeError, "Model must be an MLPClassifier or MLPRegressor, not 3")])
def test_what_is_refused(model, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        from_sklearn(model())


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.neural_network", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'exactmac\[train\]'$"):
        from_sklearn(None)
