"""What another gate would have said of a recorded run."""

import pytest

from schemas.raw import RawBatch
from streams.loop.decode import make_decode
from streams.operate.memory_reader import MemoryReader
from streams.operate.what_if import what_if
from tests.loop.gate_bench import HOUR, SECOND, control, outcome, proposal
from tests.replay.gate_run import GateRun, action_of, settings, verdict_of


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


def test_a_journal_that_begins_late_is_said() -> None:
    run = GateRun(settings(), first_step=7)
    ask(run, "p0", "e0")
    assert "begins at step 7" in run.what_if(run.settings).missing


def test_inputs_that_retention_removed_end_the_comparison_and_are_named() -> None:
    run = GateRun(settings())
    busy(run, 2)
    gone = Gone(run.log)
    (found,) = what_if(gone, run.settings, {"other": run.settings}, make_decode=make_decode)
    assert (found.proposals, found.missing.split(" of step")[0]) == (1, "the inputs policy/0[1:2]")


class Gone(MemoryReader):
    """A log of which the second proposal is gone."""

    def read_range(self, topic: str, partition: int, start: int, stop: int) -> RawBatch | None:
        return None if topic == "policy" and start == 1 else super().read_range(topic, partition, start, stop)
