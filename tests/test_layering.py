"""Who may import whom: golden knows no hardware, hardware no reference arithmetic."""

import ast
import sys
from functools import cache
from graphlib import TopologicalSorter
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DESCRIPTIONS = ("golden.formats", "golden.contracts", "golden.ranges", "golden.networks",
                "golden.units", "golden.inner_products")
ALIASES = ("hw.build", "hw.bench", "sim.network", "sim.prove")
ALLOWED = {
    "golden": ("golden", "numpy"),
    "hw": ("hw", "amaranth", "numpy", "rich", "golden.command", *DESCRIPTIONS),
    "sim": ("sim", "hw", "golden", "amaranth", "numpy", "rich"),
    "exactmac": ("exactmac", "sim", "hw", "golden", "amaranth", "numpy", "rich"),
}
# A host makes and reads tensors, draws and tables; it computes no results.
ALLOWED |= {"hw.drive": (*ALLOWED["hw"], "golden.block_scaled", "golden.lfsr", "golden.tables")}
# What the modules of a wing may import of other wings: a whole wing, or one module of it. The root
# of a package, "", is what all of it uses, and may be imported by every wing.
WINGS = {
    "hw": {
        "": ("arith", "targets.fabric", "tile.config", "tile.ports"),
        "arith": (),
        "targets": ("arith", "heap"),
        "heap": ("targets", "flow.cache"),
        "blocks": ("arith", "targets", "heap"),
        "requantize": ("arith", "targets", "blocks.specials", "tile.config", "tile.parameters"),
        "units": ("targets", "requantize"),
        "tile": ("arith", "targets", "blocks", "requantize"),
        "bus": ("tile",),
        "drive": ("tile",),
        "emit": ("bus", "tile", "flow.cache", "flow.tools"),
        "flow": ("blocks", "emit", "tile.components"),
    },
    "golden": {
        "": ("contracts", "floats", "formats", "layers", "networks", "quantize",
             "runtimes.tflite_tables"),
        "formats": (),
        "contracts": ("formats",),
        "networks": ("contracts", "formats"),
        "floats": ("formats", "networks"),
        "runtimes": ("contracts", "formats", "networks"),
        "layers": ("contracts", "formats", "networks", "runtimes"),
        "readers": ("contracts", "floats", "formats", "networks", "runtimes"),
        # What a file means is the reader's to say.
        "writers": ("contracts", "formats", "layers", "networks", "runtimes.qonnx",
                    "readers.contents", "readers.qonnx.exact", "readers.qonnx.steps"),
        "quantize": ("contracts", "floats", "formats", "layers", "networks",
                     "runtimes.onnx_ops"),
        "train": ("floats", "formats", "networks", "quantize"),
    },
}
# Imported only when their function is called, by those who asked for it.
LAZY = {"golden.train.data": ("sklearn", "mnist1d"),
        "golden.train.estimators": ("jax",), "golden.train.loop": ("jax", "optax"),
        "golden.train.models": ("jax",), "golden.train.packaged": ("sklearn",),
        "golden.readers.sklearn": ("sklearn",),
        "exactmac.plot": ("matplotlib",),
        "exactmac.study.page": ("plotly",),
        "golden.readers.tflite.file": ("tflite",),
        "golden.readers.onnx.file": ("onnx",),
        "golden.writers.graph": ("onnx",),
        "exactmac.oracles.probe": ("onnx",),
        "exactmac.oracles.onnxruntime": ("onnx", "onnxruntime"),
        "exactmac.oracles.qonnx": ("onnx", "qonnx"),
        "exactmac.oracles.tflite_micro": ("tflite_micro",),
        "exactmac.oracles.litert": ("ai_edge_litert",),
        "exactmac.sweep.workers": ("distributed",)}


def _modules():
    for package in ("exactmac", "golden", "hw", "sim"):
        for path in sorted((ROOT / package).glob("**/*.py")):
            yield ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = list(_modules())


def imports(tree):
    """Names of all that a module imports; of ``from a import b`` both ``a`` and ``a.b``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(name, packages):
    return any(name == package or name.startswith(package + ".") for package in packages)


@cache
def parse(module):
    path = ROOT / Path(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(path.read_text())


@cache
def imported(module):
    return frozenset(imports(parse(module)))


def may_import(module, name):
    package = "hw.drive" if within(module, ["hw.drive"]) else module.split(".")[0]
    allowed = (*ALLOWED[package], *LAZY.get(module, ()))
    if name.split(".")[0] in sys.stdlib_module_names:
        return True
    # Of `from golden import formats`, the second name is the one that counts.
    if name == "golden" and allowed != ALLOWED["hw"]:
        return True
    return within(name, allowed) or any(d.startswith(name + ".") for d in allowed)


def test_imports():
    assert not [(module, name) for module in MODULES for name in imported(module)
                if not may_import(module, name)]


def wing(module):
    """Name of the folder within its package that a module stands in; the root is ""."""
    _, first, *rest = module.split(".")
    return first if rest or (ROOT / module.replace(".", "/")).is_dir() else ""


def other_wings(module):
    """Modules of other wings of its package, but for the root, that a module imports."""
    package = module.split(".")[0]
    return (name for name in imported(module) & set(MODULES)
            if name.startswith(f"{package}.") and wing(name) not in (wing(module), ""))


def test_wings():
    modules = [name for name in MODULES if name.split(".")[0] in WINGS and "." in name
               and name not in ALIASES]
    assert not [(module, name) for module in modules for name in other_wings(module)
                if not within(name.split(".", 1)[1], WINGS[module.split(".")[0]][wing(module)])]


def test_no_modules_import_each_other():
    """Neither in turn nor through others: of any two, at most one is above the other."""
    graph = {name: imported(name) & set(MODULES) - {name} for name in MODULES}
    # A package imports what it names; that a module imports names of its package is no cycle.
    list(TopologicalSorter({name: {each for each in used if not name.startswith(f"{each}.")}
                            for name, used in graph.items()}).static_order())


def test_aliases_are_entered_by_nobody():
    assert not [module for module in MODULES if imported(module) & set(ALIASES)]


@pytest.mark.parametrize("module", ALIASES)
def test_an_alias_only_runs_the_command(module):
    """It alone may name ``exactmac`` outside of that package."""
    lines = (ROOT / f"{module.replace('.', '/')}.py").read_text().splitlines()
    assert len(lines) <= 10
    assert lines[-3:] == ['if __name__ == "__main__":', "    from golden.command import run",
                          f'    run("exactmac.{module.split(".")[1]}")']


def test_nothing_else_names_the_front_doors():
    others = [name for name in MODULES if not name.startswith("exactmac") and name not in ALIASES]
    texts = [(module, node.value) for module in others for node in ast.walk(parse(module))
             if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    assert not [(module, text) for module, text in texts
                if text.startswith("exactmac.") and text != "exactmac."]


@pytest.mark.parametrize("module", sorted(LAZY))
def test_lazy_imports_are_in_functions(module):
    for node in parse(module).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            assert not within(next(imports(ast.Module([node], []))), LAZY[module])


def test_all_names_exist():
    """A missing comma in ``__all__`` makes one name of two."""
    loaded = {module: import_module(module) for module in MODULES}
    assert not [(module, name) for module, each in loaded.items()
                for name in getattr(each, "__all__", ()) if not hasattr(each, name)]


def test_what_others_import_is_in_all():
    names = ((module, *name.rpartition(".")) for module in MODULES
             for name in imported(module) - set(MODULES))
    assert not [(module, owner, member) for module, owner, _, member in names
                if owner in MODULES and member not in import_module(owner).__all__]


def test_a_forbidden_import_is_seen():
    """The check itself: what it must refuse, it refuses."""
    names = set(imports(ast.parse("from golden import ops\nimport golden.requantize")))
    assert {"golden.ops", "golden.requantize"} <= names
    assert not any(within(name, ALLOWED["hw"]) for name in ("golden.ops", "golden.requantize"))
