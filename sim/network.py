"""``python -m sim.network`` is ``exactmac network``."""

if __name__ == "__main__":
    from golden.command import run
    run("exactmac.network")
