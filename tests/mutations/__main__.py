"""Apply mutations one by one to copies of the tree, and tell which tests see each.

The likely tests of a mutation run first; where none of them fails and ``--wide`` is given, all of
the default ones; where none of these does and ``--slow`` is given, the slow ones. Results are
appended to a file as they come, a line of JSON each, and what is in it is not run again.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import SimpleQueue

from tests.mutations import MUTATIONS, Mutation

TIMEOUT = 1800
"""Seconds after which a run of tests counts as hanging, and so as having seen the mutation."""


def copy(folder: Path):
    """Copy the files that Git knows, or would take, to ``folder``."""
    names = subprocess.run(["git", "ls-files", "-z", "-co", "--exclude-standard"], check=True,
                           capture_output=True, text=True).stdout.split("\0")
    for name in filter(os.path.exists, filter(None, names)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(name, folder / name)


def failures(folder: Path, cache: Path, tests: list[str], mark: str, every: bool) -> list[str]:
    """Run tests; return those that fail, only the first unless ``every``."""
    command = [sys.executable, "-m", "pytest", "-q", "-rfE", "-p", "no:cacheprovider", "-m", mark,
               "--ignore", "tests/test_mutations.py", *([] if every else ["-x"]), *tests]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT,
                              env={**os.environ, "XDG_CACHE_HOME": str(cache)})
    except subprocess.TimeoutExpired:
        return ["hangs"]
    if done.returncode in (0, 5):  # all passed, or there are none
        return []
    return re.findall(r"(?m)^(?:FAILED|ERROR) (\S+)", done.stdout) or [done.stdout[-500:]]


def run(folder: Path, shared: Path, mutation: Mutation, args: argparse.Namespace
        ) -> tuple[str, list[str]]:
    """Return how the mutation fares, and the tests that fail with it."""
    path, likely = folder / mutation.file, [f"tests/{each}" for each in mutation.tests.split()]
    text = path.read_text()
    if text.count(mutation.old) != 1:
        return "does not apply", []
    stages = [("killed", likely, "not slow")]
    stages += [("killed", ["tests"], "not slow")] if args.wide else []
    stages += [("killed by slow tests", likely, "slow")] if args.slow else []
    stages += [("killed by slow tests", ["tests"], "slow")] if args.slow and args.wide else []
    path.write_text(text.replace(mutation.old, mutation.new))
    try:
        with tempfile.TemporaryDirectory() as own:
            # Models are kept by what they are made of, but for what this program makes of that.
            cache = Path(own) if mutation.file == "sim/verilator.py" else shared
            for verdict, tests, mark in stages:
                if failed := failures(folder, cache, tests, mark, args.every):
                    return verdict, failed
    finally:
        path.write_text(text)
    return "survives", []


def main() -> int:
    """Run what is asked for; return 1 where a mutation survives or does not apply."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("results", type=Path, help="file of results, which is continued")
    parser.add_argument("--only", default="", metavar="REGEX",
                        help="those whose names it is found in")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N",
                        help="copies side by side (default: %(default)s)")
    parser.add_argument("--every", action="store_true",
                        help="tell every likely test that fails, not only the first")
    parser.add_argument("--wide", action="store_true",
                        help="run all default tests where the likely ones pass")
    parser.add_argument("--slow", action="store_true",
                        help="run the slow ones too where the default ones pass")
    args = parser.parse_args()
    lines = args.results.read_text().splitlines() if args.results.exists() else []
    known = {each["mutation"]: each for each in map(json.loads, lines)}
    due = [name for name in MUTATIONS if re.search(args.only, name) and name not in known]
    with tempfile.TemporaryDirectory() as work, ThreadPoolExecutor(args.jobs) as pool:
        folders: SimpleQueue[Path] = SimpleQueue()
        for job in range(args.jobs):
            copy(Path(work, f"tree{job}"))
            folders.put(Path(work, f"tree{job}"))

        def one(name: str) -> dict:
            folder, start = folders.get(), time.perf_counter()
            verdict, tests = run(folder, Path(work, "cache"), MUTATIONS[name], args)
            folders.put(folder)
            return {"mutation": name, "verdict": verdict, "tests": tests,
                    "seconds": round(time.perf_counter() - start, 1)}

        running = [pool.submit(one, name) for name in due]
        for count, done in enumerate(as_completed(running), 1):
            found = done.result()
            known[found["mutation"]] = found
            with args.results.open("a") as file:
                file.write(json.dumps(found) + "\n")
            print(f"{count}/{len(due)} {found['verdict']}: {found['mutation']} "
                  f"({found['seconds']} s) {' '.join(found['tests'][:3])}", flush=True)
    verdicts = [known[name]["verdict"] for name in MUTATIONS if name in known]
    for verdict in dict.fromkeys(verdicts):
        print(f"{verdicts.count(verdict)} {verdict}")
    return int(any(not verdict.startswith("killed") for verdict in verdicts))


if __name__ == "__main__":
    sys.exit(main())
