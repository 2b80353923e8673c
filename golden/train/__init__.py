"""Training of networks that are quantized, and the committed results: ``python -m golden.train``.

:func:`results` and :func:`load` need numpy alone; training needs the extra ``train``.
"""

from golden.train.command import main
from golden.train.table import Result, load, load_float, results

__all__ = ["Result", "load", "load_float", "main", "results"]
