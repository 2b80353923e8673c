"""Trains the packaged network, ``golden/digits.npz``: ``python -m golden.train --only digits``.

Needs scikit-learn (the extra ``train``). The result depends on its version and on the machine's
floating point, so the file is kept in the repository.
"""

import io
import platform
from pathlib import Path

import numpy as np

from golden.command import write_file
from golden.digits import PATH
from golden.train.data import CALIBRATION, digit_images

__all__ = ["train"]

SEED = 0

SOURCE = (
    "Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, UCI Machine Learning "
    "Repository, https://doi.org/10.24432/C50P49, licensed CC BY 4.0 "
    "(https://creativecommons.org/licenses/by/4.0/). The 1797 images of 8x8 that "
    "sklearn.datasets.load_digits has, split and reordered at random, otherwise unchanged.")


def train(path: Path = PATH, seed: int = SEED):
    """Train 64-64-10 with ReLU on 70 % of the digits; write weights and images to ``path``."""
    if not 0 <= seed < 1 << 32:
        raise ValueError(f"Seed must be in range [0, {(1 << 32) - 1}], not {seed}")
    import sklearn
    from sklearn.neural_network import MLPClassifier

    train_images, test_images, train_labels, test_labels = digit_images(seed)
    model = MLPClassifier((64,), activation="relu", alpha=1e-3, max_iter=400, random_state=seed)
    model.fit(train_images / 16, train_labels)
    trained = io.BytesIO()
    np.savez_compressed(
        trained,
        **{f"weights{k}": w.T.astype(np.float32) for k, w in enumerate(model.coefs_)},
        **{f"bias{k}": b.astype(np.float32) for k, b in enumerate(model.intercepts_)},
        calibration=train_images[:CALIBRATION].astype(np.uint8),
        images=test_images.astype(np.uint8),
        labels=test_labels.astype(np.uint8),
        seed=np.int64(seed),
        versions=np.array([f"python {platform.python_version()}", f"numpy {np.__version__}",
                           f"scikit-learn {sklearn.__version__}"]),
        source=np.array(SOURCE),
    )
    write_file("Out", path, trained.getvalue())
    print(f"{path}: {len(trained.getvalue())} bytes, accuracy "
          f"{model.score(test_images / 16, test_labels):.4f} of {len(test_labels)} test images")
