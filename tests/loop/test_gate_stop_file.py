"""A stop file beside the gate: the gate reads no file, a step says that one lay there, and so does the journal."""

from collections.abc import Sequence

from msgspec.structs import replace

from schemas import wire
from schemas.events import Blocked, Event, JournalEntry, Verdict
from schemas.raw import RawBatch
from streams.loop.decode import make_decode
from streams.loop.gate import Gate, GateSettings
from streams.loop.processor import STOPPED_HERE_US, Now
from streams.loop.role import Role
from streams.loop.step import journal_entry, replay_step, take_step
from tests.loop.gate_bench import ACT, ACTIONS, SECOND, START, Bench, closed, control, proposal

WHY = "a stop file lies on the gate's machine, until flyball rearm --local there"
LOOP = "lab"


def started() -> Bench:
    bench = Bench(levels=ACT)
    bench.start()
    return bench


def verdict_of(events: Sequence[Event]) -> Verdict:
    (verdict,) = (event for event in events if isinstance(event, Verdict))
    return verdict


def told(events: Sequence[Event]) -> list[dict[str, int]]:
    return [event.until_us for event in events if isinstance(event, Blocked)]


def test_nothing_is_allowed_while_it_is_there_and_what_was_wanted_is_proposed_again_afterwards() -> None:
    bench = started()
    bench.stopped_here = True
    said = bench.give(proposal("p-1"))
    verdict = verdict_of(said)
    assert (verdict.verdict, verdict.decided_by, verdict.action) == ("deny", "pause", None)
    assert {check.name: check.detail for check in verdict.checks if not check.passed} == {"pause": WHY, "control": WHY}
    assert told(said) == [{"loop": 0}]

    bench.us += SECOND
    bench.stopped_here = False
    assert told(bench.give(closed("e9"))) == [{"loop": bench.us}]
    assert verdict_of(bench.give(proposal("p-3"))).verdict == "allow"


def test_it_is_told_in_a_step_without_any_input() -> None:
    bench = started()
    for stopped in (True, False):
        bench.us += SECOND
        bench.stopped_here = stopped
        assert told(bench.tick()) == [{"loop": 0 if stopped else bench.us}]
        assert bench.tick() == []


def test_orders_change_nothing_about_it() -> None:
    bench = started()
    bench.stopped_here = True
    bench.give(control("rearm", "loop", "rearmed"), control("pause", "loop", "running"))
    assert verdict_of(bench.give(proposal("p-1"))).decided_by == "pause"


def test_after_it_fewer_actions_may_run_at_a_time_as_after_any_stop() -> None:
    bench = Bench(settings=GateSettings(ramp_us=60 * SECOND), levels=ACT)
    bench.start()
    bench.us += 120 * SECOND
    bench.stopped_here = True
    bench.tick()
    bench.stopped_here = False
    answers = [
        verdict_of(bench.give(proposal(f"p-{n}", entity=f"e{n}", episode=f"episode-e{n}", time_us=bench.us)))
        for n in range(2)
    ]
    assert [(one.verdict, one.decided_by) for one in answers] == [("allow", None), ("deny", "concurrency")]


def test_it_outlives_a_snapshot() -> None:
    bench = started()
    bench.stopped_here = True
    bench.give(proposal("p-1"))
    heir = Bench(levels=ACT)
    heir.gate.restore(bench.gate.snapshot())
    assert heir.gate.snapshot() == bench.gate.snapshot()
    heir.us += SECOND
    assert told(heir.give(proposal("p-2", action="none"))) == [{"loop": heir.us}]


def test_the_journal_says_so_and_a_replay_comes_to_the_same_verdicts() -> None:
    steps = [(START, START), (START + SECOND, STOPPED_HERE_US), (START + 2 * SECOND, START + 2 * SECOND)]
    batches = [
        batch(0, control("settings", "loop", "own"), control("pause", "loop", "running"), topic="control"),
        batch(0, proposal("p-1", episode="", pattern="novel"), topic="policy"),
        batch(1, proposal("p-2", episode="", pattern="novel"), topic="policy"),
    ]
    first, entries, said = role(), [], []
    for number, (now, raw) in enumerate(zip(steps, batches, strict=True)):
        output = take_step(first, [raw], Now(*now), loop=LOOP)
        said += [event for event in output.events if isinstance(event, Verdict)]
        entry = journal_entry(
            output, loop=LOOP, role="gate", partition=0, step=number, code="c", settings_hash="own", instance="i"
        )
        entries.append(written(entry))
    assert [(one.verdict, one.decided_by) for one in said] == [("deny", "pause"), ("allow", None)]

    again = role()
    assert [replay_step(again, entry, [raw], loop=LOOP) for entry, raw in zip(entries, batches, strict=True)] == [
        None
    ] * 3
    other = role()
    heard = [replace(entry, control_heard_us=entry.time_us) for entry in entries]
    differences = [replay_step(other, entry, [raw], loop=LOOP) for entry, raw in zip(heard, batches, strict=True)]
    assert [one is None for one in differences] == [True, False, False]


def role() -> Role:
    gate = Gate(GateSettings(), loop=LOOP, settings_hash="own", actions=ACTIONS, levels=ACT)
    return Role(name="gate", loop=LOOP, processors=[gate], decode=make_decode())


def batch(offset: int, *events: Event, topic: str) -> RawBatch:
    messages = [wire.encode(event, loop=LOOP) for event in events]
    return RawBatch(
        topic=topic,
        partition=0,
        offsets=[offset + number for number in range(len(messages))],
        keys=[message.key for message in messages],
        values=[message.value for message in messages],
        headers=[message.headers for message in messages],
    )


def written(entry: JournalEntry) -> JournalEntry:
    """Return the entry as it is read from the topic."""
    message = wire.encode(entry, loop=LOOP, topic="journal-gate")
    read = wire.decode("journal-gate", message.value, message.headers)
    assert isinstance(read, JournalEntry)
    return read
