"""Pages of reference, made of the code and of the texts beside this file."""

from exactmac.docs.pages import PAGES, page

__all__ = ["PAGES", "page"]
