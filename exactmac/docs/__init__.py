"""Reference pages, from the code and from the texts in this folder."""

from exactmac.docs.pages import PAGES, page

__all__ = ["PAGES", "page"]
