# amaranth: UnusedElaboratable=no

import pytest
from amaranth.hdl import ResetInserter, Signal

from golden.formats import IntFormat, parse
from hw.tile.fields import Fields
from hw.tile.parameters import ParameterStore
from sim.streams import run

RECORDS = {
    "5 bits": {"a": parse("s3"), "b": parse("u2")},
    "32 bits": {"a": parse("s16"), "b": parse("u16")},
    "33 bits": {"a": parse("u16"), "b": parse("s16"), "c": parse("s1")},
    "76 bits": {"a": parse("s12"), "b": parse("u16"), "c": parse("s16"), "d": parse("u16"),
                "e": parse("s16")},
}


def random_records(rng, record, count):
    return [{name: fmt.min + int.from_bytes(rng.bytes(16)) % (fmt.max - fmt.min + 1)
             for name, fmt in record.items()} for _ in range(count)]


def words_of(record, values):
    """Words of records, unused bits of a last one set."""
    words = []
    bits = sum(fmt.bits for fmt in record.values())
    count = -(-bits // 32)
    for each in values:
        packed, lsb = -1 << bits, 0
        for name, fmt in record.items():
            packed |= (each[name] & (1 << fmt.bits) - 1) << lsb
            lsb += fmt.bits
        words += [packed >> 32 * w & 0xffffffff for w in range(count)]
    return words


def as_dicts(dut, records):
    return [{name: records[k][name] for name in dut.record if name not in dut.apart}
            for k in range(dut.outputs)]


async def write(ctx, dut, words):
    for position, word in enumerate(words):
        ctx.set(dut.i.p.word, word)
        ctx.set(dut.i.p.last, position == len(words) - 1)
        ctx.set(dut.i.valid, 1)
        while True:
            _, _, ready = await ctx.tick().sample(dut.i.ready)
            if ready:
                break
    ctx.set(dut.i.valid, 0)


async def read(ctx, dut, bank, index):
    """Records ``latency`` cycles after their address."""
    ctx.set(dut.address.bank, bank)
    ctx.set(dut.address.index, index)
    await ctx.tick()
    ctx.set(dut.address.index, 0)
    for _ in range(dut.latency - 1):
        await ctx.tick()
    return as_dicts(dut, ctx.get(dut.records))


@pytest.mark.parametrize("channels, outputs", [(1, 1), (5, 1), (8, 2), (6, 2), (16, 4), (4, 4)])
@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_records_come_back(rng, record, channels, outputs):
    dut = ParameterStore(record=record, channels=channels, outputs=outputs, max_jobs=3)
    sets = [random_records(rng, record, channels) for _ in range(3)]
    seen = []

    async def testbench(ctx):
        assert not ctx.get(dut.ready)
        for values in sets:
            await write(ctx, dut, words_of(record, values))
            assert ctx.get(dut.ready)
            bank = ctx.get(dut.current)
            got = []
            for index in range(channels // outputs):
                got += await read(ctx, dut, bank, index)
            seen.append((bank, got))

    run(dut, testbench)
    assert [got for _, got in seen] == sets
    assert seen[0][0] != seen[1][0] != seen[2][0]


APART = {
    "in front and behind": ({"a": parse("s12"), "b": parse("u16"), "c": parse("u16"),
                             **{f"t{k}": IntFormat(33) for k in range(5)}, "z": parse("s16")}, 5),
    # A field more would end in the last word, were there one.
    "padded": ({"a": IntFormat(32), **{f"t{k}": IntFormat(33) for k in range(31)},
                "z": parse("s5")}, 31),
    "wide": ({"a": IntFormat(40), **{f"t{k}": IntFormat(70) for k in range(3)}}, 3),
    "last": ({"a": parse("u5"), **{f"t{k}": IntFormat(33) for k in range(2)}}, 2),
}


@pytest.mark.parametrize("channels, outputs", [(5, 1), (6, 2)])
@pytest.mark.parametrize("record, count", APART.values(), ids=APART)
def test_fields_apart_leave_as_they_arrive(rng, record, count, channels, outputs):
    """Once each, of whole sets, of records beyond the store, and after one that is cut."""
    apart = [name for name in record if name.startswith("t")]
    dut = ParameterStore(record=record, channels=channels, outputs=outputs, max_jobs=3,
                         apart=apart)
    sets = [random_records(rng, record, channels + extra) for extra in (0, 2, 0)]
    seen, found = [], {}

    async def watch(ctx):
        async for _, _, field in ctx.tick().sample(dut.field):
            for slot in (slot for slot in range(outputs) if field.valid >> slot & 1):
                key = field.bank, field.index * outputs + slot, apart[field.number - 1]
                assert key not in found
                value, fmt = field.value, record[apart[0]]
                found[key] = value - (value >> fmt.bits - 1 << fmt.bits)

    async def testbench(ctx):
        words = len(words_of(record, sets[0][:1]))
        for values in sets:
            await write(ctx, dut, words_of(record, values[:2])[:words + 2])  # cut
            found.clear()
            await write(ctx, dut, words_of(record, values))
            bank = ctx.get(dut.current)
            got = [each for index in range(-(-channels // outputs))
                   for each in await read(ctx, dut, bank, index)]
            for at, each in enumerate(got):
                seen.append(each | {name: found.pop((bank, at, name)) for name in apart})
            assert not found

    run(dut, testbench, monitors=[watch])
    assert seen == [each for values in sets for each in values[:channels]]
    assert count == len(apart)


def test_fields_apart_must_be_longer_than_a_word():
    with pytest.raises(ValueError, match="^Bits must be more than the 32 of a word, not 32$"):
        Fields(before=3, bits=32, count=2)


def test_a_read_per_cycle(rng):
    record = RECORDS["33 bits"]
    dut = ParameterStore(record=record, channels=8, outputs=2, max_jobs=3)
    values = random_records(rng, record, 8)
    order = rng.integers(4, size=30).tolist()
    seen = []

    async def testbench(ctx):
        await write(ctx, dut, words_of(record, values))
        ctx.set(dut.address.bank, ctx.get(dut.current))
        for index in [*order, *[0] * dut.latency]:
            seen.append(as_dicts(dut, ctx.get(dut.records)))
            ctx.set(dut.address.index, index)
            await ctx.tick()

    run(dut, testbench)
    assert seen[dut.latency:] == [values[2 * index:2 * index + 2] for index in order]


@pytest.mark.parametrize("channels, outputs", [(3, 1), (4, 1), (4, 2), (6, 2), (2, 2)])
@pytest.mark.parametrize("record", ["5 bits", "33 bits"])
def test_words_beyond_the_store_are_dropped(rng, record, channels, outputs):
    record = RECORDS[record]
    dut = ParameterStore(record=record, channels=channels, outputs=outputs, max_jobs=3)
    long = random_records(rng, record, 3 * channels + 1)
    short = random_records(rng, record, 1)
    seen, whole = [], []

    async def testbench(ctx):
        for values in (long, long[::-1], short):
            await write(ctx, dut, words_of(record, values))
            bank = ctx.get(dut.current)
            whole.append(ctx.get(dut.whole))
            seen.append([each for index in range(channels // outputs)
                         for each in await read(ctx, dut, bank, index)])

    run(dut, testbench)
    assert seen[0] == long[:channels]
    assert seen[1] == long[:-channels - 1:-1]
    assert seen[2][0] == short[0]  # the rest is of no interest
    assert whole == [channels // outputs, channels // outputs, 1 // outputs]


def test_a_set_that_ends_within_a_record(rng):
    record = RECORDS["76 bits"]
    dut = ParameterStore(record=record, channels=4, outputs=2, max_jobs=3)
    cut, whole = random_records(rng, record, 4), random_records(rng, record, 4)
    seen, reads = [], []

    async def testbench(ctx):
        for count in (1, 2, 5, 6, 11, 12):
            await write(ctx, dut, words_of(record, cut)[:count])
            reads.append(ctx.get(dut.whole))
            await write(ctx, dut, words_of(record, whole))
            bank = ctx.get(dut.current)
            seen.append(await read(ctx, dut, bank, 0) + await read(ctx, dut, bank, 1))

    run(dut, testbench)
    assert seen == [whole] * 6
    assert reads == [0, 0, 0, 1, 1, 2]  # of two records each, of three words


class Model:
    """What the store's control is to do, one cycle at a time, and traffic that it may meet."""

    def __init__(self, rng, dut, sets):
        self.rng, self.dut, self.sets = rng, dut, sets
        self.words = [(word, k == len(words) - 1) for values in sets
                      for words in [words_of(dut.record, values)] for k, word in enumerate(words)]
        self.closed = 0
        self.jobs = []  # numbers of the sets of the jobs under way, oldest first
        self.doomed = []  # those of jobs that will be dropped, with their cycles
        self.met = {"same": 0, "other": 0, "waits": 0, "full": 0, "with last": 0, "drops": 0}

    async def __call__(self, ctx):
        dut, rng = self.dut, self.rng
        expected = [None] * dut.latency  # what is read now, and later
        position = 0
        mood = 0.5
        for cycle in range(3000):
            if cycle % 40 == 0:  # now and then jobs pile up, or run out
                mood = rng.choice([0.1, 0.5, 0.9])
            writing = self.closed
            # Banks take turns, so the set being written shares one with the set before last.
            under_way = [*self.jobs, *(used for used, _ in self.doomed)]
            free = not any(used == writing - 2 for used in under_way)
            assert all(used in (writing - 1, writing - 2) for used in under_way)
            offered = position < len(self.words) and rng.random() < 0.7
            word, last = self.words[position] if offered else (0xffffffff, 1)
            ctx.set(dut.i.valid, bool(offered))
            ctx.set(dut.i.p.word, word)
            ctx.set(dut.i.p.last, last)
            assert ctx.get(dut.ready) == (self.closed > 0)
            if self.closed:
                assert ctx.get(dut.current) == (self.closed - 1) % 2

            accept = self.closed > 0 and len(under_way) < dut.max_jobs and rng.random() < mood
            drops = bool(self.doomed) and self.doomed[0][1] == cycle
            ctx.set(dut.drop.valid, drops)
            ctx.set(dut.drop.bank, self.doomed[0][0] % 2 if drops else int(rng.integers(2)))
            finish = bool(self.jobs) and rng.random() < 0.5
            ctx.set(dut.accept, bool(accept))
            ctx.set(dut.finish.valid, finish)
            ctx.set(dut.finish.bank, self.jobs[0] % 2 if finish else int(rng.integers(2)))
            bank, index, wanted = int(rng.integers(2)), 0, None
            if self.jobs:
                used = self.jobs[0]
                values = self.sets[used]
                index = int(rng.integers(min(len(values), dut.channels) // dut.outputs))
                bank = used % 2
                wanted = values[index * dut.outputs:(index + 1) * dut.outputs]
            ctx.set(dut.address.bank, bank)
            ctx.set(dut.address.index, index)
            assert ctx.get(dut.i.ready) == free, f"cycle {cycle}"
            if (now := expected.pop(0)) is not None:
                assert as_dicts(dut, ctx.get(dut.records)) == now
            expected.append(wanted)

            transfer = offered and free
            self.met["waits"] += offered and not free
            self.met["full"] += len(under_way) == dut.max_jobs
            self.met["drops"] += drops and finish and accept or dut.max_jobs == 1
            self.met["with last"] += bool(transfer and last and accept)
            if accept and finish:
                self.met["same" if self.jobs[0] == self.closed - 1 else "other"] += 1
            if finish:
                self.jobs.pop(0)
            if drops:
                self.doomed.pop(0)
            if accept and rng.random() < 0.3:
                self.doomed.append((self.closed - 1, cycle + 2))
            elif accept:
                self.jobs.append(self.closed - 1)
            if transfer:
                position += 1
                self.closed += last
            await ctx.tick()
        assert position > len(self.words) // 4


@pytest.mark.parametrize("outputs, max_jobs", [(1, 8), (2, 1), (4, 3)])
def test_banks_in_traffic(rng, outputs, max_jobs):
    dut = ParameterStore(record=RECORDS["33 bits"], channels=8, outputs=outputs,
                         max_jobs=max_jobs)
    sets = [random_records(rng, dut.record, int(rng.integers(outputs, 11)))
            for _ in range(120)]
    model = Model(rng, dut, sets)
    run(dut, model)
    # Each situation was met: both in one cycle on one bank and on two, and so on.
    needed = set(model.met) - ({"same", "other"} if max_jobs == 1 else set())
    assert all(model.met[name] for name in needed), model.met


@pytest.mark.parametrize("cycle", range(1, 16))
def test_reset_at_any_cycle(rng, cycle):
    record = RECORDS["33 bits"]
    dut = ParameterStore(record=record, channels=4, outputs=2, max_jobs=3)
    first, second, third = (random_records(rng, record, 4) for _ in range(3))
    reset = Signal()
    started = iter(words_of(record, first) + words_of(record, second))
    seen = []

    async def testbench(ctx):
        for k in range(cycle):
            ctx.set(dut.i.p.word, next(started))
            ctx.set(dut.i.p.last, k % 8 == 7)
            ctx.set(dut.i.valid, 1)
            ctx.set(dut.accept, ctx.get(dut.ready) and k == 9)  # a job that never finishes
            await ctx.tick()
        ctx.set(dut.accept, 0)
        ctx.set(dut.i.valid, 0)
        ctx.set(reset, 1)
        await ctx.tick()
        ctx.set(reset, 0)
        assert not ctx.get(dut.ready)
        assert ctx.get(dut.i.ready)
        for values in (third, first, second):
            await write(ctx, dut, words_of(record, values))
            assert ctx.get(dut.ready)
            bank = ctx.get(dut.current)
            seen.append(await read(ctx, dut, bank, 0) + await read(ctx, dut, bank, 1))

    run(ResetInserter(reset)(dut), testbench, max_cycles=200)
    assert seen == [third, first, second]


def test_a_word_per_cycle(rng):
    record = RECORDS["76 bits"]
    dut = ParameterStore(record=record, channels=4, outputs=1, max_jobs=3)
    words = words_of(record, random_records(rng, record, 4)) * 3
    cycles = 0

    async def testbench(ctx):
        nonlocal cycles
        ctx.set(dut.i.valid, 1)
        for k, word in enumerate(words):
            ctx.set(dut.i.p.word, word)
            ctx.set(dut.i.p.last, k % 12 == 11)
            _, _, ready = await ctx.tick().sample(dut.i.ready)
            cycles += ready

    run(dut, testbench)
    assert cycles == len(words)
