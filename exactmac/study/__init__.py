"""A study: what each bit costs and saves, workflow by workflow, on one page.

``exactmac study --quick`` runs a small one; ``--help`` tells the rest.
"""

from exactmac.study.command import FIRST, main, parser

__all__ = ["FIRST", "main", "parser"]
