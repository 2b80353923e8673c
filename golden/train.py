"""Trains the packaged digits network and writes ``golden/digits.npz``: ``python -m golden.train``.

Needs scikit-learn (the extra ``train``); nothing else does. The result depends on scikit-learn's
version and on the machine's floating point, so the file is kept in the repository.
"""

if __name__ == "__main__":
    from golden.command import run
    run("golden.train")


import io
import platform
from pathlib import Path

import numpy as np

from golden.command import Parser, integer, output_file, write_file
from golden.digits import PATH

__all__ = ["main", "train"]

SEED = 0

SOURCE = (
    "Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, UCI Machine Learning "
    "Repository, https://doi.org/10.24432/C50P49, licensed CC BY 4.0 "
    "(https://creativecommons.org/licenses/by/4.0/). The 1797 images of 8x8 that "
    "sklearn.datasets.load_digits has, split and reordered at random, otherwise unchanged.")

CALIBRATION = 256
"""Number of training images that are kept to calibrate quantization."""


def train(path: Path = PATH, seed: int = SEED):
    """Train 64-64-10 with ReLU on 70 % of the digits; write weights and images to ``path``."""
    if not 0 <= seed < 1 << 32:
        raise ValueError(f"Seed must be in range [0, {(1 << 32) - 1}], not {seed}")
    import sklearn
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split
    from sklearn.neural_network import MLPClassifier

    images, labels = map(np.asarray, load_digits(return_X_y=True))
    train_images, test_images, train_labels, test_labels = map(np.asarray, train_test_split(
        images, labels, test_size=0.3, random_state=seed, stratify=labels))
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


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and train; return the exit status."""
    parser = Parser(prog="python -m golden.train", allow_abbrev=False,
                    description="Train the packaged digits network.")
    parser.add_argument("--out", default=str(PATH), metavar="FILE",
                        help="file to write (default: %(default)s)")
    parser.add_argument("--seed", type=integer, default=SEED, metavar="N",
                        help="seed of the split and of the training (default: %(default)s)")
    args = parser.parse_args(argv)
    try:
        train(output_file("Out", args.out), args.seed)
    except ModuleNotFoundError as error:
        if error.name != "sklearn":
            raise
        parser.error("scikit-learn is not installed; run: pip install 'exactmac[train]'")
    except (OSError, ValueError) as error:
        parser.error(str(error))
    return 0
