"""Files that describe a tile to other tools: Verilog, templates, testbench, manifest."""

from hw.emit.describe import manifest
from hw.emit.rtl import NameTaken, check_clocking, check_name, modules, verilog
from hw.emit.templates import core, template

__all__ = ["NameTaken", "check_clocking", "check_name", "core", "manifest", "modules", "template",
           "verilog"]
