"""A study: what each bit costs and saves, workflow by workflow, on one page.

``exactmac study --quick`` runs it in minutes; ``--help`` tells the rest.
"""

from exactmac.study.command import FIRST, main, parser

__all__ = ["FIRST", "main", "parser"]
