"""Write the reference pages: ``python -m exactmac.docs [FOLDER]``, by default ``docs``."""

from pathlib import Path

from exactmac.docs.pages import PAGES, page
from golden.command import Parser, output_file, write_file

__all__ = ["main", "parser"]


def parser() -> Parser:
    """Return the parser of the command."""
    parser = Parser(prog="python -m exactmac.docs", description=(
        f"Write {' and '.join(PAGES)}, as the code has the formats and the contracts."))
    parser.add_argument("folder", metavar="FOLDER", nargs="?", default="docs", type=Path,
                        help="existing folder (default: docs)")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Parse the arguments and write the pages."""
    arguments = parser()
    folder = arguments.parse_args(argv).folder
    if not folder.is_dir():
        arguments.error(f"Folder must be an existing one, not {str(folder)!r}")
    try:
        files = [output_file("Page", str(folder / name)) for name in PAGES]
        for file in files:
            write_file("Page", file, page(file.name).encode())
    except (OSError, ValueError) as error:
        arguments.error(str(error))


if __name__ == "__main__":
    main()
