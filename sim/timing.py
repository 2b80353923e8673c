# amaranth: UnusedElaboratable=no
"""Model of the cycles in which a tile makes its transfers.

The model has the tile's control alone, its latency and its queues, and is written from
docs/design.md. No cycle depends on data: the offered beats and the stalls determine all. So the
model reveals faults that only cost cycles, with stalls and without.
"""

from collections import Counter, deque

from golden.formats import BLOCK, BlockScaled
from hw.delay import FIFO_LATENCY
from hw.tile.config import TileConfig
from hw.tile.jobs import JOB_QUEUE
from hw.tile.ports import payloads, ports
from hw.tile.tile import MacTile
from sim.backend import Plan

__all__ = ["REASONS", "Timing"]

REASONS = ("parameters", "weights", "results", "latency")
"""Reasons for which a block gets no beat in a cycle (:meth:`Timing.run`)."""


class _Queue:
    # A SyncFIFOBuffered: an item can be read FIFO_LATENCY cycles after it is written.

    def __init__(self, depth: int):
        self.most, self.inner, self.front = depth - 1, deque(), None

    def clock(self, written, transferred: bool):
        moves = bool(self.inner) and (self.front is None or transferred)
        if moves:
            self.front = self.inner.popleft()
        elif transferred:
            self.front = None
        if written is not None:
            self.inner.append(written)

    @property
    def full(self) -> bool:
        return len(self.inner) == self.most


class Timing:
    """Cycles of a tile's transfers in a run of legal traffic.

    Parameters
    ----------
    config : TileConfig
    """

    def __init__(self, config: TileConfig):
        self.config = config
        tile = MacTile(config)
        self.latency = tile.latency
        self.to_totals = tile.total_latency
        self.to_release = tile.release_latency
        # Transfers that wait for the last of their block, since they share an exponent.
        shared = isinstance(config.output, BlockScaled)
        self.gathered = BLOCK // config.outputs if shared else 1
        self.to_queue = tile.latency - tile.total_latency - FIFO_LATENCY - (self.gathered - 1)

    def cycles(self, plan: Plan) -> int:
        """Cycles until the final output, including its own."""
        return self.transfers(plan)["final"]["m_axis_o"] + 1

    def transfers(self, plan: Plan) -> dict[str, dict[str, int]]:
        """First, final and total cycle of the transfers of each port, as in a `Trace`."""
        transfers, _ = self.run(plan)
        return {"first": {name: each[0] for name, each in transfers.items()},
                "final": {name: each[-1] for name, each in transfers.items()},
                "total": {name: sum(each) for name, each in transfers.items()}}

    def run(self, plan: Plan) -> tuple[dict[str, list[int]], Counter[str]]:
        """Cycles of the transfers of each port by name, and the reasons of the other cycles.

        The reasons are counted for the cycles in which the block gets no beat: ``parameters`` while
        a job waits for its set, ``weights`` while a job waits for its operands, ``results`` while
        its last beat waits for the outputs of earlier jobs to leave, and ``latency`` before the
        first job and after the last beat. Beats and reasons together are all cycles.
        """
        c = self.config
        names = [port.name for port in ports(c)]
        output = names.index("m_axis_o")
        inputs = {name: beats for name, beats in zip(names, plan.beats, strict=True)
                  if beats is not None}
        sources = []
        for name, beats in inputs.items():
            after = [(names.index(other), counts.tolist())
                     for other, counts in beats.after.items()]
            sources.append((names.index(name), len(beats.last), after))
        job, activations, weights = (names.index(f"s_axis_{name}")
                                     for name in ("job", "activations", "weights"))
        has_sets = "s_axis_parameters" in names
        words = names.index("s_axis_parameters") if has_sets else -1
        closes = inputs["s_axis_parameters"].last.tolist() if has_sets else []
        sizes = payloads(c)["i_job"].unpack(inputs["s_axis_job"].data, "beats").tolist()

        moved, offers = [0] * len(names), [False] * len(names)
        cycles: list[list[int]] = [[] for _ in names]
        steps, queue = c.steps, self.latency
        jobs, results = _Queue(JOB_QUEUE), _Queue(queue)
        writing, users, current = 0, [0, 0], not has_sets
        beat = backlog = promised = under_way = remaining = bank = held = 0
        arriving, finishing, results_due = deque(), deque(), deque()
        stalls, reasons = plan.stalls.tolist(), Counter[str]()
        total, end = len(sizes), plan.limit

        for cycle in range(plan.limit + Plan.WATCH):
            if cycle > end:
                break
            stalled = stalls[cycle % len(stalls)]
            for index, count, after in sources:
                if not offers[index] and not stalled[index] and moved[index] < count:
                    offers[index] = True
                    for other, counts in after:
                        if moved[other] < counts[moved[index]]:
                            offers[index] = False

            # Transfers of this cycle, from the state before it.
            accepts = offers[job] and current and not jobs.full
            writes = has_sets and offers[words] and not users[writing]
            size, of_bank = jobs.front or (0, 0)
            last = beat + 1 == size
            enters = (size > 0 and offers[activations] and offers[weights]
                      and (not last or (promised <= queue and not backlog)))
            leaves = results.front is not None and not stalled[output]
            step = remaining > 0 and under_way != queue

            for index, moves in ((job, accepts), (words, writes), (activations, enters),
                                 (weights, enters), (output, leaves)):
                if moves:
                    moved[index] += 1
                    offers[index] = False
                    cycles[index].append(cycle)
            if not enters and end == plan.limit:
                waits = moved[job] < total and not accepts
                reasons["results" if size and offers[activations] and offers[weights] else
                        "weights" if size else
                        "parameters" if waits else "latency"] += 1
            if leaves and moved[output] == plan.due[output]:
                # A set that no job waits for may still come, while the simulation watches.
                end = cycle + Plan.WATCH

            # The clock rises. The result of a step, or of its block, reaches the queue later.
            if step:
                if remaining == 1 and has_sets:
                    finishing.append((cycle + self.to_release, bank))
                held += 1
                if held == self.gathered:
                    at = cycle + self.to_queue
                    results_due.extend(range(at, at + held))
                    held = 0
            written = None
            if results_due and results_due[0] == cycle:
                written = results_due.popleft()
            results.clock(written, leaves)
            promised += (steps if enters and last else 0) - leaves
            under_way += step - leaves
            if enters and last:
                backlog = steps - 1
                arriving.append((cycle + self.to_totals - 1, of_bank))
            elif backlog:
                backlog -= 1
            remaining -= step
            if arriving and arriving[0][0] == cycle:
                remaining, bank = steps, arriving.popleft()[1]
            if finishing and finishing[0][0] == cycle:
                users[finishing.popleft()[1]] -= 1
            if accepts:
                users[1 - writing] += 1
            beat = 0 if enters and last else beat + enters
            jobs.clock((sizes[moved[job] - 1], 1 - writing) if accepts else None, enters and last)
            if writes and closes[moved[words] - 1]:
                writing, current = 1 - writing, True
        return {name: each for name, each in zip(names, cycles, strict=True) if each}, reasons
