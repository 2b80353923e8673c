"""``python -m hw.build`` is ``exactmac build``."""

if __name__ == "__main__":
    from golden.command import run
    run("exactmac.build")
