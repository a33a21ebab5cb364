"""What another gate would have said of a recorded run."""

from collections.abc import Callable, Iterator
from itertools import islice

import msgspec
import pytest

from schemas import wire
from schemas.errors import RecoveryError
from schemas.events import Event, JournalEntry, Verdict
from schemas.raw import RawBatch
from streams.app import make_other_gate
from streams.loop.decode import make_decode
from streams.loop.processor import Now
from streams.loop.role import Decode, Role
from streams.operate.memory_reader import MemoryReader
from streams.operate.topic_reader import StoredRecord
from streams.operate.what_if import what_if
from streams.replay import MemoryLog
from streams.replay.following import follow
from streams.replay.reading import read_events
from streams.replay.what_if import OtherGate, Recorded
from tests.loop import decided
from tests.loop.gate_bench import HOUR, SECOND, control, opened, outcome, proposal
from tests.loop.levels_bench import GOOD
from tests.replay.gate_run import TEXT, GateRun, LevelRun, action_of, settings, verdict_of

EARNING = """
[loop]
name = "lab"
[levels]
default = "approve"
raise = "auto"
[policy]
baseline = "restart"
[gate]
abnormal_share = 1.0
loop_limit = "10000/hour"
pattern_limit = "10000/hour"
escalation_limit = "10000/hour"
failed_least = 1000
[actions.restart]
limit = "10000/hour"
cooldown = "0s"
[actions.recycle]
limit = "10000/hour"
cooldown = "0s"
[actions.shed]
"""


def ask(run: GateRun, name: str, entity: str, **fields: object) -> list:  # type: ignore[type-arg]
    return run.give(proposal(name, entity=entity, episode=f"episode-{entity}", time_us=run.us, **fields))


def busy(run: GateRun, entities: int = 5) -> None:
    """Act on so many entities, ten seconds apart; each action ends well after two seconds."""
    for n in range(entities):
        action = action_of(ask(run, f"p{n}", f"e{n}"))
        run.us += 2 * SECOND
        run.give(outcome(action, "succeeded"))
        run.us += 8 * SECOND


def test_the_run_under_its_own_settings_differs_in_nothing() -> None:
    run = GateRun(settings('loop_limit = "3/hour"'))
    busy(run, 3)
    assert verdict_of(ask(run, "p3", "e3")).decided_by == "loop-budget"
    run.us += 2 * HOUR
    run.tick()
    found = run.what_if(run.settings)
    assert (found.proposals, found.actions_before, found.actions_after) == (4, 3, 3)
    assert not found.differs
    assert (found.cost_before, found.cost_after) == (pytest.approx(0.3), pytest.approx(0.3))
    assert found.missing == ""


def test_a_tighter_limit_removes_actions_and_says_by_which_check() -> None:
    run = GateRun(settings())
    busy(run)
    found = run.what_if(settings('loop_limit = "2/hour"'))
    assert found.kinds == [("allow", "deny (loop-budget)", 3)]
    assert [one.entity for one in found.removed] == ["e2", "e3", "e4"]
    assert found.added == ()
    assert (found.actions_after, found.again, found.assumed) == (2, 3, 0)


def test_a_wider_limit_adds_actions_whose_end_is_assumed_after_the_usual_time() -> None:
    run = GateRun(settings('loop_limit = "2/hour"\nconcurrency = 1'))
    busy(run, 2)
    for n in (2, 3):
        assert verdict_of(ask(run, f"p{n}", f"e{n}")).verdict == "deny"
        run.us += 3 * SECOND
    found = run.what_if(settings("concurrency = 1"))
    # the place of the first is free again after 2 s, as long as the recorded ones took
    assert [one.entity for one in found.added] == ["e2", "e3"]
    assert found.assumed == 2
    assert run.what_if(settings()).actions_after == 4


def test_an_action_that_was_never_reported_blocks_the_other_gate_as_it_did_the_recorded_one() -> None:
    run = GateRun(settings("concurrency = 1"))
    ask(run, "p0", "e0")
    run.us += 5 * SECOND
    assert verdict_of(ask(run, "p1", "e1")).decided_by == "concurrency"
    found = run.what_if(settings("concurrency = 2"))
    assert [one.entity for one in found.added] == ["e1"]
    assert not run.what_if(settings("concurrency = 1")).differs


def test_a_timer_that_only_the_other_gate_has_fires_although_no_step_was_recorded_for_it() -> None:
    run = GateRun(settings("concurrency = 1\noutcome_timeout = '10h'"))
    ask(run, "p0", "e0")
    run.us += HOUR
    assert verdict_of(ask(run, "p1", "e1")).decided_by == "concurrency"
    given_up = run.what_if(settings("concurrency = 1\noutcome_timeout = '1m'"))
    assert [one.entity for one in given_up.added] == ["e1"]


def test_whom_the_other_settings_would_have_asked_counts_as_asked_even_after_the_question_expired() -> None:
    run = GateRun(settings())
    busy(run, 2)
    run.us += 2 * HOUR
    run.give(control("level", "p-9/restart", "act"))
    run.give(control("level", "p-8/restart", "act"))
    found = run.what_if(settings(levels='default = "approve"'))
    assert found.kinds == [("allow", "escalate (approval)", 2)]
    assert (found.asked_before, found.asked_after, found.actions_after) == (0, 2, 0)


def test_a_proposal_repeated_after_a_denial_is_not_made_again_where_the_first_was_let_through() -> None:
    run = GateRun(settings('loop_limit = "1/minute"'))
    busy(run, 1)
    assert verdict_of(ask(run, "first", "e1")).verdict == "deny"
    run.us += 90 * SECOND
    assert verdict_of(ask(run, "again", "e1")).verdict == "allow"
    found = run.what_if(settings())
    assert found.kinds == [("allow", "not proposed again", 1), ("deny (loop-budget)", "allow", 1)]
    assert (found.added, found.removed, found.moved) == ((), (), 1)
    assert found.actions_before == found.actions_after == 2


def test_an_action_that_is_not_declared_any_more_is_denied() -> None:
    run = GateRun(settings())
    busy(run, 1)
    other = settings(text='[loop]\nname = "lab"\n[policy]\nbaseline = "wipe"\n[gate]\n[actions.wipe]\n')
    found = run.what_if(other)
    assert found.kinds == [("allow", "deny (declared)", 1)]
    assert found.not_replayed == ("policy",)
    assert found.cost_after == 0


def test_a_run_under_several_settings_is_followed_as_each_was_activated() -> None:
    run = GateRun(settings())
    busy(run, 1)
    newer = settings('loop_limit = "9/hour"')
    run.restart(newer)
    assert verdict_of(ask(run, "before", "e1")).decided_by == "settings"
    run.us += SECOND
    run.give(control("settings", "loop", newer.settings_hash))
    run.us += SECOND
    ask(run, "after", "e2")
    found = run.what_if(settings('loop_limit = "1/hour"'))
    assert found.kinds == [("allow", "deny (loop-budget)", 1)]
    assert [one.proposal for one in found.removed] == ["after"]


def test_what_people_approved_counts_as_asked_and_as_another_verdict_where_nobody_would_be() -> None:
    run = LevelRun(settings(levels='default = "approve"'))
    for _ in range(2):
        run.decide("restart")
    same, free = run.record.what_if(run.record.settings), run.record.what_if(settings())
    assert not same.differs
    assert (same.asked_before, same.asked_after, same.silent) == (2, 2, 0)
    assert free.kinds == [("allow (approved)", "allow", 2)]
    assert (free.asked_before, free.asked_after, free.moved) == (2, 0, 2)
    asking = GateRun(settings())
    busy(asking, 2)
    assert asking.what_if(settings(levels='default = "approve"')).silent == 2


def test_other_settings_that_let_an_action_do_something_else_are_told_although_no_verdict_changes() -> None:
    run = GateRun(settings())
    busy(run, 1)
    found = run.what_if(settings(text=TEXT + "dry_run = true\n"))
    assert (found.changes, found.done_otherwise) == ((), ("restart",))
    assert run.what_if(run.settings).done_otherwise == ()


def test_an_experience_of_what_only_the_other_gate_did_is_no_evidence_for_its_levels() -> None:
    run = GateRun(settings('loop_limit = "1/minute"'))
    busy(run, 1)
    ask(run, "first", "e1")
    run.us += 90 * SECOND
    action_of(ask(run, "again", "e1"))
    decoders: list[Decode] = []

    def make(settings_hash: str, decode: Decode) -> Role:
        decoders.append(decode)
        return make_other_gate(settings(), loop="lab", settings_hash=settings_hash, decode=decode)

    verdicts = [event for _, event in read_events(run.log, "verdicts", 0, 0) if isinstance(event, Verdict)]
    recorded = Recorded(actions={one.action for one in verdicts if one.action is not None})
    gate = OtherGate(make, make_decode(), recorded, loop="lab")
    follow([gate], steps_of(run), run.log.read_range)

    def heard_of(name: str) -> str:
        message = wire.encode(decided.experience(decided.proposal(id=name)), loop="lab")
        event = decoders[-1].event("experience", message.key, message.value, message.headers, Now(run.us, run.us))
        return event.proposal  # type: ignore[attr-defined, no-any-return]

    assert [heard_of(name) for name in ("p0", "first", "again")] == ["p0", "assumed/first", "assumed/again"]


def steps_of(run: GateRun) -> Iterator[JournalEntry]:
    return (event for _, event in read_events(run.log, "journal-gate", 0, 0) if isinstance(event, JournalEntry))


def test_levels_are_earned_again_by_the_same_outcomes_whatever_baseline_the_other_settings_name() -> None:
    run = LevelRun(settings(text=EARNING))
    run.rounds(40, GOOD)
    assert [(one.action, one.level) for one in run.changes] == [("recycle", "act")]
    found = run.record.what_if(settings(text=EARNING.replace('baseline = "restart"', 'baseline = "shed"')))
    assert (found.changes, found.not_replayed) == ((), ("policy",))
    kept_back = run.record.what_if(settings(text=EARNING.replace("auto", "never")))
    assert {before for before, _, _ in kept_back.kinds} == {"allow"}


def test_a_worker_that_was_down_fired_its_timers_late_and_so_does_the_other_gate() -> None:
    run = GateRun(settings("concurrency = 1", text=TEXT + 'cooldown = "1h"\n'))
    ask(run, "p0", "e0")
    run.us += 2 * HOUR  # meanwhile the end of that action became unknown
    run.instance = "gate-2"
    run.tick()
    run.us += 1800 * SECOND
    assert verdict_of(ask(run, "p1", "e0")).decided_by == "cooldown"
    assert not run.what_if(run.settings).differs


def test_a_worker_that_took_over_and_read_before_its_timers_fired_is_followed_so() -> None:
    run = GateRun(settings("concurrency = 1"))
    ask(run, "p0", "e0")
    run.us += 2 * HOUR
    run.instance = "gate-2"
    assert verdict_of(ask(run, "p1", "e1")).decided_by == "concurrency"
    run.tick()
    assert not run.what_if(run.settings).differs


def test_a_run_that_goes_on_is_compared_up_to_its_last_verdict_at_the_first_look() -> None:
    run = LevelRun(settings(levels='default = "approve"'))
    asked = verdict_of(run.give(proposal("q", time_us=run.us)))
    run.us += SECOND
    action_of(run.give(run.approval(asked)))
    others = {"same": run.record.settings}
    (found,) = what_if(Younger(run.record.log), run.record.settings, others, make_decode=make_decode)
    assert (found.proposals, found.changes) == (1, ())


class Younger(MemoryReader):
    """A log of which only one verdict was written when verdicts were looked at."""

    def events(self, *topics: str) -> Iterator[tuple[StoredRecord, Event]]:
        found = super().events(*topics)
        return islice((one for one in found if isinstance(one[1], Verdict)), 1) if topics == ("verdicts",) else found


def test_a_journal_that_begins_late_is_said() -> None:
    run = GateRun(settings(), first_step=7)
    ask(run, "p0", "e0")
    assert "begins at step 7" in run.what_if(run.settings).missing


def test_inputs_that_are_gone_or_altered_or_a_torn_journal_end_the_comparison_and_are_named() -> None:
    run = GateRun(settings())
    busy(run, 3)
    for reader, missing in (
        (Spoilt(run.log, lambda _: None), "the inputs policy/0[2:3] of step 6 of gate are gone"),
        (Spoilt(run.log, about_another), "the inputs of step 6 of gate are not the bytes that were folded"),
        (Torn(run.log), "step 6 of gate follows step 4: the journal is torn"),
    ):
        (found,) = what_if(reader, run.settings, {"other": settings('loop_limit = "1/hour"')}, make_decode=make_decode)
        assert (found.proposals, len(found.removed), found.missing) == (2, 1, missing)


class Spoilt(MemoryReader):
    """A log of which the third proposal is not what it was."""

    def __init__(self, log: MemoryLog, spoil: Callable[[RawBatch], RawBatch | None]) -> None:
        super().__init__(log)
        self._spoil = spoil

    def read_range(self, topic: str, partition: int, start: int, stop: int) -> RawBatch | None:
        found = super().read_range(topic, partition, start, stop)
        return self._spoil(found) if found is not None and (topic, start) == ("policy", 2) else found


def about_another(batch: RawBatch) -> RawBatch:
    (value,) = batch.values
    return msgspec.structs.replace(batch, values=[(value or b"").replace(b'"e2"', b'"e9"')])


class Torn(MemoryReader):
    """A log of which step 5 of the journal is gone."""

    def events(self, *topics: str) -> Iterator[tuple[StoredRecord, Event]]:
        return (one for one in super().events(*topics) if not (isinstance(one[1], JournalEntry) and one[1].step == 5))


def test_a_record_that_begins_late_knows_the_orders_and_leaves_out_what_it_cannot_know() -> None:
    run = GateRun(settings())
    busy(run, 2)
    run.give(opened("late"))
    run.us += SECOND
    action_of(ask(run, "about-an-old-episode", "e5"))
    run.us += SECOND
    action_of(ask(run, "late", "late"))
    (found,) = what_if(Trimmed(run.log), run.settings, {"same": run.settings}, make_decode=make_decode)
    assert (found.proposals, found.actions_before, found.changes) == (1, 1, ())
    assert "begins at step 5" in found.missing
    assert "1 proposals are left out" in found.missing
    run.us += SECOND
    run.give(control("pause", "loop", "paused"))
    run.us += SECOND
    assert verdict_of(ask(run, "paused", "late")).decided_by == "pause"
    (found,) = what_if(Trimmed(run.log), run.settings, {"same": run.settings}, make_decode=make_decode)
    assert (found.proposals, found.changes) == (2, ())  # the order is heard where the recorded gate heard it


def test_where_no_step_is_whole_nothing_is_compared() -> None:
    run = GateRun(settings())
    busy(run, 2)
    reader, others = Trimmed(run.log, first=9), {"same": run.settings}
    with pytest.raises(RecoveryError, match="nothing can be compared: the record begins at step 5"):
        what_if(reader, run.settings, others, make_decode=make_decode)
    ask(run, "last", "e3")
    with pytest.raises(RecoveryError, match="nothing can be compared: no step of the gate's journal"):
        what_if(reader, run.settings, others, make_decode=make_decode)


class Trimmed(MemoryReader):
    """A log of which retention removed the first proposals."""

    def __init__(self, log: MemoryLog, *, first: int = 2) -> None:
        super().__init__(log)
        self._first = {"policy": first}

    def first_offset(self, topic: str, partition: int) -> int:
        return self._first.get(topic, super().first_offset(topic, partition))
