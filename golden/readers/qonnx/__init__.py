"""QONNX models, as Brevitas exports them: exact functions of sums between quantizers."""
