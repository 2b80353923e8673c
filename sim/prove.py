"""``python -m sim.prove`` is ``exactmac prove``."""

if __name__ == "__main__":
    from golden.command import run
    run("exactmac.prove")
