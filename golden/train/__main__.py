"""``python -m golden.train``: trains the committed results, or prints their table."""

if __name__ == "__main__":
    from golden.command import run
    run("golden.train")
