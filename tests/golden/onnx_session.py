"""Run a model in ONNX Runtime, as it is: without optimizations, in one thread."""

import pytest

__all__ = ["run_model"]


def run_model(model, feeds):
    """Outputs of an ONNX model; the test is skipped where ONNX Runtime is not installed."""
    ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options,
                                   providers=["CPUExecutionProvider"])
    return session.run(None, feeds)
