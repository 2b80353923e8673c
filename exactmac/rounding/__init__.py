"""Whether a runtime's float32 alone can have made its levels, where golden's are exact."""

from collections.abc import Mapping

import numpy as np

from exactmac.rounding.onnx import OnnxRounding
from exactmac.rounding.qonnx import QonnxRounding
from golden.readers import Model

__all__ = ["Rounding", "rounding_of"]

Rounding = OnnxRounding | QonnxRounding


def rounding_of(read: Model, given: Mapping[str, np.ndarray], reals: Mapping[str, np.ndarray]
                ) -> Rounding:
    """Return what tells of a tensor's elements whether float32 can have made them.

    Parameters
    ----------
    read : Model
    given : mapping of str to array of integers
        Levels of the inputs, and of layers as the runtime shows them.
    reals : mapping of str to array of float32
        Numbers that the runtime rounded to levels, by the tensor of these, where it shows them.
    """
    return (QonnxRounding(read, given) if read.runtime == "qonnx"
            else OnnxRounding(read, given, reals))
