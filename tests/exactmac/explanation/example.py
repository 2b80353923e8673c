"""Explanations of networks that no file has: of the size and the shape that a test asks for."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import prod
from typing import Any

__all__ = ["AGREEMENTS", "HOSTILE", "chain", "explanation", "operator", "resnet"]

SAMPLES = 32
AGREEMENTS = ("all", "runtimes", "differ", "alone")
# Names that would be markup, templates, addresses or members of objects if they were not escaped.
HOSTILE = (
    "</script><script>window.broken = 1</script>", "<!--<script>",
    "]]><img src=x onerror=alert(1)>", "\"'><svg onload=window.broken=1>", "javascript:alert(1)",
    "$policy ${data} $$", "__proto__", "constructor", "100%", "%zz", "a#b?c", "a b\n\tc",
    "\u2028\u2029\0", "\ud800 alone", "\u202eright", "", "operator", "graph", "/", ";", "é/日本語",
    "long/" * 100)
RUNTIMES = ("tflite-micro", "litert", "litert-reference")
CONTRACTS = ("tflite", "onnx", "half_up")

# Groups of equal answers for each agreement; the reference's first.
GROUPS = {
    "all": [("tflite-micro", "litert", "litert-reference", "tflite", "onnx", "half_up")],
    "runtimes": [("tflite-micro", "litert", "litert-reference", "tflite"), ("onnx",), ("half_up",)],
    "differ": [("tflite-micro", "litert-reference", "tflite"), ("litert", "onnx"), ("half_up",)],
    "alone": [("tflite-micro",)],
}


def cost(macs: int, moved: int) -> dict[str, Any]:
    return {"macs": macs, "bit_operations": 64 * macs, "stored_bytes": moved // 2,
            "moved_bytes": moved, "memory": "SRAM" if moved < 468 * 1024 else "DRAM",
            "arithmetic_pj": 0.3 * macs, "sram_pj": 1.25 * moved, "dram_pj": 0.0}


def first(shape: Sequence[int], group: int) -> dict[str, Any]:
    exact = Fraction((37 << 31) + group, 1 << 32)
    return {"index": [0, *(size // 2 for size in shape)], "exact": str(exact),
            "decimal": f"{float(exact):.20f}", "level": 18 + group % 2, "reference": 19 - group % 2}


def answers(agreement: str, shape: Sequence[int], elements: int) -> Iterable[dict[str, Any]]:
    for group, names in enumerate(GROUPS[agreement]):
        for name in names:
            yield {"name": name, "kind": "contract" if name in CONTRACTS else "runtime",
                   "group": group, "differ": group * elements // 50, "largest": group,
                   "first": first(shape, group) if group else None, "outputs_differ": 24 * group,
                   "outputs_largest": 3 * group, "accuracy": 0.875 - group / SAMPLES, "reason": ""}
    yield {"name": "litert-builtin", "kind": "runtime", "group": -1, "differ": 0, "largest": 0,
           "first": None, "outputs_differ": 0, "outputs_largest": 0, "accuracy": None,
           "reason": "it fuses this operator into the next"}


def operator(name: str, inputs: Sequence[str], kind: str = "Conv2d",
             shape: Sequence[int] = (8, 8, 16), agreement: str = "all",
             macs: int = 0) -> dict[str, Any]:
    """Return an operator whose answers have that agreement."""
    size = prod(shape)
    return {"name": name, "operator": kind, "inputs": list(inputs), "place": 22,
            "shape": list(shape), "quantization": "s8, scale 0.0393936, zero point -128",
            "arithmetic": "contract tflite", "elements": SAMPLES * size,
            "cost": cost(macs, 3 * size), "agreement": agreement,
            "answers": list(answers(agreement, shape, SAMPLES * size))}


def explanation(operators: Sequence[dict[str, Any]], outputs: Sequence[str] = ()) -> dict[str, Any]:
    """Return the explanation of a network; its outputs are the last operator's by default."""
    outputs = list(outputs or [operators[-1]["name"]])
    total = sum(each["elements"] for each in operators if each["name"] in outputs)
    costs = {key: sum(each["cost"][key] for each in operators)
             for key, value in operators[0]["cost"].items() if key != "memory"}
    return {
        "model": "models/pretrainedResnet_quant.tflite", "kind": "tflite",
        "network": "pretrainedResnet_quant", "samples": SAMPLES,
        "inputs": "32 random inputs (seed 0) over the whole range of each input",
        "reference": "tflite-micro", "outputs": outputs, "accuracy": 0.875,
        "runtimes": [
            *({"name": name, "version": "2.3.0", "status": "compared", "reason": "",
               "checked": sum(each["elements"] for each in operators), "mismatches": 0,
              "rounded": 0}
              for name in RUNTIMES),
            {"name": "onnxruntime", "version": None, "status": "reads other files", "reason": "",
             "checked": 0, "mismatches": 0, "rounded": 0},
            {"name": "litert-builtin", "version": "2.3.0", "status": "refused",
             "reason": "int16 ADD depends on the processor", "checked": 0, "mismatches": 0,
             "rounded": 0}],
        "contracts": [
            {"name": name, "layers": len(operators), "kept": 0,
             "outputs_differ": place * total // 7, "outputs": total, "largest": 2 * place,
             "equal_to": [] if place else ["tflite-micro", "litert-reference"],
             "accuracy": 0.875 - place / SAMPLES, "reason": ""}
            for place, name in enumerate(CONTRACTS)] + [
            {"name": "qonnx", "layers": 0, "kept": 0, "outputs_differ": 0, "outputs": total,
             "largest": 0, "equal_to": [], "accuracy": None,
             "reason": "the scale of each channel must be a power of two"}],
        "operators": list(operators), "costs": {**costs, "memory": "SRAM"},
        "sentence": "with contract tflite this network is bit for bit tflite-micro, on these "
                    "inputs; with onnx, 30.3 % of the outputs differ"}


def resnet(blocks: int = 3) -> dict[str, Any]:
    """Return a residual network of that many blocks, named as TensorFlow's converter names it."""
    def conv(index: int, given: str, shape: Sequence[int], agreement: str = "differ") -> str:
        name = (f"model/activation_{index}/Relu;model/batch_normalization_{index}/FusedBatchNormV3;"
                f"model/conv2d_{index}/BiasAdd/ReadVariableOp/resource;model/conv2d_{index}/Conv2D1")
        operators.append(operator(name, [given], "Conv2d", shape, agreement, 1_179_648))
        return name

    operators: list[dict[str, Any]] = []
    last = conv(0, "input_1_int8", (32, 32, 16))
    for block in range(blocks):
        width = max(32 >> block, 2)
        shape = (width, width, min(16 << block, 512))
        inner = conv(3 * block + 1, last, shape)
        outer = conv(3 * block + 2, inner, shape, "runtimes")
        beside = conv(3 * block + 3, last, shape) if block else last
        last = f"model/add_{block}/add"
        operators.append(operator(last, [beside, outer], "Add", shape))
    flat = (64,)
    for name, kind, agreement in (("model/average_pooling2d/AvgPool", "Pool", "all"),
                                  ("model/flatten/Reshape", "Reshape", "all"),
                                  ("model/dense/MatMul;model/dense/BiasAdd", "Dense", "runtimes"),
                                  ("Identity_int8", "Softmax", "alone")):
        operators.append(operator(name, [last], kind, flat if kind != "Softmax" else (10,),
                                  agreement, 640 if kind == "Dense" else 0))
        last = name
    return explanation(operators)


def chain(names: Sequence[str]) -> dict[str, Any]:
    """Return a network of one operator after the other, with these names."""
    return explanation([operator(name, [names[place - 1] if place else "input"], "Dense", (16,),
                                 AGREEMENTS[place % 4], 256) for place, name in enumerate(names)])
