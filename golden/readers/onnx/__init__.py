"""ONNX models: the file as plain records, and the network that they make."""
