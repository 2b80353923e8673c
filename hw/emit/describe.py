"""Manifest of a tile, for the authors of drivers."""

from typing import Any

from golden.contracts import LFSR_BITS, LFSR_TAPS, Clamped, Scaled
from golden.formats import BLOCK, EXPONENT_BIAS, BlockScaled, IntFormat, element_of
from golden.inner_products import offset
from golden.ranges import Range, levels_range
from hw.bus.axi_tile import AxiTile
from hw.payload import Payload
from hw.tile.config import TileConfig
from hw.tile.prepared import FORMULAS

__all__ = ["manifest"]


def _shifts(c: TileConfig) -> Range | None:
    return c.contract.shift_range(c.sum_format) if isinstance(c.contract, Scaled) else None


def _draws() -> dict[str, str]:
    """Describe the random states of contract ``stochastic``, as :mod:`golden.lfsr` has them."""
    bits, taps = LFSR_BITS, [tap for tap in LFSR_TAPS if tap]
    powers = [f"x^{tap}" for tap in (bits, *taps)]
    return {
        "polynomial": " + ".join([*powers, "1"]),
        "sequence": f"s[t + {bits}] = " + " ^ ".join(
            [*(f"s[t + {tap}]" for tap in taps), "s[t]"]),
        "state": f"{bits} bits of it, the oldest one highest, never 0; a draw advances it by "
                 f"{bits} bits",
        "order": "one draw per output, in row-major order of the tensor; the job's states are what "
                 "the first output of each of its rows draws, and column c draws c draws later",
    }


def _table(c: TileConfig, name: str) -> str:
    """Describe the words of a loaded table."""
    if name == "lut":
        return "code k at bits [8 * (k % 4), 8 * (k % 4) + 8) of word k // 4"
    fmt = getattr(c, name)
    # Unused codes of an operand never occur; a result is compared with the levels of all codes.
    rest = "; ascending, the highest in all words that are left" * (name == "output")
    return f"level of code k in word k, {fmt.range} in its lowest bits{rest}"


def _formula(c: TileConfig) -> dict[str, Any]:
    """Describe the way from a sum to its result."""
    correction = " - weight_zero_point * row_sum" * (c.zero_points == "both")
    term = " + weights_term" * (c.inner_product != "direct")
    levels = "integers" if isinstance(c.output_format, IntFormat) else f"levels of {c.output}"
    return {
        "formula": c.contract.formula(c.output_format),
        "x": f"sum{correction}{term} + bias, {c.sum_format}",
        "rounded_to": levels if isinstance(c.contract, Clamped) else None,
        **({"exponent": _exponent(c.output)} if isinstance(c.output, BlockScaled) else {}),
    }


def _weights_term(c: TileConfig) -> dict[str, str]:
    """Describe what a driver subtracts from each bias for an inner product of codes."""
    pairs = f"sum((w[2k] + {offset(c.weights)}) * (w[2k+1] + {offset(c.weights)})) + "
    return {
        "formula": f"{pairs * (c.inner_product == 'winograd')}{offset(c.activations)} * sum(w)",
        "over": f"weights w of a channel, with zeros up to a multiple of {c.lanes} lanes",
        "driver": "subtracts it from the channel's bias, for the tile's sums have it",
    }


def _exponent(fmt: BlockScaled) -> str:
    """Describe the code of a block's exponent."""
    most = fmt.max.bit_length() - 1
    return (f"largest that any of the block's {BLOCK} results asks for: floor(log2(abs(v))) - "
            f"{most} + {EXPONENT_BIAS}, between exponent_min and exponent_max, where v is the "
            f"result of exponent {EXPONENT_BIAS}, neither rounded nor clamped; exponent_min where "
            f"v is 0, or of a sign that the clamp takes away")


def _prepared(c: TileConfig) -> dict[str, str]:
    """Describe the fields that a driver computes."""
    most = levels_range(c.stored["room"]).hi
    return {name: formula.format(most=most) for name, formula in FORMULAS.items()}


def manifest(tile: AxiTile, name: str, **more) -> dict[str, Any]:
    """Describe a tile: formats, shape, timing, ports, record, contract, and ``more``."""
    c = tile.config
    record = Payload.of({field: element_of(fmt) for field, fmt in c.stored.items()})
    return {
        "name": name,
        "config": c.to_json(),
        "accumulator": str(c.accumulator),
        "sum_plus_bias": str(c.sum_format),
        "output": str(c.output_format),
        "latency": {"cycles": tile.tile.latency,
                    "from": "transfer of a job's last beat", "to": "its first output offered"},
        "throughput": {"products_per_cycle": c.macs, "beats_per_cycle": 1,
                       "outputs_per_cycle": c.outputs,
                       "beats_of_a_job_that_keep_the_block_busy": c.steps},
        "requantization": {
            "contract": c.contract.name, **_formula(c),
            "shift": ([shifts.lo, shifts.hi] if (shifts := _shifts(c)) else None),
            **({"draws": _draws()} if c.draws else {})},
        **({"lut": {"after": c.contract.name, "order": "codes 0 to 255"}}
           if c.lut is not None else {}),
        "job": {"min_beats": 1, "max_beats": c.max_beats, "groups": c.groups,
                "outputs": c.rows * c.cols, "output_transfers": c.steps},
        "parameters": {"tables": [{"name": name, "words": words, "layout": _table(c, name)}
                                  for name, words in c.head.items()],
                      "words_per_record": c.words if c.parameters is None else 0,
                      "records": c.groups * c.cols, "record": record.to_json(),
                      **({"prepared": _prepared(c)} if c.prepared else {}),
                      **({"weights_term": _weights_term(c)} if c.inner_product != "direct"
                         else {})},
        "ports": [{
            "name": port.name, "direction": "in" if port.is_input else "out",
            "tdata_bits": 8 * port.bytes, "payload_bits": port.payload.bits,
            "tlast": port.payload.last or None, "fields": port.payload.to_json(),
        } for port in tile.ports],
        "clock": tile.clocking.clock, "reset": f"{tile.clocking.reset} (active low, synchronous)",
        "error": "error (set by a job out of range or a wrong operand tlast, until reset)",
        **more,
    }
