"""ONNX files whose parts are changed: sizes, attributes, names, types, operators, constants."""

from collections.abc import Iterator, Mapping

import numpy as np

__all__ = ["mutants"]

NUMBERS = (0, 1, -1, 2, 3, 7, 1 << 16, (1 << 31) - 1, -(1 << 31), (1 << 62) + 1, -(1 << 63))


def mutants(files: Mapping[str, bytes], count: int, seed: int) -> Iterator[bytes]:
    """So many copies, each with one to three parts changed; protobuf reads all of them."""
    import onnx

    rng = np.random.default_rng(seed)
    texts = list(files.values())

    def one(values):
        return values[int(rng.integers(len(values)))] if len(values) else None

    def number() -> int:
        return int(one(NUMBERS)) if rng.integers(2) else int(rng.integers(-5, 300))

    def change(model):
        graph = model.graph
        node, tensor = one(graph.node), one(graph.initializer)
        names = [name for each in graph.node for name in (*each.input, *each.output)]
        match int(rng.integers(11)):
            case 0 if node is not None and node.attribute:
                attribute = one(node.attribute)
                if attribute.ints:
                    attribute.ints[int(rng.integers(len(attribute.ints)))] = number()
                else:
                    attribute.i = number()
            case 1 if node is not None and node.attribute:
                attribute = one(node.attribute)
                attribute.type = int(rng.integers(15))
            case 2 if node is not None and node.attribute:
                del node.attribute[int(rng.integers(len(node.attribute)))]
            case 3 if node is not None and node.input:
                node.input[int(rng.integers(len(node.input)))] = one([*names, ""])
            case 4 if node is not None and node.input:
                del node.input[int(rng.integers(len(node.input))):]
            case 5 if node is not None and node.output:
                node.output[0] = one([*names, ""])
            case 6 if node is not None:
                other = one(texts_of)
                node.op_type, node.domain = other
            case 7 if tensor is not None and tensor.dims:
                tensor.dims[int(rng.integers(len(tensor.dims)))] = number()
            case 8 if tensor is not None and tensor.raw_data:
                data = bytearray(tensor.raw_data)
                size = int(rng.choice([1, 4, 8]))
                place = int(rng.integers(len(data))) // size * size
                data[place:place + size] = (number() % (1 << 8 * size)).to_bytes(size, "little")
                tensor.raw_data = bytes(data[:len(tensor.raw_data)])
            case 9 if tensor is not None:
                tensor.data_type = int(rng.integers(24))
            case 10 if graph.input:
                kind = one(graph.input).type.tensor_type
                if kind.shape.dim:
                    one(kind.shape.dim).dim_value = number()

    texts_of = [(node.op_type, node.domain) for text in texts
                for node in onnx.ModelProto.FromString(text).graph.node]
    for _ in range(count):
        model = onnx.ModelProto.FromString(one(texts))
        for _ in range(int(rng.integers(1, 4))):
            change(model)
        yield model.SerializeToString()
