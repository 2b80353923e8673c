"""Make a network of levels of a float ONNX model, and show what that costs, tensor by tensor.

``exactmac quantize MODEL`` reads a float ONNX file, chooses ranges from examples of its input, and
writes a network that ``exactmac network`` runs on the emitted Verilog and for which ``exactmac
build`` builds a tile. ``exactmac.quantize`` is a function; thus the name of this module.
"""

if __name__ == "__main__":
    from golden.command import run
    run("exactmac.quantize_model", "exactmac quantize")


import argparse
import json
from pathlib import Path

import numpy as np
from rich.console import Console

from exactmac.inputs import apart, read_labels, read_reals
from exactmac.options import NUMBERS, Parser
from exactmac.progress import reporting
from exactmac.quantize_report import LEGEND, Accuracy, QuantizeReport, table
from golden import contracts, units
from golden.command import integer, output_file, write_file
from golden.floats import FloatNetwork, run_float
from golden.formats import Format, IntFormat, parse
from golden.networks import Network
from golden.quantize import dequantize, equalize, quantize, quantize_network, tensor_errors
from golden.quantize.calibration import METHODS, method_of
from golden.quantize.unify import WAYS
from golden.readers import kind_of
from golden.readers.contents import printable
from golden.readers.onnx.floats import QuantizedModel, read_float
from golden.run import prove, run
from golden.saved import save
from golden.writers.qonnx import qonnx_model, ties_note
from hw.tile.choices import usual_zero_points

__all__ = ["main", "parser"]

# Options that --help shows.
FIRST = ("--calibration", "--weights", "--activations", "--out", "--qonnx", "--method", "--per",
         "--equalize", "--correct-bias", "--inputs", "--labels", "--json")
EPILOG = f"""\
{NUMBERS}
examples
  exactmac quantize model.onnx --calibration x.npy --weights s4n --activations s4 -o model.net
  exactmac quantize model.onnx --calibration x.npy --weights s4n --activations s4
      --per tensor --equalize --correct-bias --inputs test.npy --labels classes.npy
  exactmac quantize model.onnx --calibration x.npy --weights s4n --activations s4
      --qonnx quantized.onnx
  exactmac network model.net --inputs test.npy
"""

_NUMBERS = ("weights", "activations", "zero_points", "contract", "scheme", "window", "method",
            "weight_ranges", "per", "unify", "equalize", "correct_bias", "classifier")


def parser() -> Parser:
    """Return the parser of the command line."""
    parser = Parser(
        prog="exactmac quantize", allow_abbrev=False, first=FIRST,
        formatter_class=argparse.RawDescriptionHelpFormatter, epilog=EPILOG,
        description="Make a network of levels of a float ONNX model, and show the error of each\n"
                    "tensor. exactmac network runs it on the emitted Verilog.")
    parser.add_argument("model", metavar="MODEL", help="an ONNX file of real numbers")
    parser.add_argument("--calibration", metavar="FILE", required=True,
                        help="examples of the input, from which ranges are chosen: a .npy file of "
                             "real numbers, (samples, *shape) with the shape of the model's input")
    parser.add_argument("-o", "--out", metavar="FILE",
                        help="write the network (default: only show what it costs)")
    parser.add_argument("--qonnx", metavar="FILE",
                        help="write the network as a QONNX file too, which reads back to the same "
                             "levels")
    parser.add_argument("--inputs", metavar="FILE",
                        help="samples with which errors and accuracy are measured, like those of "
                             "--calibration (default: those)")
    parser.add_argument("--labels", metavar="FILE",
                        help="class of each sample of --inputs, a .npy file of integers: shows the "
                             "accuracy before and after")
    parser.add_argument("--json", action="store_true",
                        help="print the result, or an error, as JSON")
    numbers = parser.add_argument_group("numbers")
    numbers.add_argument("--weights", metavar="FORMAT", required=True, help="format of the weights")
    numbers.add_argument("--activations", metavar="FORMAT", required=True,
                         help="format of the input and of each layer's result")
    numbers.add_argument("--zero-points", metavar="WHICH", choices=("none", "activations", "both"),
                         help="none, activations or both (default: activations, but none where "
                              "these have one bit or are no integers, or where weights are "
                              "block-scaled)")
    numbers.add_argument("--requant", "--contract", metavar="CONTRACT", dest="contract",
                         default="half_up", help="contract of every layer of sums and of every "
                                                 "concatenation (default: %(default)s)")
    numbers.add_argument("--scheme", metavar="SCHEME", default="exact",
                         help=f"arithmetic of sums of two tensors: {', '.join(units.SCHEMES)} "
                              "(default: %(default)s)")
    numbers.add_argument("--window", metavar="N", type=integer, default=16,
                         help="number of exponents of block-scaled tensors (default: %(default)s)")
    ranges = parser.add_argument_group("ranges")
    ranges.add_argument("--method", metavar="METHOD", default="mse",
                        help="what chooses the range of a tensor from the examples: "
                             f"{', '.join(METHODS)}, perhaps with options as in "
                             "percentile:percentile=99.9 (default: %(default)s)")
    ranges.add_argument("--weight-ranges", choices=("max", "least_error"), default="max",
                        help="range of weights: up to the largest, or that of the least squared "
                             "error, which is better at 2 and 3 bits (default: %(default)s)")
    ranges.add_argument("--per", choices=("channel", "tensor"), default="channel",
                        help="what has a scale of its own in the weights (default: %(default)s)")
    ranges.add_argument("--unify", choices=WAYS, default=WAYS[0],
                        help="what tensors that meet in a sum or a concatenation have in common: "
                             "nothing, scales that are powers of two apart, or one range "
                             "(default: %(default)s)")
    ranges.add_argument("--equalize", action="store_true",
                        help="let neighbouring layers share the ranges of their weights, which "
                             "matters with --per tensor (arXiv 1906.04721)")
    ranges.add_argument("--correct-bias", action="store_true",
                        help="let each bias make good what quantization moves the mean of the "
                             "layer's sums by (arXiv 1906.04721)")
    ranges.add_argument("--classifier", action="store_true",
                        help="only the largest output matters: choose the output's range to keep "
                             "it apart from the others")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Parse the arguments, quantize and print; return the exit status."""
    arguments = parser()
    args = arguments.parse_args(argv)
    console = Console()
    with arguments.reported():
        weights, activations = (_format(args, name) for name in ("weights", "activations"))
        if args.zero_points is None:
            args.zero_points = usual_zero_points(weights, activations)
        contracts.parse(args.contract)
        units.parse(args.scheme)
        method_of(args.method)
        if args.labels is not None and args.inputs is None:
            raise ValueError(f"Labels must be given with --inputs, not {args.labels} alone")
        out, qonnx = _outputs(args)
        with reporting(None if args.json else console, "exactmac quantize") as report, \
                np.errstate(all="ignore"):  # what overflows is refused
            report("reading", None)
            real = _read(args.model)
            calibration = read_reals(args.calibration, "Calibration", real.input_shape)
            _check_signs(activations, args.zero_points, calibration)
            x = calibration if args.inputs is None else read_reals(
                args.inputs, "Inputs", real.input_shape)
            labels = None if args.labels is None else read_labels(
                args.labels, len(x), int(np.prod(real.shapes[real.output])))
            report("quantizing", None)
            own = equalize(real) if args.equalize else real
            network = quantize_network(own, calibration, **{
                name: getattr(args, name) for name in _NUMBERS if name != "equalize"})
            report("measuring", None)
            levels = run(network, quantize(x, network.input), prove(network))
            errors = tensor_errors(own, network, x, levels)
            accuracy = None if labels is None else _accuracy(real, network, x, labels, levels)
            said = None
            if qonnx is not None:
                report("proving the QONNX file", None)
                said = qonnx_model(network).SerializeToString()
        if out is not None:
            save(network, out)
        if qonnx is not None and said is not None:
            write_file("Qonnx", qonnx, said)
    shown = QuantizeReport(
        network.name, args.model, {name: getattr(args, name) for name in _NUMBERS},
        _samples(calibration, args.calibration),
        _samples(x, args.calibration if args.inputs is None else args.inputs), errors, accuracy,
        args.out, args.qonnx, None if qonnx is None else ties_note(network) or None)
    if args.json:
        print(json.dumps(shown.to_json(), indent=2))
    else:
        _print(console, args, shown)
    return 0


def _format(args: argparse.Namespace, name: str) -> Format:
    try:
        return parse(getattr(args, name))
    except ValueError as error:
        raise ValueError(f"{name.capitalize()}: {error}") from None


def _outputs(args: argparse.Namespace) -> tuple[Path | None, Path | None]:
    out, qonnx = (None if text is None else apart(output_file(title, text), title, args)
                  for title, text in (("Out", args.out), ("Qonnx", args.qonnx)))
    if out is not None and qonnx is not None and out.resolve() == qonnx.resolve():
        raise ValueError(f"Qonnx must be another file than the network, not {qonnx}")
    return out, qonnx


def _read(path: str) -> FloatNetwork:
    ready = f"exactmac network {path} takes it as it is"
    try:
        kind = kind_of(path)
        if kind != "onnx":
            title = {"tflite": "a TFLite model", "qonnx": "a QONNX model",
                     "saved": "a saved network"}[kind]
            raise ValueError(f"Model must be a float ONNX file, not {title}: {ready}")
        return read_float(path)
    except QuantizedModel as error:
        raise ValueError(f"{error}: {ready}") from None
    except ModuleNotFoundError as error:  # the package that parses the file
        raise ValueError(str(error)) from error


def _check_signs(fmt: Format, zero_points: str, calibration: np.ndarray):
    # A hidden result below 0 may well become 0; an input would lose half of what it says.
    movable = zero_points != "none" and isinstance(fmt, IntFormat)
    if fmt.min >= 0 and not movable and (least := calibration.min()) < 0:
        raise ValueError(f"Activations must have a format with levels below 0, or a zero point, "
                         f"for a calibration with numbers down to {least:.6g}, not {fmt}")


def _accuracy(real: FloatNetwork, network: Network, x: np.ndarray, labels: np.ndarray, levels
              ) -> Accuracy:
    [name] = network.outputs
    own, scaled = network.quantization(name), network.quantization(name).scale
    numbers = levels[name]
    numbers = (dequantize(np.moveaxis(numbers, -1, 0), own).T if np.ndim(scaled)
               else dequantize(numbers, own))
    return Accuracy(len(x), *(int(np.sum(np.argmax(each.reshape(len(x), -1), axis=1) == labels))
                              for each in (run_float(real, x), numbers)))


def _samples(x: np.ndarray, path: str) -> str:
    return f"{len(x)} sample{'s' * (len(x) > 1)} of {path}"


def _print(console: Console, args: argparse.Namespace, shown: QuantizeReport):
    steps = {"equalize": ", layers equalized", "correct_bias": ", biases corrected"}
    more = "".join(text for name, text in steps.items() if getattr(args, name))
    measured = "the same" if args.inputs is None else shown.measured
    lines = [f"{printable(shown.network)}: weights {args.weights} per {args.per}, activations "
             f"{args.activations}, zero points {args.zero_points}, contract {args.contract}",
             f"ranges by {args.method} from {shown.calibrated}{more}; errors with {measured}"]
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
    Console(width=max(console.width, 100)).print(table(shown.tensors))
    lines = [LEGEND]
    if shown.accuracy is not None:
        lines.append(f"accuracy  {shown.accuracy}")
    if shown.out is not None:
        lines.append(f"written   {shown.out}; try: exactmac network {shown.out}")
    if shown.qonnx is not None:
        lines.append(f"written   {shown.qonnx}; try: exactmac compare {shown.qonnx}")
    if shown.note is not None:
        lines.append(shown.note)
    console.print("\n".join(lines), markup=False, highlight=False, soft_wrap=True)
