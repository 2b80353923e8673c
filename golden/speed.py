"""Measures the speed of golden's requantization: ``python -m golden.speed``.

Prints millions of accumulators per second and core for every contract, with random s32
accumulators and 8-bit outputs (4-bit for ``thresholds``). The measure is processor time, the best
of several runs, so that other work on the machine changes little.
"""

if __name__ == "__main__":
    from golden.command import run
    run("golden.speed")


import time
from collections.abc import Mapping

import numpy as np

from golden import contracts
from golden.command import Parser
from golden.contracts import CONTRACTS, LFSR_BITS, S32, Clamped, Stochastic, Thresholds
from golden.formats import Format, IntFormat
from golden.multipliers import scale_parameters
from golden.ranges import levels_range
from golden.requantize import requantize
from golden.thresholds import threshold_parameters

__all__ = ["accumulators_per_second", "main"]

CHANNELS = 64


def accumulators_per_second(name: str, *, per_channel: bool, count: int = 1 << 21,
                            runs: int = 7) -> float:
    """Measure accumulators per second of the contract ``name``.

    Parameters
    ----------
    name : str
    per_channel : bool
        Whether each of 64 channels has its own bias and scale, or thresholds.
    count, runs : int
        Number of accumulators, and of runs.
    """
    own = contracts.parse(name)
    output = {"none": None, "thresholds": IntFormat(4)}.get(name, IntFormat(8))
    rng = np.random.default_rng(0)
    sums = rng.integers(-2**31, 2**31, (count // CHANNELS, CHANNELS), dtype=np.int32)
    draws = rng.integers(1, 1 << LFSR_BITS, sums.shape) if isinstance(own, Stochastic) else None
    parameters = _parameters(name, output, CHANNELS if per_channel else 1)
    times = []
    for _ in range(runs):
        start = time.process_time()
        requantize(sums, own, output, parameters, draws=draws)
        times.append(time.process_time() - start)
    return sums.size / min(times)


def _parameters(name: str, output: Format | None, channels: int) -> Mapping[str, int | np.ndarray]:
    # All but the outermost accumulators stay within the output.
    own, total = contracts.parse(name), contracts.parse(name).sum_format(levels_range(S32))
    bias, real = np.arange(channels), np.geomspace(2.0**-25, 2.0**-24, channels)
    match own:
        case Thresholds():
            assert output is not None
            return {"bias": bias} | threshold_parameters(real / 16, output, total)
        case Clamped():
            assert output is not None
            addend = {"addend": bias} if "addend" in own.fields(levels_range(S32), output) else {}
            return {"bias": bias, **scale_parameters(own, real, total), **addend,
                    "zero_point": 3, "clamp_min": output.min, "clamp_max": output.max}
    return {"bias": bias}


def main(argv: list[str] | None = None) -> int:
    """Parse the command line, which has no arguments, and print the table; return the status."""
    Parser(prog="python -m golden.speed", allow_abbrev=False,
           description="Measure how fast golden requantizes, by every contract."
           ).parse_args(argv)
    print("M accumulators/s per core   per tensor   per channel")
    for name in CONTRACTS:
        speeds = [accumulators_per_second(name, per_channel=each) / 1e6 for each in (False, True)]
        print(f"{name:<26} {speeds[0]:>11.0f} {speeds[1]:>13.0f}", flush=True)
    return 0
