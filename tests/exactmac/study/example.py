"""A made-up study, as ``study.json`` has it."""

from exactmac.study import report
from exactmac.study.workflows import BALANCED, POST, TUNED, WIDTHS, workflow_table

BITS = {"8": 8, "4": 4, "3": 3, "2": 2, "ternary": 2, "binary": 1}
NAMES = {"ternary": "ternary", "binary": "binary"}
LOSSES = {POST: [0.0, 0.4, 1.1, 5.0, 5.5, 38.0], BALANCED: [0.2, 0.9, 1.4, 4.0, 5.5, 30.0],
          TUNED: [-0.1, 0.1, 0.3, 0.6, 0.7, 1.4]}


def point(workflow, width, loss, place):
    bits = BITS[width]
    runs = [{"seed": seed, "accuracy": 0.98 - (loss + 0.1 * seed) / 100, "float_accuracy": 0.98,
             "loss": loss + 0.1 * seed, "bit_operations": 4736 * bits * bits,
             "file": f"{workflow}-{width}-seed{seed}.npz", "reason": None,
             "verified": {"vectors": 64, "elements": 4736, "mismatches": 0}} for seed in range(3)]
    cost = {"macs": 4736, "bit_operations": 4736 * bits * bits, "stored_bytes": 592 * bits + 600,
            "moved_bytes": 600 * bits + 900, "memory": "SRAM", "arithmetic_pj": 200.0 * bits,
            "sram_pj": 700.0 + 100 * bits, "dram_pj": 0.0}
    weights = NAMES.get(width, f"s{width}n")
    return {
        "name": f"digits-{workflow}-{width}", "data": "digits", "workflow": workflow,
        "width": width, "weights": weights, "activations": f"s{bits}",
        "about": {"network": "64-64-10", "<b>calibration</b>": "</script><script>broken()"},
        **report.summary(runs), **report.costs_of(cost), "samples": 540, "cycles": 20_000,
        "tiles": [f"mac_{weights}_2x2x8"], "blocks": ["multipliers"], "simulator": "Verilator 5",
        "area": {target: {"total": 1000 * bits + 500 + 10 * place, "lut": 900 * bits, "carry": 50,
                          "ff": 700, "dsp": 0, "ram": 3} for target in ("ecp5", "xc7")},
        "layers": [{"name": "dense0", "kind": "Dense", "weights": weights, "shape": [64, 64],
                    "input": f"s{bits}", "output": f"s{bits}", "contract": "half_up", "macs": 4096,
                    "bit_operations": 4096 * bits * bits, "effective_bits": bits - 0.3}],
        "runs": runs, "commands": {"build": f"exactmac build {workflow}.npz --rows 2",
                                   "compare": f"exactmac network {workflow}.npz"}}


def study(**changes):
    points = [point(workflow, width, loss, place) for place, (workflow, losses)
              in enumerate(LOSSES.items()) for width, loss in zip(WIDTHS, losses, strict=True)]
    report.mark_fronts(points, ["ecp5", "xc7"])
    return {
        "version": 1, "quick": True, "shape": {"rows": 2}, "targets": ["ecp5", "xc7"],
        "widths": list(WIDTHS), "points": points, "fits": report.fits(points),
        "sizes": [{"data": "digits", "width": width, "results": [
            {"size": 1 << size, "seed": seed, "accuracy": 0.97 - top / (1 + size) + seed / 200}
            for size in range(9) for seed in range(2)]} for width, top in (("4", 0.1), ("2", 0.4))],
        "codes": [{"data": "digits", "width": "4", "levels": list(range(-7, 8)),
                   "before": [10, 20, 50, 100, 200, 400, 700, 900, 700, 400, 200, 100, 50, 20, 10],
                   "after": [257] * 15, "bits_before": 3.1, "bits_after": 3.9}],
        "workflows": workflow_table(points, left_out={(TUNED, "8"): "not asked for"}),
        "command": "exactmac study --quick", "exactmac": "0.1.0", **changes}
