"""What the gate says it keeps back at its level, and how that climbs though it is not proposed any more."""

import pytest
from msgspec.structs import replace

from schemas.events import Verdict
from streams.loop.gate.settings import GuardSettings
from streams.loop.policy import Policy, PolicySettings
from streams.loop.processor import Now
from tests.loop.decided import recorded, recurrence
from tests.loop.gate_bench import (
    SECOND,
    START,
    actions,
    closed,
    control,
    experience,
    opened,
    outcome,
    proposal,
    verdicts,
)
from tests.loop.levels_bench import ACTIONS, BAD, GOOD, WIDE, LevelBench, told

ACTING = {"default": "observe", "exact": {"*/restart": "act"}, "episodes": 3}
LEFT = ("level:recycle", "level:wipe")


def test_it_is_said_where_the_level_decided_and_where_the_proposal_left_something_out() -> None:
    bench = LevelBench(**ACTING)
    assert bench.decide("recycle").held_back == ("recycle", "wipe")
    assert bench.decide("restart").held_back == ()
    assert bench.decide("restart", blocked=("action:recycle",)).held_back == ()
    assert bench.decide("restart", blocked=LEFT).held_back == ("recycle", "wipe")
    assert bench.decide("none", blocked=LEFT).held_back == ("recycle", "wipe")
    assert bench.decide("none", arm="none", blocked=LEFT, would="restart").held_back == ("recycle", "wipe")


def test_what_is_approved_or_may_act_is_not_held_back() -> None:
    bench = LevelBench(exact={"*/restart": "act", "p-1/recycle": "approve", "*/recycle": "observe"}, default="suggest")
    assert bench.decide("none", blocked=LEFT).held_back == ("wipe",)
    assert bench.decide("none", blocked=LEFT, pattern="p-2").held_back == ("recycle", "wipe")
    bench.give(control("level", "p-2/wipe", "approve"), control("level", "*/recycle", "act"))
    assert bench.decide("none", blocked=LEFT, pattern="p-2").held_back == ()


def test_what_is_wanted_climbs_as_what_is_proposed_does() -> None:
    proposed, wanted = (LevelBench(**ACTING) for _ in range(2))
    for bench in (proposed, wanted):
        bench.nothing(5)
        for _ in range(6):
            if bench is proposed:
                bench.decide("recycle")
            else:
                assert bench.decide("restart", wanted="recycle", blocked=LEFT).verdict == "allow"
    assert told(wanted) == told(proposed)
    assert told(wanted) == [
        ("p-1/recycle", "observe", "suggest", "decided"),
        ("p-1/recycle", "suggest", "approve", "decided"),
    ]
    assert [one.decided for one in wanted.changes] == [3, 3]


def test_it_climbs_where_nothing_was_done_and_where_people_are_asked_about_another() -> None:
    bench = LevelBench(default="observe", exact={"*/restart": "approve"}, episodes=2)
    bench.decide("none", wanted="recycle", blocked=LEFT)
    assert told(bench) == []
    bench.decide("restart", wanted="recycle", blocked=LEFT)
    assert told(bench) == [("p-1/recycle", "observe", "suggest", "decided")]


def test_of_an_episode_it_counts_once() -> None:
    bench = LevelBench(**ACTING | {"episodes": 2})
    bench.give(opened("x1"))
    for name, action in (("first", "restart"), ("second", "none"), ("third", "recycle")):
        bench.give(
            proposal(
                name,
                entity="x1",
                episode="episode-x1",
                action=action,
                time_us=bench.us,
                wanted=None if action == "recycle" else "recycle",
                blocked=LEFT,
            )
        )
    assert told(bench) == []
    bench.decide("restart", wanted="recycle", blocked=LEFT)
    assert len(bench.changes) == 1


@pytest.mark.parametrize("action", ["restart", "recycle"])
def test_under_a_pause_neither_what_is_proposed_nor_what_is_wanted_counts(action: str) -> None:
    bench = LevelBench(**ACTING | {"episodes": 1})
    bench.give(control("pause", "loop", "paused"))
    assert bench.decide(action, wanted=None if action == "recycle" else "recycle", blocked=LEFT).decided_by == "pause"
    assert told(bench) == []


def test_what_a_guard_denies_of_another_action_alone_keeps_nobody_from_climbing() -> None:
    guards = {"day": GuardSettings(allow='action != "restart"')}
    bench = LevelBench(settings=replace(WIDE, guards=guards), **ACTING)
    for _ in range(3):
        assert bench.decide("restart", wanted="recycle", blocked=LEFT).decided_by == "guards"
    assert told(bench) == [("p-1/recycle", "observe", "suggest", "decided")]


@pytest.mark.parametrize("action", ["recycle", "restart", "none"])
@pytest.mark.parametrize(
    ("settings", "fields"),
    [
        ({"guards": {"day": GuardSettings(allow='action != "recycle"')}}, {}),
        ({"protected": tuple(f"n{n}" for n in range(1, 5))}, {}),
        ({}, {"entity": "e1"}),
        ({}, {"episode": "episode-over"}),
        ({}, {"expires_us": 0}),
        ({}, {"time_us": START}),
    ],
    ids=["guards", "protected", "of-another", "over", "expired", "too-old"],
)
def test_what_could_not_have_run_does_not_climb(
    action: str, settings: dict[str, object], fields: dict[str, object]
) -> None:
    """As what is proposed does not, whatever is proposed beside it."""
    bench = LevelBench(settings=replace(WIDE, **settings), **ACTING | {"episodes": 1})
    bench.give(opened("over"), closed("over"))
    for n in range(1, 4):
        bench.us += 20 * SECOND
        bench.give(opened(f"n{n}"))
        about = {"entity": f"n{n}", "episode": f"episode-n{n}", "time_us": bench.us, "action": action} | fields
        if action != "recycle":
            about |= {"wanted": "recycle", "blocked": LEFT}
        bench.give(proposal(f"q{n}", **about))
    assert told(bench) == []


@pytest.mark.parametrize("scope", ["loop", "entity:n1", "pattern:p-1", "action:recycle"])
@pytest.mark.parametrize("action", ["restart", "none"])
def test_under_a_pause_it_does_not_climb_beside_what_may_run(scope: str, action: str) -> None:
    bench = LevelBench(**ACTING | {"episodes": 1})
    bench.give(control("pause", scope, "paused"))
    bench.decide(action, wanted="recycle", blocked=LEFT)
    assert told(bench) == []


def test_nothing_is_counted_of_what_its_level_lets_ask_by_now_is_not_declared_or_a_person_proposed() -> None:
    bench = LevelBench(default="approve", exact={"*/restart": "act"}, episodes=1)
    bench.decide("restart", wanted="recycle", blocked=LEFT)
    bench.decide("restart", wanted="unheard-of", blocked=LEFT)
    assert told(bench) == []
    other = LevelBench(**ACTING | {"episodes": 1})
    other.decide("none", wanted="recycle", blocked=LEFT, by="ann")
    assert told(other) == []
    other.decide("none", wanted="recycle", blocked=LEFT)
    assert len(other.changes) == 1


def test_what_is_wanted_alone_is_never_run_nor_counted_as_an_outcome() -> None:
    bench = LevelBench(**ACTING)
    for _ in range(3):
        bench.run("none", BAD, wanted="recycle", blocked=LEFT)
        assert bench.started == []
    for _ in range(20):
        bench.run("restart", GOOD, wanted="recycle", blocked=LEFT)
        assert [one.action for one in bench.started] == ["restart"]
    assert {(one.outcomes, one.missing) for one in bench.changes if one.action == "recycle"} == {(0, 0)}


def test_a_pair_climbs_to_approve_while_another_acts() -> None:
    """The policy and the gate together, over some dozen episodes."""
    bench = LevelBench(**ACTING | {"episodes": 8})
    shares = {"loop": 0.5, "baseline": 0.1, "none": 0.4}
    processor = Policy(PolicySettings(hold_out=shares), loop="t", seed=7, actions=ACTIONS)
    said: list[Verdict] = []
    while ("p-1/recycle", "suggest", "approve", "decided") not in told(bench):
        number, entity = 10 * len(said), f"m{len(said)}"
        bench.us += 20 * SECOND
        bench.give(opened(entity))
        asked = recurrence(f"episode-{entity}", entity, time_us=bench.us)
        (one,) = processor.on_batch(recorded(asked, first=number), Now(bench.us, bench.us))
        made = bench.give(one)
        (verdict,) = verdicts(made)
        bench.give(*(outcome(action, "succeeded") for action in actions(made)))
        reward = 0.3 if verdict.action is not None else 0.0
        known = {"reward": reward} if verdict.verdict == "allow" else {"reward": None, "state": "censored"}
        came = experience(verdict, time_us=bench.us, **known)
        bench.give(came)
        processor.on_batch(recorded(verdict, came, first=number + 1), Now(bench.us, bench.us))
        said.append(verdict)
        assert len(said) < 200
    assert ("p-1/recycle", "observe", "suggest", "decided") in told(bench)
    assert sum(one.verdict == "shadow" for one in said) <= 3
    assert sum(one.action is not None for one in said) > 10
    assert sum(one.proposal.wanted == "recycle" for one in said) >= 13
