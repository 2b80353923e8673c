"""What a command that ends early says of the results that it keeps."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from golden.command import keeping

__all__ = ["kept_in", "said"]


@contextmanager
def kept_in(folder: Path, kept: Callable[[], str]) -> Iterator[None]:
    """Let an interruption, and an error of a file, say what is kept.

    Parameters
    ----------
    folder : Path
        Folder that option ``--out`` names, and that the block writes to.
    kept : callable
        Returns what is kept, such as ``3 results are kept in build``.

    Raises
    ------
    OSError
        What the block raised, with the file and with what is kept.
    """
    with keeping(kept):
        try:
            yield
        except OSError as error:
            own = said(error)
            if isinstance(error.filename, str):
                place = Path(error.filename)
                if place.is_relative_to(folder) or folder.is_relative_to(place):
                    own = f"Out must be writable, not {place} ({error.strerror})"
            raise OSError(f"{own}; {kept()}") from error


def said(error: OSError) -> str:
    """Return an error's reason and file for a message: the system's words without their number."""
    if error.strerror is None:
        return str(error)
    return error.strerror if error.filename is None else f"{error.strerror}: {error.filename}"
