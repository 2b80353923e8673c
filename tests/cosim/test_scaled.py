"""Block-scaled operands in emitted Verilog: sums in the window, and the flag of blocks outside."""

from dataclasses import replace

import numpy as np
import pytest

from exactmac.options import config_of, parser
from hw import drive
from sim import jobs
from sim.vectors import corner_phase, random_phase
from sim.verify import verify
from sim.verilator import available
from tests.compiled import compiled

pytestmark = pytest.mark.skipif(available() is not None, reason=str(available()))

SHAPE = "--rows 2 --cols 2 --depth 256 --channels 16".split()
DEFAULT = ["--weights mx_e2m1 --activations mx_e4m3fn --output e4m3fn",
           "--weights mx_s8 --activations mx_s8 --output s8 --requant half_even --outputs 2"]
MORE = [
    *(f"--weights mx_{element} --activations mx_{element} --output {element} --lanes 8"
      for element in ("e5m2", "e3m2", "e2m3", "e2m1", "e4m3fn", "cfloat8_1_5_2", "odd4")),
    "--weights mx_s2n --activations u8 --output u8 --requant tflite --window 8",
    "--weights binary --activations mx_u4 --requant none --window 64 --lanes 32",
    "--weights mx_e4m3fn:specials=propagate --activations mx_e5m2:specials=propagate "
    "--output e5m2:specials=propagate --window 24 --lanes 2",
    "--weights mx_codebook:-7/-3/0/3/7 --activations codebook2:loaded=s4 --output s8 --window 1",
]


@pytest.mark.parametrize("arguments", [
    *DEFAULT, *(pytest.param(each, marks=pytest.mark.slow) for each in MORE)])
def test_verilog_is_golden_and_flags_what_is_outside(rng, arguments):
    config = config_of(parser().parse_args([*SHAPE, *arguments.split()]))
    backend = compiled(config)
    phases = [corner_phase(config, rng), random_phase(config, rng, jobs=400)]
    verify(config, backend, phases, jobs.expected(config, phases), subject="Verilog",
           simulator="Verilator")

    # The base of one job moved so far that nothing, or not all, is in its window.
    phase = random_phase(config, rng, jobs=60)
    want, job = jobs.expected(config, [phase]), 20
    for by in (-config.window, -1, 0, 1, config.window):
        base = phase.base.copy()
        base[job] = np.clip(base[job] + by, 0, 508)
        levels, trace = jobs.run(config, backend, [replace(phase, base=base)], stall=0.3)
        bit = config.outputs * config.output_format.bits
        flags = (trace.data[:, bit // 8] >> bit % 8 & 1).reshape(len(want), -1)
        mine = slice(phase.beats[:job].sum(), phase.beats[:job + 1].sum())
        x, w = (codes[mine] if (codes := phase.exponents.get(name)) is not None
                else np.full((phase.beats[job], 1), 127) for name in ("activations", "weights"))
        shifts = x[:, :, None] + w[:, None, :] - base[job]
        outside = bool(((shifts < 0) | (shifts >= config.window)).any())
        assert outside or abs(by) < config.window or base[job] != phase.base[job] + by
        np.testing.assert_array_equal(flags, np.arange(60)[:, None] >= (job if outside else 60)
                                      + np.zeros_like(flags))
        others = np.arange(60) != job
        np.testing.assert_array_equal(levels[others], want[others])


@pytest.mark.slow
@pytest.mark.parametrize("output", [
    "mx_bit", "mx_codebook:1/24/44/71", "mx_codebook:-100/-7/0/3", "mx_u16"])
def test_verilog_of_every_kind_of_block_is_golden(rng, output):
    config = config_of(parser().parse_args([
        *"--weights s4 --activations s4 --rows 1 --cols 32 --lanes 1 --depth 16 --outputs 16 "
         "--channels 64 --output".split(), output]))
    phases = [corner_phase(config, rng), random_phase(config, rng, jobs=400)]
    verify(config, compiled(config), phases, jobs.expected(config, phases), subject="Verilog",
           simulator="Verilator")


def test_blocks_outside_of_the_window_are_refused(rng):
    config = config_of(parser().parse_args([*SHAPE, *DEFAULT[0].split()]))
    exponents = {"activations": np.full((2, 1), 127), "weights": np.array([[100], [130]])}
    parameters = random_phase(config, rng, jobs=1).parameters
    with pytest.raises(ValueError, match=r"^Combined exponent of block .* must be in range "
                                         r"\[227, 242\], not 257$"):
        list(drive.matmul_phases(config, np.zeros((2, 4), int), np.zeros((2, 4), int),
                                {name: values[:2] for name, values in parameters.items()},
                                exponents=exponents))
