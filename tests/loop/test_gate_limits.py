"""The gate's newer limits, at their edges: places after a resume, reach, rest, tries, costs, and when each frees."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import Blocked, Census, HoldOut, Verdict
from streams.loop.actions import ActionSettings
from streams.loop.gate import GateSettings, LevelSettings
from streams.loop.gate.ends import KEPT, Ends
from streams.loop.gate.spending import DAY_US, Spending
from tests.loop.gate_bench import (
    SECOND,
    START,
    Bench,
    actions,
    census,
    control,
    opened,
    outcome,
    proposal,
    verdicts,
)

ACTIONS = {
    "restart": ActionSettings(name="restart", cost=0.25, limit="1000/hour", cooldown_us=0),
    "failover": ActionSettings(name="failover", limit="1000/hour", wait_us=60 * SECOND),
}


def ready(**settings: object) -> Bench:
    bench = Bench(
        settings=msgspec.convert(settings, GateSettings),
        levels=LevelSettings(default="act", novel="act"),
        actions=ACTIONS,
    )
    bench.start()
    return bench


def ask(bench: Bench, number: int, **fields: object) -> Verdict:
    """Propose for the entity of this number, now."""
    entity = f"e{number}"
    fields = {
        "entity": entity,
        "episode": f"episode-{entity}",
        "time_us": bench.us,
        "expires_us": bench.us + SECOND,
    } | fields
    (verdict,) = verdicts(bench.give(proposal(f"p{number}-{bench.us}", **fields)))
    return verdict


def test_after_a_resume_places_come_back_one_by_one() -> None:
    bench = ready(concurrency=4, ramp_us=100 * SECOND)
    bench.us += 200 * SECOND
    bench.give(control("pause", "loop", "paused"))
    bench.give(msgspec.structs.replace(control("pause", "loop", "running"), id="again"))
    placed = []
    for number, seconds in enumerate((0, 0, 50, 0, 0, 50, 0, 0)):
        bench.us += seconds * SECOND
        placed.append(ask(bench, number, time_us=bench.us).decided_by)
    full = "concurrency"
    assert placed == [None, full, None, full, full, None, None, full]


def test_until_a_place_comes_back_after_a_resume_the_loop_is_told_to_be_blocked() -> None:
    bench = ready(concurrency=4, ramp_us=100 * SECOND)
    bench.us += 200 * SECOND
    bench.give(control("pause", "loop", "paused"))
    bench.give(msgspec.structs.replace(control("pause", "loop", "running"), id="again"))
    told = [one for one in bench.give(proposal("p", time_us=bench.us)) if isinstance(one, Blocked)]
    until_us = bench.us + 50 * SECOND
    assert told[-1].until_us["loop"] == until_us
    denied = ask(bench, 1, time_us=bench.us)
    assert (denied.decided_by, denied.retry_after_us) == ("concurrency", until_us)
    bench.us = until_us - 1
    assert ask(bench, 2, time_us=bench.us).decided_by == "concurrency"
    bench.us = until_us
    assert ask(bench, 3, time_us=bench.us).decided_by is None


def test_during_a_pause_with_an_end_it_is_told_when_a_place_comes_back_after_it() -> None:
    bench = ready(concurrency=4, ramp_us=100 * SECOND)
    assert ask(bench, 0).action is not None  # one is under way, so the first place after the resume is taken
    until_us = bench.us + 30 * SECOND
    paused = msgspec.structs.replace(control("pause", "loop", "paused"), until_us=until_us)
    (told,) = (one for one in bench.give(paused) if isinstance(one, Blocked))
    assert told.until_us["loop"] == until_us + 50 * SECOND


def test_a_stop_that_is_lifted_is_a_resume_too_and_a_rearm_of_what_runs_is_none() -> None:
    bench = ready(concurrency=2, ramp_us=100 * SECOND)
    bench.us += 200 * SECOND
    bench.give(control("stop", "loop", ""))
    bench.us += 200 * SECOND
    bench.give(control("rearm", "loop", ""))
    assert [ask(bench, number).decided_by for number in range(2)] == [None, "concurrency"]
    bench.us += 100 * SECOND
    bench.give(msgspec.structs.replace(control("rearm", "loop", ""), id="again"))
    assert ask(bench, 2).decided_by is None


def test_a_pause_with_an_end_is_a_resume_too() -> None:
    bench = ready(concurrency=2, ramp_us=100 * SECOND)
    until_us = bench.us + 500 * SECOND
    bench.give(msgspec.structs.replace(control("pause", "loop", "paused"), until_us=until_us))
    bench.us = until_us
    assert [ask(bench, number).decided_by for number in range(2)] == [None, "concurrency"]
    bench.us += 100 * SECOND
    assert ask(bench, 2).decided_by is None


def test_who_was_acted_on_may_be_again_and_others_when_the_first_is_long_enough_ago() -> None:
    bench = ready(blast_count=2, blast_window_us=60 * SECOND)
    first_us = bench.us
    for number in (0, 1):
        (action,) = actions(bench.give(proposal(f"a{number}", entity=f"e{number}", episode=f"episode-e{number}")))
        bench.give(outcome(action, "succeeded"))
        bench.us += SECOND
    refused = ask(bench, 2)
    assert (refused.decided_by, refused.retry_after_us) == ("blast-radius", first_us + 60 * SECOND)
    assert ask(bench, 1).decided_by is None
    bench.us = first_us + 60 * SECOND
    assert ask(bench, 2).decided_by is None


def test_one_may_always_be_acted_on_however_small_the_share() -> None:
    bench = ready(blast_share=0.01)
    bench.give(census(abnormal=1, live=5))
    assert [ask(bench, number).decided_by for number in (0, 1)] == [None, "blast-radius"]


def in_group(name: str, *, abnormal: int, live: int) -> Census:
    return msgspec.structs.replace(census(abnormal=abnormal, live=live), id=f"census-{name}", group=name)


def counted(name: str, partition: int, *, abnormal: int, after: int, live: int = 10) -> Census:
    one = census(abnormal=abnormal, live=live, time_us=START + after * SECOND)
    return msgspec.structs.replace(one, id=f"{one.id}-{name}-{partition}", group=name, partition=partition)


def test_of_each_group_enough_healthy_ones_are_left() -> None:
    bench = ready(healthy_least=3, abnormal_share=1.0)
    bench.give(in_group("web", abnormal=1, live=4), in_group("db", abnormal=1, live=9))
    bench.give(opened("w", "web"), opened("c", "cache"))
    claim = {"group": "db"}  # whatever a proposal claims, the group is that of the episode
    assert ask(bench, 0, entity="w", episode="episode-w", **claim).decided_by is None
    by_hand = {"episode": "", "pattern": "novel", "group": "web"}  # a person's: no census counts its entity as abnormal
    assert ask(bench, 1, **by_hand).decided_by == "healthy"
    assert ask(bench, 3, **(by_hand | {"group": "db"})).decided_by is None
    assert ask(bench, 2, entity="c", episode="episode-c", **claim).decided_by == "healthy", (
        "of this group nothing is known"
    )


def test_an_entity_acted_on_that_is_not_abnormal_counts_as_one_less() -> None:
    bench = ready(healthy_least=2, abnormal_share=1.0)
    bench.give(in_group("web", abnormal=0, live=4))
    found = [ask(bench, number, episode="", pattern="novel", group="web").decided_by for number in range(3)]
    assert found == [None, None, "healthy"]


def test_an_episode_gets_its_time_to_pass_by_itself() -> None:
    bench = ready()
    opened_us = bench.us
    bench.us += 20 * SECOND
    bench.give(opened("e0"))  # heard again: it is no younger for that
    refused = ask(bench, 0, action="failover")
    assert (refused.decided_by, refused.retry_after_us) == ("wait", opened_us + 60 * SECOND)
    bench.us = opened_us + 60 * SECOND
    assert ask(bench, 0, action="failover").decided_by is None


UNSURE = {"restart": 0.2, "none": 0.8}
TRIES: list[tuple[dict[str, float], str | None, bool]] = [
    # probabilities, the arm, whether it counts as a try
    (UNSURE, "loop", True),
    (UNSURE, None, True),
    (UNSURE, "baseline", False),
    ({"restart": 0.5, "none": 0.5}, "loop", False),
    ({"restart": 0.8, "none": 0.2}, "loop", False),
]


@pytest.mark.parametrize(("probabilities", "arm", "counts"), TRIES)
def test_what_does_not_look_best_is_a_try_unless_the_hold_out_says_so(
    probabilities: dict[str, float], arm: str | None, counts: bool
) -> None:
    bench = ready(explore_limit="1/day")
    hold_out = None if arm is None else HoldOut(draw=0.5, arm=arm, shares={"loop": 1.0})  # type: ignore[arg-type]
    found = [ask(bench, n, probabilities=probabilities, hold_out=hold_out).decided_by for n in range(2)]
    assert found == [None, "exploration" if counts else None]


def test_costs_come_back_a_day_later() -> None:
    bench = ready(cost_a_day=0.5, concurrency=100)
    first_us = bench.us
    assert [ask(bench, number).decided_by for number in range(3)] == [None, None, "cost"]
    assert ask(bench, 4).retry_after_us == first_us + DAY_US
    bench.us = first_us + DAY_US
    bench.give(*(opened(f"f{number}") for number in range(3)))
    found = [ask(bench, n, entity=f"f{n}", episode=f"episode-f{n}").decided_by for n in range(3)]
    assert found == [None, None, "cost"]


@given(
    budget=st.integers(1, 20), costs=st.lists(st.tuples(st.integers(0, DAY_US // 2), st.integers(0, 8)), max_size=40)
)
def test_in_no_day_more_is_spent_than_the_budget(budget: int, costs: list[tuple[int, int]]) -> None:
    spending, now_us = Spending(budget=budget / 10, entries=1_000), 0
    spent: list[tuple[int, int]] = []
    for passed_us, cost in costs:
        now_us += passed_us
        _, from_us = spending.standing(now_us, cost / 10)
        others = sum(one for us, one in spent if us > now_us - DAY_US)
        assert (from_us == now_us) == (others + cost <= budget)
        if from_us == now_us:
            spending.add(now_us, cost / 10)
            spent.append((now_us, cost))
        elif from_us is not None:
            assert sum(one for us, one in spent if us > from_us - DAY_US) + cost <= budget
            assert sum(one for us, one in spent if us >= from_us - DAY_US) + cost > budget, "and no later than needed"
        else:
            assert cost > budget
    again = Spending(budget=budget / 10, entries=1_000)
    again.adopt(list(spending.spent))
    assert again.standing(now_us, 0.0) == spending.standing(now_us, 0.0)


def test_of_very_many_ends_the_latest_count() -> None:
    ends = Ends(GateSettings(failed_least=4, failed_share=0.5))
    for number in range(KEPT):
        assert not ends.add("restart", number, bad=False)
    failing = [ends.add("restart", KEPT + number, bad=True) for number in range(KEPT)]
    assert failing.index(True) == KEPT // 2
    standing = ends.standing("restart", 2 * KEPT)
    assert (standing.bad, standing.ended, standing.since_us) == (KEPT, KEPT, KEPT + KEPT // 2)
    again = Ends(GateSettings(failed_least=4, failed_share=0.5))
    again.adopt(ends.of, ends.tripped_us)
    assert again.standing("restart", 2 * KEPT) == standing


def test_a_block_that_ends_early_is_told_as_free() -> None:
    bench = ready()
    (action,) = actions(bench.give(proposal("p1")))
    (told,) = [event for event in bench.give(outcome(action, "refused")) if isinstance(event, Blocked)]
    assert told.until_us == {"entity:e0": bench.us}
    known = {"entity:e0": 0, "loop": bench.us + SECOND}
    told.bring_up_to_date(known)
    assert known == {"loop": bench.us + SECOND}


STORMS: list[tuple[str, list[Census], bool]] = [
    # what is heard 40 s later, when what was heard before is too old: whether the storm goes on
    ("nothing", [], True),
    ("an old census", [counted("web", 0, abnormal=0, after=5)], True),
    ("calm elsewhere", [counted("web", 1, abnormal=0, after=40, live=5)], True),
    ("calm where it was", [counted("web", 0, abnormal=0, after=40)], False),
    ("another group where it was", [counted("db", 0, abnormal=0, after=40, live=5)], False),
    ("very many elsewhere", [counted("web", 1, abnormal=0, after=40, live=100)], False),
]


@pytest.mark.parametrize(("case", "heard", "stormy"), STORMS)
def test_a_storm_that_ends_by_itself_does_so_by_what_is_heard_not_by_silence(
    case: str, heard: list[Census], stormy: bool
) -> None:
    bench = ready(abnormal_share=0.5, abnormal_least=5, rearm="auto")
    bench.give(counted("web", 0, abnormal=8, after=0))
    assert ask(bench, 0).decided_by == "abnormal"
    bench.us += 40 * SECOND
    bench.give(*heard)
    assert ask(bench, 0).decided_by == ("abnormal" if stormy else None)


def test_a_storm_in_silence_ends_when_the_loop_is_rearmed_but_not_one_that_is_seen() -> None:
    bench = ready(abnormal_share=0.5, abnormal_least=5, rearm="auto")
    bench.give(counted("web", 0, abnormal=8, after=0), control("rearm", "loop", ""))
    assert ask(bench, 0).decided_by == "abnormal"
    bench.us += 40 * SECOND
    bench.give(msgspec.structs.replace(control("rearm", "loop", ""), id="again"))
    assert ask(bench, 0).decided_by is None
