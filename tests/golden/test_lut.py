"""Tables by name, on the command line."""

import json

import numpy as np
import pytest

from golden import lut
from golden.contracts import Rounding
from golden.formats import parse
from golden.networks import Quantization
from golden.runtimes.tflite_tables import KERNELS
from golden.tables import FUNCTIONS, check_table, tabulate

S8 = parse("s8")


def written(capsys, arguments):
    assert lut.main(arguments.split()) == 0
    return json.loads(capsys.readouterr().out)


def test_every_function(capsys):
    input = Quantization(S8, 0.05, 3)
    for name, output in (("sigmoid", Quantization(S8, 1 / 256, -128)), ("hard_swish", input),
                       ("tanh", Quantization(S8, 1 / 128, 0))):
        table = written(capsys, f"{name} --scale 0.05 --zero-point 3")
        assert table == tabulate(FUNCTIONS[name], input, output).tolist()
        assert written(capsys, f"{name} --scale 0.05 --zero-point 3 --tflite") == KERNELS[
            lut.NAMES[name]](input, output).tolist()
        np.testing.assert_array_equal(check_table(table, S8), table)
    assert set(lut.NAMES) == set(FUNCTIONS) and set(lut.NAMES.values()) == set(KERNELS)


def test_every_option(capsys):
    table = written(capsys, "tanh --format u8 --scale 0.1 --zero-point 9 --to-format u8 "
                            "--to-scale 0.01 --to-zero-point 100 --rounding floor")
    assert table == tabulate(FUNCTIONS["tanh"], Quantization(parse("u8"), 0.1, 9), Quantization(
        parse("u8"), 0.01, 100), Rounding.FLOOR).tolist()
    assert written(capsys, "sigmoid --scale 0.1 --to-format u8")[200] < 2


@pytest.mark.parametrize("arguments, message", [
    ("tanh --scale 0", "Scale must be positive and finite, not 0.0"),
    ("tanh --scale 1 --format s4", "Table must be of an integer format of 8 bits, not s4"),
    ("tanh --scale 1 --to-scale 1 --tflite",
     "Output of TANH must have scale 1/128 and zero point 0, not 1.0 and 0"),
    ("tanh --scale 1 --tflite --rounding half_up",
     "Rounding must be left out for --tflite, whose kernels have their own, not half_up"),
    ("tanh --scale x", "argument --scale: must be a number, not 'x'"),
    ("tanh --scale 1 --zero-point x", "argument --zero-point: must be an integer, not 'x'"),
    ("tanh", "the following arguments are required: --scale"),
    ("cosh --scale 1", None),
])
def test_bad_input(capsys, arguments, message):
    with pytest.raises(SystemExit) as end:
        lut.main(arguments.split())
    said = capsys.readouterr()
    assert end.value.code == 2 and said.out == "" and said.err.count("\n") == 1
    if message is not None:
        assert said.err == f"python -m golden.lut: error: {message}\n"
