"""Workflows and widths of a study: which runs at which width, and why not where it does not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from exactmac.sweep.committed import POST, SCRATCH, TUNED

__all__ = ["BALANCED", "DYNAMIC", "POST", "SCRATCH", "TUNED", "WIDTHS", "WORKFLOWS", "Workflow",
           "workflow_table"]

WIDTHS = ("8", "4", "3", "2", "ternary", "binary")
"""Widths: bits of each weight and of each layer's input. Ternary weights have inputs of 2 bits,
binary ones of 1 bit."""

BALANCED, DYNAMIC = "balanced", "dynamic"


@dataclass(frozen=True)
class Workflow:
    """A way from a float network to a datapath.

    Parameters
    ----------
    name : str
    meaning : str
        What it does, as a sentence.
    refused : mapping of str to str
        Why it does not run, by width.
    """

    name: str
    meaning: str
    refused: Mapping[str, str] = field(default_factory=dict)


WORKFLOWS = (
    Workflow(DYNAMIC, "Weights are quantized before; activations by the range that each batch has "
                      "at run time.",
             dict.fromkeys(WIDTHS[1:], "its codes have 8 bits, as ONNX's DynamicQuantizeLinear")),
    Workflow(POST, "A float network is quantized with ranges from calibration images."),
    Workflow(BALANCED, "As post-training, but each layer's weights use every level about equally "
                       "often (arXiv 1706.07145)."),
    Workflow(SCRATCH, "A network is trained with quantized weights and inputs from its first "
                      "step."),
    Workflow(TUNED, "A float network is quantized, then trained on."),
)
"""All workflows, in the order of the page."""


def workflow_table(points: Sequence[Mapping], *, left_out: Mapping[tuple[str, str], str]
                   ) -> list[dict]:
    """Return a row for each workflow: what runs at each width, or why nothing does.

    Parameters
    ----------
    points : sequence of mapping
        Points with ``workflow``, ``width``, ``weights``, ``activations`` and ``data``.
    left_out : mapping of (workflow, width) to str
        Why a study leaves out what its workflow could run.
    """
    rows = []
    for workflow in WORKFLOWS:
        cells = {}
        for width in WIDTHS:
            own = [each for each in points
                   if (each["workflow"], each["width"]) == (workflow.name, width)]
            runs = [f"{each['weights']} × {each['activations']}" for each in own]
            reason = workflow.refused.get(width) or left_out.get(
                (workflow.name, width), "no network of that kind is in the results of golden.train")
            cells[width] = {"runs": list(dict.fromkeys(runs))} if runs else {"reason": reason}
        rows.append({"workflow": workflow.name, "meaning": workflow.meaning, "widths": cells})
    return rows
