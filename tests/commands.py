"""Commands that run within a test."""

__all__ = ["outcome"]


def outcome(main, capsys, *arguments):
    """Run a command's ``main``; return its exit status, and what it wrote to both streams."""
    try:
        status = main([str(each) for each in arguments])
    except SystemExit as stop:
        status = stop.code
    return status, *capsys.readouterr()
