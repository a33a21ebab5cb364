"""Levels are earned step by step, by what outcomes prove."""

import pytest

from tests.loop.gate_bench import SECOND, control, opened, outcome, proposal, verdicts
from tests.loop.levels_bench import BAD, GOOD, LevelBench, asked, told


def test_a_pair_climbs_from_observe_to_approve_by_episodes_in_which_it_was_wanted() -> None:
    bench = LevelBench(default="observe", episodes=3)
    bench.nothing(5)
    for _ in range(3):
        assert bench.decide("recycle").verdict == "shadow"
    assert told(bench) == [("p-1/recycle", "observe", "suggest", "decided")]
    for _ in range(3):
        assert bench.decide("recycle").level == "suggest"
    assert told(bench)[1:] == [("p-1/recycle", "suggest", "approve", "decided")]
    assert [one.decided for one in bench.changes] == [3, 3]
    assert bench.decide("recycle").approvals != ()


def test_an_episode_in_which_it_was_wanted_twice_counts_once() -> None:
    bench = LevelBench(default="observe", episodes=2)
    bench.give(opened("x1"))
    for name in ("first", "second"):
        bench.give(proposal(name, entity="x1", episode="episode-x1", action="recycle", time_us=bench.us))
    assert told(bench) == []
    bench.decide("recycle")
    assert told(bench) == [("p-1/recycle", "observe", "suggest", "decided")]


THIN: list[tuple[dict[str, object], float, int, str]] = [
    # settings, what doing nothing earns, how often it is known, what is said
    ({}, 0.0, 1, "unknown: 1 outcomes of doing nothing are known, at least 2 must be"),
    ({}, 1.0, 5, "needless: doing nothing earns 1.00 already, and the action 0.95 at most"),
    ({"earn_within_us": 300 * SECOND}, 0.0, 5, "sparse: 11 outcomes of doing nothing, one in "),
]


@pytest.mark.parametrize(("settings", "nothing", "times", "says"), THIN)
def test_where_outcomes_are_too_thin_nothing_is_raised_above_suggest_and_it_says_why_once(
    settings: dict[str, object], nothing: float, times: int, says: str
) -> None:
    bench = LevelBench(episodes=3, **settings)
    bench.nothing(times, nothing)
    for _ in range(9):
        assert bench.decide("recycle").level == "suggest"
    (change,) = bench.changes
    assert (change.was, change.level) == ("suggest", "suggest")
    assert f"{change.reason}: {change.detail}".startswith(says)
    assert "policy.hold_out" in change.remedy or "attribute.horizon" in change.remedy


def test_where_nothing_could_be_measured_nothing_is_raised_either() -> None:
    bench = LevelBench(episodes=3)
    bench.nothing(2)
    for _ in range(9):
        bench.learn(bench.decide("none"), None, state="unobservable")
    for _ in range(3):
        bench.decide("recycle")
    assert bench.changes[0].detail == "of 82% of 11 decisions of late nothing could be measured"


def test_lives_that_were_left_alone_say_nothing_of_what_can_be_measured_in_episodes() -> None:
    bench = LevelBench(episodes=3)
    bench.nothing(2)
    for number in range(9):
        life = proposal(f"life-{number}", entity=f"m{number}", episode="", action="none", time_us=bench.us)
        (verdict,) = verdicts(bench.give(life))
        assert verdict.verdict == "allow"
        bench.learn(verdict, None, state="unobservable")
    for _ in range(3):
        bench.decide("recycle")
    assert told(bench) == [("p-1/recycle", "suggest", "approve", "decided")]


def test_what_never_began_says_nothing_of_what_can_be_measured() -> None:
    bench = LevelBench(episodes=3, exact={"p-1/restart": "act"})
    bench.nothing(2)
    for _ in range(9):
        verdict = bench.decide("restart")
        bench.give(outcome(bench.started[0], "refused"))
        bench.learn(verdict, None, state="censored")
    for _ in range(3):
        bench.decide("recycle")
    assert told(bench) == [("p-1/recycle", "suggest", "approve", "decided")]


def test_what_earns_more_than_nothing_and_the_baseline_acts_by_itself_and_tells_its_numbers() -> None:
    bench = asked()
    bench.rounds(40, GOOD)
    change = bench.changes[0]
    assert told(bench) == [("p-1/recycle", "approve", "act", "earned")]
    assert 10 <= change.outcomes < 40
    assert change.reward == pytest.approx(GOOD)
    assert change.effect == pytest.approx(GOOD)
    assert change.compared == "none"
    assert change.effect_low is not None
    assert change.effect_low > 0
    assert bench.decide("recycle").level == "act"


NEVER: list[tuple[str, float, float, dict[str, object]]] = [
    # what, its reward, what doing nothing earns, settings
    ("it earns no more than doing nothing", 0.3, 0.3, {}),
    ("it harms", BAD, 0.0, {}),
    ("it earns less than was asked", 0.3, 0.0, {"effect": 0.4}),
    ("no level is to be raised", GOOD, 0.0, {"raise": "never"}),
    ("it has not run often enough", GOOD, 0.0, {"outcomes": 100}),
]


@pytest.mark.parametrize(("_what", "reward", "nothing", "settings"), NEVER)
def test_it_never_acts_by_itself_where(_what: str, reward: float, nothing: float, settings: dict[str, object]) -> None:
    bench = asked(**settings)
    bench.rounds(50, reward, nothing=nothing)
    assert all(one.level != "act" for one in bench.changes if one.action == "recycle")


def test_what_earns_no_more_than_the_baseline_never_acts_by_itself() -> None:
    bench = asked()
    for _ in range(50):
        bench.run("recycle", GOOD)
        bench.run("restart", GOOD, arm="baseline", would="recycle")
        bench.nothing(1)
        bench.run("restart", GOOD)
        bench.nothing(1, would="restart")
    assert {one.action for one in bench.changes if one.level == "act"} == {"restart"}


def test_an_action_that_is_chosen_for_what_passes_by_itself_has_earned_nothing() -> None:
    bench = asked()
    for _ in range(60):
        for would, passes in (("recycle", 0.75), ("restart", 0.0)):  # mild cases, and others that nothing helps
            bench.run(would, passes - 0.05)
            bench.run("restart", passes - 0.05, arm="baseline", would=would)
            bench.nothing(1, passes, would=would)
    assert bench.changes == []


def test_doing_nothing_by_choice_is_no_hold_out() -> None:
    bench = asked()
    for _ in range(40):
        bench.run("recycle", GOOD)
        bench.run("restart", BAD, arm="baseline", would="recycle")
        bench.run("none", 0.0)
    assert bench.changes == []


@pytest.mark.parametrize("reward", [1e300, 1e6])
def test_a_reward_that_cannot_be_proves_no_more_than_the_best_one(reward: float) -> None:
    bench = asked()
    bench.rounds(12, 0.3, nothing=0.3)
    bench.rounds(1, reward, nothing=0.3)
    bench.rounds(3, 0.3, nothing=0.3)
    assert bench.changes == []


def test_what_cannot_be_taken_back_stays_with_people_whatever_it_earns() -> None:
    bench = asked()
    bench.rounds(40, GOOD, action="wipe")
    assert bench.changes == []


def test_what_matches_no_pattern_is_never_raised() -> None:
    bench = LevelBench(novel="suggest", episodes=2)
    for _ in range(9):
        bench.decide("recycle", pattern="novel")
    assert bench.changes == []


def test_a_person_signs_what_was_earned_unless_the_file_says_otherwise() -> None:
    bench = asked(**{"raise": "signed"})
    bench.rounds(40, GOOD)
    assert told(bench) == [("p-1/recycle", "approve", "approve", "earned")]
    assert bench.changes[0].earned == "act"
    bench.give(control("level", "p-1/recycle", "act"))
    assert bench.decide("recycle").level == "act"


UNPROVEN: list[tuple[str, dict[str, str]]] = [
    ("its end was never heard", {"end": ""}),
    ("its end is unknown", {"end": "unknown"}),
    ("its outcome is a default", {"end": "", "state": "defaulted"}),
]


@pytest.mark.parametrize(("_what", "fields"), UNPROVEN)
def test_no_run_raises_a_level_of_which(_what: str, fields: dict[str, str]) -> None:
    bench = asked()
    for _ in range(40):
        bench.run("recycle", GOOD, **fields)
        bench.run("restart", BAD, arm="baseline", would="recycle")
        bench.nothing(1)
    assert bench.changes == []


def test_what_a_person_settled_raises_no_level() -> None:
    bench = asked()
    for _ in range(40):
        verdict = bench.decide("recycle")
        settled = control("settle", bench.started[0].id, "succeeded")
        bench.give(settled)
        bench.learn(verdict, GOOD)
        bench.run("restart", BAD, arm="baseline", would="recycle")
        bench.nothing(1)
    assert bench.changes == []
