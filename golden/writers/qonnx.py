"""Networks as QONNX files: real numbers between quantizers, which read back to the same levels.

``python -m golden.writers.qonnx NET -o FILE`` writes the file of a saved network.
"""

if __name__ == "__main__":
    from golden.command import run
    run("golden.writers.qonnx")


import sys
from pathlib import Path
from typing import Any

from golden.command import Parser, output_file, write_file
from golden.networks import Layer, Network
from golden.readers.contents import opened
from golden.run import prove
from golden.saved import load
from golden.writers.graph import Graph
from golden.writers.inputs import input_quantizer, missed_ties, ties_note
from golden.writers.layers import LAYERS, Writer, check_alone
from golden.writers.quantizers import Quantizer

__all__ = ["main", "missed_ties", "qonnx_model", "ties_note", "write_qonnx"]


def qonnx_model(network: Network) -> Any:
    """Return a network as an ONNX model with quantizers of domain ``qonnx.custom_op.general``.

    Each tensor has its name and, at the inputs and the outputs, its shape: images have their
    channels last, behind a batch of 1. Between the quantizers the model means exact real numbers.
    Their scales are numbers of float32, those of the layers' results the nearest ones. An input's
    quantizer gives each tie, a number of float32 in the middle of two levels, the network's level
    (:func:`golden.writers.inputs.input_quantizer`), but for those that :func:`missed_ties` returns.
    The nearest numbers of float32 above or below a tie may get the other level. A layer of sums is
    proven: the least sum that reaches each level, of all sums that its weights allow, is that of
    the layer's contract. Sums and joins of tensors are compared for all levels of their inputs.
    :func:`golden.readers.read` therefore reads back every tensor with the same levels.

    Parameters
    ----------
    network : Network
        Layers Dense, Conv2d, Pool, Reshape, Transpose, Add and Concat, of tensors and weights of
        integer, ternary, binary, bit or odd formats.

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    ModuleNotFoundError
        If onnx is not installed.
    ValueError
        If QONNX cannot say a layer or an input exactly; all of them are named.
    """
    prove(network)
    writer = Writer(network, Graph(list(network.tensors)))
    problems = [f"constant {each.name!r}: Tensor must be computed, not constant"
                for each in network.constants]
    broken = {each.name for each in network.constants}
    for tensor in network.inputs:
        try:
            _input(tensor.name, writer)
        except ValueError as error:
            problems.append(f"input {tensor.name!r}: {error}")
            broken.add(tensor.name)
    for layer in network.layers:
        try:
            check_alone(layer)
            if not broken & set(layer.inputs):
                LAYERS[type(layer)](layer, writer)
        except ValueError as error:
            problems.append(f"{layer.name!r}: {error}")
        if layer.name not in writer.quantizers and not _stood_in(layer, writer):
            broken.add(layer.name)
    if problems:
        raise ValueError(f"Layers must be ones that QONNX can say, not {'; '.join(problems)}")
    for name in network.outputs:
        writer.graph.output(name, network.tensors[name].shape)
    return writer.graph.model(network.name)


def _input(name: str, writer: Writer):
    network, graph = writer.network, writer.graph
    tensor = network.tensors[name]
    quantizer = input_quantizer(tensor.quantization, "the tensor")
    quantizer.node(graph, graph.input(f"{name}.real", tensor.shape), name)
    graph.made(name, first=False)
    writer.quantizers[name] = quantizer


def _stood_in(layer: Layer, writer: Writer) -> bool:
    # Of a refused layer, its result's quantizer lets the layers behind it be judged all the same.
    try:
        writer.quantizers[layer.name] = Quantizer.of(
            writer.network.quantization(layer.name), "the output")
    except ValueError:
        return False
    writer.graph.made(layer.name, first=False)
    return True


def write_qonnx(network: Network, path: str | Path, name: str = "QONNX file"):
    """Write a network as a QONNX file, all of it or nothing.

    Parameters
    ----------
    network : Network
    path : str or Path
    name : str
        What names the file in messages, as an option of a command line.

    Raises
    ------
    ModuleNotFoundError, ValueError
        As of :func:`qonnx_model`; nothing is written.
    OSError
        If the file cannot be written.
    """
    write_file(name, Path(path), qonnx_model(network).SerializeToString())


def parser() -> Parser:
    """Return the parser of the command line."""
    parser = Parser(prog="python -m golden.writers.qonnx", allow_abbrev=False,
                    description="Write a saved network as a QONNX file.")
    parser.add_argument("network", metavar="NET", help="network that golden.saved has written")
    parser.add_argument("-o", "--output", metavar="FILE", required=True, help="file to write")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments and write the file; return the exit status."""
    arguments = parser()
    args = arguments.parse_args(argv)
    try:
        path = output_file("--output", args.output)
        with opened(Path(args.network), "Network"):
            if path.exists() and path.samefile(args.network):
                raise ValueError(f"--output must be another file than the network, not {path}")
            network = load(args.network)
        write_qonnx(network, path, "--output")
        if note := ties_note(network):
            print(note, file=sys.stderr)
    except (ValueError, TypeError, OSError, ModuleNotFoundError) as error:
        arguments.error(str(error))
    return 0
