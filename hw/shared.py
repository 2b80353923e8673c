# amaranth: UnusedElaboratable=no
"""Components that are emitted once, and instantiated wherever an equal one is used."""

import inspect
import re
from abc import abstractmethod
from collections.abc import Hashable, Mapping
from typing import Self

from amaranth.back import rtlil  # pyright: ignore[reportAttributeAccessIssue] - not in the stubs
from amaranth.hdl import ClockSignal, Const, Instance, Module, ResetSignal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from hw.lint import equal_widths

__all__ = ["Shared", "Emission", "constructed"]


class Shared(wiring.Component):
    """Component that its class and constructor parameters determine.

    Amaranth elaborates and simulates it like any other. When Verilog is emitted, with an
    :class:`Emission` as the platform, an ``Instance`` takes its place. Components of equal class
    and parameters share one module; its ports have the names of the members.

    Subclasses define :meth:`body` in place of ``elaborate``, and keep each constructor parameter
    as an attribute of the same name. A reset or an enable must be a port: ``ResetInserter`` and
    ``EnableInserter`` do not reach into an ``Instance``.
    """

    def elaborate(self, platform) -> Module | Instance:
        if isinstance(platform, Emission) and platform.root is not self:
            return platform.instance(self)
        return self.body(platform)

    @abstractmethod
    def body(self, platform) -> Module:
        """Return the module, as ``elaborate`` would."""

    @property
    def shared_key(self) -> tuple[type, Hashable]:
        """Key of equal components: the class, and each parameter.

        A parameter that is a component counts by its own key.
        """
        return type(self), tuple(constructed(self).values())

    def twin(self) -> Self:
        """Return another component of equal parameters."""
        return type(self)(**{name: getattr(self, name) for name in constructed(self)})


def constructed(design: object) -> dict[str, Hashable]:
    """Return the constructor parameters of ``design`` by name, from its attributes."""
    _, *parameters = inspect.signature(type(design).__init__).parameters.values()
    return {each.name: _hashable(getattr(design, each.name)) for each in parameters
            if each.kind is not each.VAR_KEYWORD}


def _hashable(value) -> Hashable:
    if isinstance(value, Shared):
        return value.shared_key
    return tuple(value.items()) if isinstance(value, dict) else value


def _ports(component: wiring.Component) -> dict[str, tuple[Value, bool]]:
    """Ports by name: value, and True for an input."""
    ports = {}
    for path, member, value in component.signature.flatten(component):
        value = Value.cast(value)
        # Left out: the ready of a stream that is always ready, and values without bits.
        if not isinstance(value, Const) and len(value):
            ports["__".join(map(str, path))] = value, member.flow == In
    return ports


def _plain(module: str) -> str:
    """Return a module without aliases and wires of no bits, so that its Verilog reads well.

    Amaranth gives each field and element of a payload a wire of its own, such as
    ``i__payload.sum`` or ``i[3]``. Nothing else refers to these wires.
    """
    alias = r"\\[^\s.\[]+[.\[]\S*"
    empty = "|".join(re.escape(name) for name in re.findall(r"wire width 0 (\\\S+)", module))
    names = f"(?:{alias}|{empty})" if empty else alias
    return re.sub(rf"(?m)^ *(?:wire width \d+ (?:signed )?{names}|connect {names} .*)\n", "",
                  module)


class Emission:
    """Emission of one design: a platform that collects shared modules as RTLIL.

    Parameters
    ----------
    name : str
        Name of the top module, and prefix of every other module's name.
    renamed : mapping of str to str, optional
        New names for ports of the top module.
    """

    def __init__(self, name: str, renamed: Mapping[str, str] | None = None):
        self.name = name
        self.renamed = renamed or {}
        self.root = None
        self._modules: dict[tuple[type, Hashable], tuple[str, str]] = {}

    def rtlil(self, top: wiring.Component) -> str:
        """Return the RTLIL of ``top``, called :attr:`name`, and of all its modules."""
        text = self._convert(top, self.name, self.renamed)
        parts = [text.replace(" attribute \\top 1\n", "").replace("attribute \\top 1\n", "")
                 for _, text in self._modules.values()]
        text = re.sub(r"(?ms)^module .*?^end$", lambda module: equal_widths(_plain(module[0])),
                      "\n".join([text, *parts]))
        # Modules of components that are not shared are named by their path.
        return re.sub(rf"\\{self.name}[\w.]*", lambda path: path[0].replace(".", "_"), text)

    def instance(self, component: Shared) -> Instance:
        """Return an instance of the module of ``component``; a new module is converted."""
        key = component.shared_key
        if key not in self._modules:
            kind = re.sub(r"(?<!^)(?=[A-Z])", "_", type(component).__name__).lower()
            alike = sum(other[0] is type(component) for other in self._modules)
            name = f"{self.name}_{kind}" + (f"_{alike + 1}" if alike else "")
            self._modules[key] = name, ""  # listed before its own submodules
            self._modules[key] = name, self._convert(component, name)
        name, text = self._modules[key]
        ports = {("i_" if is_input else "o_") + port: value
                 for port, (value, is_input) in _ports(component).items()}
        # A module has a clock and a reset only where it has registers.
        if re.search(r"^\s*wire .*input \d+ +\\clk$", text, re.MULTILINE):
            ports["i_clk"] = ClockSignal()
        if re.search(r"^\s*wire .*input \d+ +\\rst$", text, re.MULTILINE):
            ports["i_rst"] = ResetSignal(allow_reset_less=True)
        return Instance(name, **ports)

    def _convert(self, component, name: str, renamed: Mapping[str, str] | None = None) -> str:
        outer, self.root = self.root, component
        try:
            return rtlil.convert(component, name=name, platform=self, emit_src=False, ports=[
                ((renamed or {}).get(port, port), value, None)
                for port, (value, _) in _ports(component).items()])
        finally:
            self.root = outer
