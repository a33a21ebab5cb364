"""What the episodes of a hold-out were worth, by what the real `attribute` makes of their verdicts."""

import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import replace as replace_record
from typing import Any

import pytest
from msgspec.structs import replace

from schemas.events import Event, Experience, HoldOut, Measurement, Proposal
from streams.loop.attribute import Attribute, AttributeSettings
from streams.operate.simulation import fleet_loop
from streams.replay.episodes import MOST_PROPOSALS
from streams.replay.held_out import HeldOut, HoldOutLog, read_held_out
from streams.replay.watched import watch
from streams.settings import Settings
from tests.loop.decided import (
    ACTIONS,
    SHARES,
    START,
    S,
    at,
    closed,
    experience,
    measured,
    measurement,
    outcome,
    proposal,
    recorded,
    verdict,
)
from tests.operate.test_evaluation import Listed

SETTINGS = AttributeSettings(horizon_us=10 * S, grace_us=2 * S, late_us=60 * S, escalation_us=100 * S)
COST, END_S = ACTIONS["restart"].cost, 150.0
BEFORE = measurement(-5.0, abnormal=False, entity="web-9")
"""So that insights reach back to before the first proposal."""


def settings(attempts: int = 2) -> Settings:
    known = fleet_loop(None)
    return replace(known, attribute=SETTINGS, policy=replace(known.policy, attempts=attempts, expires_us=88 * S))


def drawn(action: str = "restart", arm: str = "loop", second: float = 0.0, **fields: Any) -> Proposal:
    given = {
        "time_us": START + int(second * S),
        "hold_out": HoldOut(draw=0.5, arm=arm, shares=SHARES),  # type: ignore[arg-type]
        "probabilities": {"restart": 0.7, "none": 0.3},
    }
    return proposal(action, **(given | fields))


def read(*events: Event, until: float = END_S, attempts: int = 2) -> HoldOutLog:
    """Let the real processor tell what became of events in order of time, and read that."""
    processor = Attribute(SETTINGS, loop="t", actions=ACTIONS)
    told: list[Event] = []
    for event in sorted(events, key=lambda event: event.time_us):
        second = (event.time_us - START) / S
        told += [*processor.on_time(at(second)), *processor.on_batch(recorded(event), at(second))]
    told += processor.on_time(at(until))
    return log_of([BEFORE, *events, *told], until, attempts)


def log_of(events: Sequence[Event], until: float = END_S, attempts: int = 2, cut: int = 0) -> HoldOutLog:
    """Read what is on the topics; the first `cut` insights are no longer kept."""
    clock = verdict(drawn(episode="clock", id="clock", second=until), seconds=until)
    ends = [*events, clock]
    ends.sort(key=lambda event: isinstance(event, Experience))
    insights = [*Listed(events).events("insights")][cut:]
    return read_held_out(ends, insights, settings(attempts))


def one_of(log: HoldOutLog) -> HeldOut:
    (found,) = log.episodes
    return found


def ran(one: Proposal, second: float = 0.0, end: float = 1.0) -> list[Event]:
    allowed = verdict(one, seconds=second)
    return [allowed, outcome(allowed, "claimed", second + 0.5), outcome(allowed, "succeeded", second + end)]


def test_what_ran_is_worth_its_reward() -> None:
    found = one_of(read(*ran(drawn()), *measured("xxx.......")))
    assert found.reward == pytest.approx(0.7 - COST)
    assert (found.arm, found.measured, found.acted, found.cost) == ("loop", True, True, COST)


@pytest.mark.parametrize("windows", ["xxx.......", "xxxxxxxxxx", "xxxxxxx...", ".........."])
@pytest.mark.parametrize("answer", ["deny", "shadow"])
def test_what_was_held_back_is_measured_as_what_was_left_alone(windows: str, answer: str) -> None:
    """An episode stays in its arm, and its reward is the one that attribute gives for doing nothing."""
    held_back = one_of(read(verdict(drawn(), answer), *measured(windows)))
    left_alone = one_of(read(verdict(drawn("none", "none")), *measured(windows)))
    assert held_back.arm == "loop"
    assert (held_back.reward, held_back.measured) == (pytest.approx(left_alone.reward), True)
    assert (held_back.acted, held_back.cost) == (False, 0.0)


def test_the_close_of_an_episode_is_a_recovery_there_too() -> None:
    found = one_of(read(verdict(drawn(), "deny"), *measured("xxxx.     "), closed(5.0)))
    assert found.reward == pytest.approx(0.5)


def test_what_could_not_be_measured_counts_as_not_recovered_in_every_arm() -> None:
    vanished = measured("xxxx")
    for one, cost in ((drawn(), COST), (drawn("none", "none"), 0.0), (drawn("restart", "baseline"), COST)):
        events = ran(one) if one.action != "none" else [verdict(one)]
        found = one_of(read(*events, *vanished))
        assert (found.measured, found.reward) == (False, pytest.approx(-cost))


def test_another_attempt_is_a_part_of_the_first() -> None:
    first, second = drawn(), drawn(second=4.0, id="again")
    found = one_of(read(verdict(first, "deny"), *ran(second, 4.0), *measured("xxxxxx........")))
    assert found.reward == pytest.approx(1.0 - 6.0 / 10.0 - COST)
    assert found.acted


@pytest.mark.parametrize("before", [MOST_PROPOSALS - 1, MOST_PROPOSALS, 3 * MOST_PROPOSALS])
def test_what_ran_at_last_counts_however_many_were_denied_before_it(before: int) -> None:
    denied = [verdict(drawn(id=f"p{n}", second=n / 10), "deny", n / 10) for n in range(before)]
    last = drawn(id="last", second=before / 10)
    asked = verdict(last, "escalate", before / 10, approval="yes")
    found = one_of(read(*denied, asked, *ran(last, before / 10 + 0.1), *measured("xxxxxx.......")))
    assert (found.acted, found.cost, found.reward) == (True, COST, pytest.approx(0.4 - COST))
    assert found.answers == 1


@pytest.mark.parametrize("before", [MOST_PROPOSALS - 1, MOST_PROPOSALS, 3 * MOST_PROPOSALS])
def test_what_may_yet_run_keeps_an_episode_open_however_many_were_denied_before_it(before: int) -> None:
    denied = [verdict(drawn(id=f"p{n}", second=n / 10), "deny", n / 10) for n in range(before)]
    last = drawn(id="last", second=before / 10)
    found = read(*denied, *ran(last, 90.0), *measured("xxxxxx......."), until=100.0)
    assert (found.episodes, found.open) == ([], 2)


def test_what_ran_beyond_what_is_looked_at_is_bounded_and_its_last_word_counts() -> None:
    denied = [verdict(drawn(id=f"p{n}"), "deny") for n in range(MOST_PROPOSALS)]
    more = [drawn(id=f"more-{n:03}", second=1.0) for n in range(5 * MOST_PROPOSALS)]
    ends = [experience(one, cost=COST, decided_us=one.time_us) for one in more]
    late = [experience(one, "late", None, cost=0.0, effective="none", decided_us=one.time_us) for one in more[:2]]
    first = experience(drawn(id="p0"), "censored", None, effective="none")
    found = log_of([BEFORE, *denied, *map(verdict, more), first, *ends, *late, *measured("xxx.......")], 9e3)
    assert one_of(found).cost == pytest.approx(COST * (2 * MOST_PROPOSALS - 1 - len(late)))


def test_a_late_attempt_changes_costs_alone_whatever_was_measured_before_it() -> None:
    """It had recovered after two seconds: what is done half a minute later does not undo that."""
    windows = measured("xx.." + 40 * "x")
    late = drawn(second=30.0, id="again")
    alone = one_of(read(verdict(drawn(), "deny"), *windows))
    again = one_of(read(verdict(drawn(), "deny", retry_after_us=late.time_us), *ran(late, 30.0, 31.0), *windows))
    none = one_of(read(verdict(drawn("none", "none")), *windows))
    assert alone.reward == none.reward == pytest.approx(0.8)
    assert again.reward == pytest.approx(0.8 - COST)


def test_recovery_before_the_first_act_counts_in_every_arm() -> None:
    one = drawn()
    found = one_of(read(verdict(one, "escalate"), *ran(one, 6.0, 7.0), *measured("xx...xxxxxxxxxx")))
    assert found.reward == pytest.approx(0.8 - COST)


def test_what_may_be_tried_again_is_open() -> None:
    """Until then it may cost something yet; not where it is over, was tried often enough, or is long past."""
    denied = verdict(drawn(), "deny", retry_after_us=START + int(100 * S))
    windows = measured("xx..xxxxxxxxx")
    assert (read(denied, *windows).episodes, read(denied, *windows).open) == ([], 2)
    assert len(read(denied, *windows, attempts=1).episodes) == 1
    assert len(read(denied, *windows, closed(12.0)).episodes) == 1
    assert len(read(denied, *windows, until=1_000.0).episodes) == 1
    assert len(read(verdict(drawn(), "deny"), *windows).episodes) == 1


def test_the_wait_for_people_counts_and_their_answers_are_counted_once() -> None:
    one, theirs = drawn(), drawn(episode="", id="theirs", by="ada", hold_out=None)
    asked = [verdict(one, "escalate"), verdict(one, "escalate", 2.0, approval="yes", approvals=("yes",))]
    again = replace(asked[1], id="copy")
    allowed = verdict(one, seconds=3.0, approval="yes too", approvals=("yes", "yes too"))
    own = verdict(theirs, "escalate", 3.0, approval="theirs", approvals=("theirs",))
    ended = [outcome(allowed, "claimed", 3.5), outcome(allowed, "succeeded", 4.0)]
    found = one_of(read(*asked, again, allowed, own, *ended, *measured("xxxxx.........")))
    assert found.answers == 2
    assert found.reward == pytest.approx(0.5 - COST)


def test_what_nobody_answered_is_measured_from_the_first_on() -> None:
    found = one_of(read(verdict(drawn(), "escalate"), *measured("xxxxx.........")))
    assert (found.reward, found.acted) == (pytest.approx(0.5), False)


def test_what_a_person_did_to_it_belongs_to_its_arm() -> None:
    one = drawn("none", "none")
    theirs = drawn("recycle", second=2.0, id="theirs", by="ada", hold_out=None)
    found = one_of(read(verdict(one), *ran(theirs, 2.0), *measured("xxxxx.........")))
    assert (found.arm, found.acted) == ("none", True)
    assert found.reward == pytest.approx(0.5 - COST)


def test_two_parts_of_one_window_count_once() -> None:
    windows = measured("xx........")
    again = [replace(one, id=f"{one.id}-2", abnormal=False, time_us=windows[1].time_us) for one in windows[:2]]
    found = one_of(read(verdict(drawn(), "deny"), *windows[:2], *again, *windows[2:]))
    assert found.reward == pytest.approx(0.8)


def test_windows_of_other_entities_and_times_tell_nothing() -> None:
    elsewhere = measured("..........", entity="web-2")
    before = [replace(one, id=f"{one.id}-b", start_us=one.start_us - 60 * S, end_us=one.end_us - 60 * S) for one in
              measured("..........")]  # fmt: skip
    assert not one_of(read(verdict(drawn(), "deny"), *elsewhere, *before)).measured


def test_what_may_yet_change_is_open_and_so_is_all_after_it() -> None:
    first, second = drawn(episode="a", id="a"), drawn(episode="b", id="b", second=1.0, entity="web-2")
    events = [*ran(first), verdict(second, "deny", 1.0), *measured("xxx.......")]
    log = log_of([*events, experience(second, "censored", None, effective="none", verdict="deny")])
    assert (len(log.episodes), log.open) == (0, 3)
    assert [one.proposal.id for one in read(*events).episodes] == ["a", "b"]


def test_what_was_held_back_just_now_is_open_until_its_horizon_is_over() -> None:
    events = [verdict(drawn(), "deny"), *measured("xxx.......")]
    assert read(*events, until=11.0).episodes == []
    assert len(read(*events, until=13.0).episodes) == 1


def test_when_a_reward_was_known_is_when_it_was_last_told() -> None:
    assert one_of(read(*ran(drawn()), *measured("xxx......."))).told_us == START + int(END_S * S)
    assert one_of(read(verdict(drawn(), "deny"), *measured("xxx......."))).told_us == START + 12 * S


def test_the_likeliest_action_is_told_with_whether_it_was_drawn() -> None:
    for action, took in (("restart", True), ("none", False)):
        found = one_of(read(verdict(drawn(action)), *measured("xxx.......")))
        assert (found.likeliest, found.took_likeliest) == (0.7, took)


def test_what_was_done_to_the_entity_or_its_group_within_the_horizon_before_is_told() -> None:
    """What came later is not looked at: it may depend on what was done here."""

    def beside(arm: str, second: float, group: str = "east", other: str = "web-2") -> tuple[bool, bool]:
        mine = drawn("none", "none", second=20.0, group="east")
        theirs = drawn("restart", arm, second=second, group=group, entity=other, episode="e2", id="theirs")
        events: list[Measurement] = measured("." * 50)
        found = read(verdict(mine, seconds=20.0), *ran(theirs, second, second + 1.0), *events).episodes
        (one,) = [episode for episode in found if episode.proposal.id == mine.id]
        return one.exposed, one.crossed

    assert beside("loop", 15.0) == (True, True)
    assert beside("none", 15.0) == (True, False)
    assert beside("loop", 15.0, group="west", other="web-1") == (True, True)
    assert beside("loop", 9.0) == beside("loop", 20.0) == beside("loop", 25.0) == (False, False)
    assert beside("loop", 15.0, group="west") == (False, False)


def test_what_people_did_of_their_own_accord_is_beside_it_and_of_no_arm() -> None:
    """Be it about no episode, or about one that the loop did not decide."""

    def beside(episode: str, second: float, entity: str = "web-1", **fields: Any) -> tuple[bool, bool]:
        mine = drawn(second=20.0)
        theirs = drawn(second=second, episode=episode, entity=entity, id="theirs", by="ada", hold_out=None)
        acts = ran(replace(theirs, **fields), second, second + 1.0)
        found = one_of(read(verdict(mine, seconds=20.0), *acts, *measured("." * 50)))
        return found.exposed, found.crossed

    assert beside("", 15.0) == beside("e0", 15.0) == (True, False)
    assert beside("", 9.0) == beside("", 20.0) == beside("", 15.0, entity="web-2") == (False, False)
    assert beside("", 15.0, action="none", probabilities={"none": 1.0}) == (False, False)
    asked = drawn(second=15.0, episode="", id="theirs", by="ada", hold_out=None)
    unanswered = verdict(asked, "escalate", 15.0)
    assert not one_of(read(verdict(drawn(second=20.0), seconds=20.0), unanswered, *measured("." * 50))).exposed


def test_what_was_done_in_an_episode_itself_is_not_beside_it() -> None:
    first, second = drawn(group="east"), drawn(second=4.0, id="again", group="east")
    assert not one_of(read(verdict(first, "deny"), *ran(second, 4.0), *measured("xxxxxx........"))).exposed


def test_an_episode_whose_end_never_came_counts_as_not_measured() -> None:
    found = log_of([BEFORE, verdict(drawn()), *measured("xx........")], until=1_000.0)
    assert found.open == 1, "the clock"
    assert (one_of(found).measured, one_of(found).reward) == (False, 0.0)


@pytest.mark.parametrize("arm", ["loop", "baseline", "none"])
def test_episodes_of_before_the_measurements_that_are_kept_are_left_out_in_every_arm(arm: str) -> None:
    """Verdicts are kept for a year, insights for weeks: what is not known of one arm is not asked of another."""
    early = drawn("none" if arm == "none" else "restart", arm, episode="early", id="early")
    late = drawn(second=20.0, episode="late", id="late", entity="web-2")
    ends = [verdict(early), experience(early, reward=0.9), verdict(late, seconds=20.0), experience(late)]
    windows = [*measured("x........."), *measured("xx........", entity="web-2", first=20)]
    everything = log_of([BEFORE, *ends, *windows])
    assert [one.proposal.id for one in everything.episodes] == ["early", "late"]
    kept = log_of([BEFORE, *ends, *windows], cut=11)
    assert ([one.proposal.id for one in kept.episodes], kept.unseen) == ([], 2)
    kept = log_of([BEFORE, *ends, *windows[:10], replace(BEFORE, time_us=START + 19 * S), *windows[10:]], cut=11)
    assert ([one.proposal.id for one in kept.episodes], kept.unseen) == (["late"], 1)
    assert (log_of(ends).episodes, log_of(ends).unseen) == ([], 2)


def test_what_is_kept_begins_where_all_partitions_do() -> None:
    """A partition that lost its first records says nothing of before; one that has all of them may begin late."""

    def since(*begins: tuple[int, float]) -> int | None:
        records = [
            (replace_record(record, partition=partition, offset=offset), measurement(second, abnormal=False))
            for partition, (offset, second) in enumerate(begins)
        ]
        return watch(records, [], SETTINGS).since_us

    (record, _), *_ = Listed([BEFORE]).events("insights")
    assert since((0, 5.0), (0, 50.0)) == START + 6 * S
    assert since((7, 5.0), (9, 50.0)) == since((0, 5.0), (9, 50.0)) == START + 51 * S
    assert since((7, 5.0), (0, 50.0)) == START + 6 * S
    assert watch([], [], SETTINGS).since_us is None


def test_of_a_horizon_that_has_passed_one_number_is_kept() -> None:
    count = 200
    firsts = [drawn(second=20.0 * number, id=str(number), episode=str(number)) for number in range(count)]
    (record, _), *_ = Listed([BEFORE]).events("insights")
    grown = 0

    def told() -> Iterator[tuple[Any, Event]]:
        nonlocal grown
        began, _ = tracemalloc.get_traced_memory()
        for second in range(20 * count):
            yield record, measurement(second, abnormal=second % 20 < 2)
        grown = tracemalloc.get_traced_memory()[0] - began

    tracemalloc.start()
    found = watch(told(), firsts, SETTINGS)
    tracemalloc.stop()
    assert len(found.rewards) == count
    assert grown < 600 * count, "ten windows and their times are 1,500 bytes"


@pytest.mark.parametrize(("windows", "left"), [("xxxxxxx...", 0.3), ("xxxxxxxxxx", 0.0), ("x.x.x.x.x.", None)])
def test_of_more_windows_than_are_kept_the_same_is_measured_as_of_outcomes(windows: str, left: float | None) -> None:
    (record, _), *_ = Listed([BEFORE]).events("insights")
    first = drawn(action="none")
    found = watch([(record, one) for one in measured(windows)], [first], replace(SETTINGS, windows_limit=6))
    assert found.rewards == ({} if left is None else {first.id: pytest.approx(left)})
    processor = Attribute(replace(SETTINGS, windows_limit=6), loop="t", actions=ACTIONS)
    processor.on_batch(recorded(verdict(first), *measured(windows)), at(10))
    (one,) = [one for one in processor.on_time(at(12)) if isinstance(one, Experience)]
    assert one.reward == found.rewards.get(first.id)
