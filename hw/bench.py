"""``python -m hw.bench`` is ``exactmac bench``."""

if __name__ == "__main__":
    from golden.command import run
    run("exactmac.bench")
