"""What belongs to a storm, what it likely began with, and what is told of it."""

import itertools
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import Census, Episode, Event, Measurement, Recurrence, Storm
from schemas.ids import Cause
from streams.loop.processor import Now, Record
from streams.loop.recognise import GraphSettings, Recognise, RecogniseSettings

S = 1_000_000
CALLS = {"shop": ("search", "cart"), "search": ("database",), "cart": ("database",), "mail": ("queue",)}
NAMES = ("shop", "search", "cart", "database", "mail", "queue")


def recognise(calls: dict[str, tuple[str, ...]] = CALLS, **fields: Any) -> Recognise:
    return Recognise(RecogniseSettings(), loop="t", graph=GraphSettings(calls=calls, **fields))


def phase(entity: str, name: str, *, second: float = 0.0, severity: float = 5.0, number: int = 0) -> Episode:
    return Episode(
        id=f"{entity}-{name}-{number}", time_us=round(second * S), episode=f"{entity}/{number}", entity=entity,
        phase=name,  # type: ignore[arg-type]
        opened_us=round(second * S), windows=4, severity=severity, confidence=1.0,
        closed_us=1 if name == "closed" else None,
    )  # fmt: skip


def measured(entity: str, score: float, *, second: float = 0.0) -> Measurement:
    return Measurement(
        id=f"{entity}-{score}", time_us=0, entity=entity, episode=f"{entity}/0", start_us=round(second * S),
        end_us=round(second * S) + S, samples=1, abnormal=True, score=score, values={},
    )  # fmt: skip


def fold(processor: Recognise, *events: Event, seconds: float = 0.0) -> list[Event]:
    records = [Record(Cause("insights", 0, index), event) for index, event in enumerate(events)]
    return processor.on_batch(records, Now(round(seconds * S), 0))


def storms(events: list[Event]) -> list[Storm]:
    return [event for event in events if isinstance(event, Storm)]


def begin(*entities: str, second: float = 0.0, number: int = 0, severity: float = 5.0) -> list[Episode]:
    phases = ("opened", "onset")
    return [phase(one, name, second=second, number=number, severity=severity) for name in phases for one in entities]


def shares(storm: Storm) -> dict[str, float]:
    return {member.entity: member.share for member in storm.members}


def test_entities_that_call_each_other_and_leave_their_normal_together_are_one_storm() -> None:
    told = storms(fold(recognise(), *begin("shop", "search", "database")))
    assert len({storm.storm for storm in told}) == 1
    last = told[-1]
    assert (last.phase, last.size, last.calls) == ("open", 3, "declared")
    assert [member.entity for member in last.members] == ["database", "search", "shop"]
    assert {member.behind for member in last.members[:2]} == {"database"}
    assert sum(shares(last).values()) == pytest.approx(1)


def test_the_storm_is_told_before_its_member_is_recognised() -> None:
    events = fold(recognise(), *begin("shop", "database", "search"))
    for storm, recurrence in zip(storms(events), [e for e in events if isinstance(e, Recurrence)], strict=True):
        assert events.index(storm) < events.index(recurrence)
        assert recurrence.entity in shares(storm)


@pytest.mark.parametrize(
    ("entities", "seconds"),
    [(("shop", "queue"), (0, 0)), (("shop", "search"), (0, 31)), (("shop", "database"), (0, 0)), (("shop",), (0,))],
    ids=["not linked", "not together", "linked by one that is normal", "alone"],
)
def test_what_does_not_belong_together_is_no_storm(entities: tuple[str, ...], seconds: tuple[float, ...]) -> None:
    processor = recognise()
    events = [begin(entity, second=second) for entity, second in zip(entities, seconds, strict=True)]
    assert storms(fold(processor, *(event for one in events for event in one))) == []


def test_unrelated_storms_at_the_same_time_are_two() -> None:
    told = storms(fold(recognise(), *begin("shop", "search", "mail", "queue")))
    assert {frozenset(shares(storm)) for storm in told if storm.size == 2} == {
        frozenset({"shop", "search"}), frozenset({"mail", "queue"})
    }  # fmt: skip


def test_storms_that_a_later_member_joins_are_one() -> None:
    calls = {"shop": ("search", "cart"), "search": ("index",), "cart": ("database",)}
    processor = recognise(calls=calls)
    told = storms(fold(processor, *begin("search", "index", "cart", "database")))
    one, other = dict.fromkeys(event.storm for event in told)
    ended, whole = storms(fold(processor, *begin("shop", second=1)))
    assert (ended.storm, ended.phase, ended.alias_of) == (other, "closed", one)
    assert (whole.storm, whole.phase, whole.size, whole.alias_of) == (one, "open", 5, None)
    assert set(shares(whole)) == {"shop", "search", "index", "cart", "database"}
    over = [phase(entity, "closed") for entity in ("search", "index", "cart", "database", "shop")]
    assert [(event.storm, event.phase) for event in storms(fold(processor, *over))] == [(one, "closed")]


def test_a_storm_that_is_part_of_another_brings_all_its_members_named_or_not() -> None:
    leaves = {hub: tuple(f"{hub}-{n}" for n in range(12)) for hub in ("left", "right")}
    processor = recognise(calls={"top": ("left", "right"), **leaves}, member_limit=8)
    everyone = [entity for hub, called in leaves.items() for entity in (hub, *called)]
    for hub, called in leaves.items():
        fold(processor, *begin(hub), *(event for one in called for event in begin(one)))
    whole = storms(fold(processor, *begin("top")))[-1]
    assert (whole.size, len(whole.members)) == (27, 8)
    told = storms(fold(processor, *(phase(entity, "closed") for entity in ("top", *everyone))))
    assert [(event.phase, event.size) for event in told] == [("closed", 27)]


def test_what_is_over_of_the_unnamed_members_still_counts_when_their_storm_is_part_of_another() -> None:
    leaves = {hub: tuple(f"{hub}-{n}" for n in range(12)) for hub in ("left", "right")}
    processor = recognise(calls={"top": ("left", "right"), **leaves}, member_limit=8)
    for hub, called in leaves.items():
        fold(processor, *begin(hub), *(event for one in called for event in begin(one)))
    fold(processor, phase("left-10", "closed"), phase("right-11", "closed"))
    assert storms(fold(processor, *begin("top")))[-1].size == 27


def test_an_episode_given_up_is_a_new_member_when_its_onset_comes() -> None:
    processor = recognise(open_limit=3)
    opened = [phase(entity, "opened") for entity in ("shop", "mail", "search")]
    (first,) = storms(fold(processor, *opened, phase("search", "onset")))
    assert {member.entity for member in first.members} == {"shop", "search"}
    (again,) = storms(fold(processor, phase("queue", "opened"), phase("shop", "onset")))
    assert (again.storm, again.size, set(shares(again))) == (first.storm, 2, {"shop", "search"})
    assert storms(fold(processor, phase("search", "closed"))) == []
    (last,) = storms(fold(processor, phase("shop", "closed")))
    assert (last.storm, last.phase, last.size) == (first.storm, "closed", 2)


def test_what_opened_between_the_opening_and_the_worsening_of_another_does_not_belong_to_it() -> None:
    processor = recognise()
    fold(processor, *begin("database"), *begin("search", second=600))
    assert storms(fold(processor, measured("database", 50.0, second=1_200))) == []


def test_an_episode_that_gets_much_worse_belongs_to_what_opens_then() -> None:
    processor = recognise()
    assert storms(fold(processor, *begin("database"), *begin("search", second=600))) == []
    assert storms(fold(processor, measured("database", 5.6, second=605))) == []
    (storm,) = storms(fold(processor, measured("database", 50.0, second=610)))
    assert [member.entity for member in storm.members] == ["database", "search"]
    assert {member.behind for member in storm.members} == {"database"}
    (grown,) = storms(fold(processor, *begin("shop", second=620)))
    assert (grown.storm, grown.size) == (storm.storm, 3)


def test_what_is_nothing_new_for_an_entity_is_less_likely_the_origin() -> None:
    processor = recognise()
    first = storms(fold(processor, *begin("cart", severity=40.0), *begin("search", "shop", severity=20.0)))
    assert first[-1].members[0].entity == "cart"
    fold(processor, *(phase(entity, "closed") for entity in ("cart", "search", "shop")))
    for number in range(1, 9):
        fold(processor, *begin("cart", second=1_000.0 * number, number=number, severity=40.0))
        fold(processor, phase("cart", "closed", number=number))
    begun = begin("cart", second=9_000, number=9, severity=40.0)
    told = storms(fold(processor, *begun, *begin("search", "shop", second=9_000, number=9, severity=20.0)))
    assert told[-1].members[0].entity == "search"


def test_who_is_at_the_end_of_a_long_chain_is_behind_all_of_it() -> None:
    names = [f"tier-{n}" for n in range(6)]
    processor = recognise(calls={caller: (callee,) for caller, callee in itertools.pairwise(names)})
    told = storms(fold(processor, *begin(*names)))
    assert {member.behind for member in told[-1].members} == {"tier-5"}


def test_only_what_can_be_acted_on_is_an_origin() -> None:
    told = storms(fold(recognise(actionable=("shop", "search")), *begin("shop", "search", "database")))
    assert told[-1].members[0].entity == "search"
    assert shares(told[-1])["database"] == 0
    assert [member.actionable for member in told[-1].members if member.entity == "database"] == [False]
    assert {member.entity: member.behind for member in told[-1].members}["database"] == "database"


def test_it_is_told_when_a_member_gets_so_bad_that_it_looks_like_the_origin() -> None:
    processor = recognise()
    told = storms(fold(processor, *begin("shop", severity=9.0), *begin("search", severity=0.5)))
    assert told[-1].members[0].entity == "shop"
    (worse,) = storms(fold(processor, measured("search", 30.0), measured("search", 31.0)))
    assert (worse.members[0].entity, worse.members[0].severity) == ("search", 30.0)
    assert storms(fold(processor, measured("shop", 2.0), measured("mail", 99.0))) == []


def test_a_storm_ends_with_the_last_of_its_episodes() -> None:
    processor = recognise()
    (first, *_) = storms(fold(processor, *begin("shop", "search")))
    assert storms(fold(processor, phase("shop", "closed"))) == []
    (last,) = storms(fold(processor, phase("search", "closed")))
    assert (last.storm, last.phase, last.size) == (first.storm, "closed", 2)
    assert storms(fold(processor, *begin("shop", number=1, second=1))) == []


def test_an_entity_that_comes_back_takes_the_place_of_its_former_episode() -> None:
    processor = recognise()
    fold(processor, *begin("shop", "search"), phase("shop", "closed"))
    told = storms(fold(processor, *begin("shop", number=1, second=2)))
    assert (told[-1].size, len(told[-1].members)) == (2, 2)
    assert {member.episode for member in told[-1].members} == {"search/0", "shop/1"}


def test_a_storm_that_goes_on_no_longer_names_what_is_long_over() -> None:
    calls = {"hub": tuple(f"leaf-{n}" for n in range(50))}
    processor = recognise(calls=calls, member_limit=4)
    fold(processor, *begin("hub"))
    named = []
    for number, leaf in enumerate(calls["hub"]):
        told = storms(fold(processor, *begin("hub", leaf, number=number + 1, second=20.0 * number)))
        named.append([member.entity for member in told[-1].members])
        fold(processor, phase("hub", "closed", number=number), phase(leaf, "closed", number=number + 1))
    assert all(leaf in members for leaf, members in zip(calls["hub"], named, strict=True))
    assert max(map(len, named)) <= 4


def test_a_storm_that_goes_on_for_long_counts_nobody_twice() -> None:
    processor = recognise(calls={})
    fold(processor, Census(id="c", time_us=0, partition=0, group="", live=9, abnormal=0))
    fold(processor, *begin("a", "b", "c", second=3_600))
    sizes = []
    for number in range(1, 100):
        entity = "abcde"[number % 5]
        told = storms(fold(processor, *begin(entity, second=3_600 + 10.0 * number, number=number)))
        sizes += [storm.size for storm in told]
        closing = number - 2
        fold(processor, phase("abcde"[closing % 5], "closed", number=closing))
    assert len(sizes) > 50
    assert max(sizes) <= 5


def test_a_storm_names_its_first_members_and_counts_the_others() -> None:
    calls = {"hub": tuple(f"leaf-{n}" for n in range(50))}
    processor = recognise(calls=calls, member_limit=8)
    told = storms(fold(processor, *begin("hub", *calls["hub"])))
    assert len(told) <= 8
    assert len(told[-1].members) == 8
    everyone = [phase(entity, "closed") for entity in ("hub", *calls["hub"])]
    (last,) = storms(fold(processor, *everyone))
    assert (last.phase, last.size) == ("closed", 51)


def test_without_calls_many_at_once_after_a_calm_time_are_a_storm() -> None:
    processor = recognise(calls={})
    census = Census(id="c", time_us=0, partition=0, group="", live=9, abnormal=0)
    assert storms(fold(processor, census, *begin("a", "b", second=3_600))) == []
    (storm,) = storms(fold(processor, *begin("c", second=3_601)))
    assert (storm.size, storm.calls) == (3, "learned")


def test_without_calls_what_is_usual_is_no_storm() -> None:
    processor = recognise(calls={})
    told = []
    for number in range(200):
        told += storms(fold(processor, *begin(f"e-{number % 40}", number=number, second=10.0 * number)))
    assert told == []


def test_without_calls_the_order_of_former_storms_says_where_this_one_began() -> None:
    processor = recognise(calls={})
    fold(processor, Census(id="c", time_us=0, partition=0, group="", live=9, abnormal=0))
    for number in range(1, 6):
        start = 50_000.0 * number
        events = [
            event
            for lag, entity in enumerate(("disk", "api", "site"))
            for event in begin(entity, second=start + 2 * lag, number=number)
        ]
        told = storms(fold(processor, *events))
        fold(processor, *(phase(entity, "closed", number=number) for entity in ("disk", "api", "site")))
    assert told[-1].members[0].entity == "disk"
    assert shares(told[-1])["disk"] > 0.5


@settings(max_examples=40, deadline=None)
@given(st.permutations(NAMES), st.randoms(use_true_random=False), st.sampled_from((CALLS, {})))
def test_renaming_entities_changes_names_alone(
    names: list[str], chance: random.Random, calls: dict[str, tuple[str, ...]]
) -> None:
    renamed = dict(zip(NAMES, names, strict=True))
    other_calls = {renamed[caller]: tuple(renamed[one] for one in callees) for caller, callees in calls.items()}
    one, other = recognise(calls), recognise(other_calls)
    for number in range(6):
        chosen = chance.sample(NAMES, chance.randint(1, len(NAMES)))
        episodes = [
            (entity, chance.randint(0, 40) + 500 * number, chance.choice((0.0, 3.0, 5.0, 8.5))) for entity in chosen
        ]
        for name in ("opened", "onset", "closed"):
            batch = [phase(e, name, second=s, severity=v, number=number) for e, s, v in episodes]
            twin = [phase(renamed[e], name, second=s, severity=v, number=number) for e, s, v in episodes]
            ranked = [
                [(renamed[m.entity], m.share, renamed[m.behind]) for m in x.members] for x in storms(fold(one, *batch))
            ]
            assert ranked == [[(m.entity, m.share, m.behind) for m in x.members] for x in storms(fold(other, *twin))]


def test_mistakes_in_the_graph_are_all_named() -> None:
    with pytest.raises(ValueError, match=r"window_us must be positive, got 0; least must be from 2"):
        GraphSettings(window_us=0, least=1)


def test_a_restored_storm_goes_on() -> None:
    one, other = recognise(), recognise()
    fold(one, *begin("shop", "search"))
    other.restore(one.snapshot())
    events = [*begin("database", second=1), phase("shop", "closed")]
    assert msgspec.json.encode(fold(one, *events)) == msgspec.json.encode(fold(other, *events))
    assert one.snapshot() == other.snapshot()


@pytest.mark.parametrize("over", [0, 1])
def test_a_restored_storm_knows_which_of_two_episodes_of_an_entity_is_the_latest(over: int) -> None:
    one, other = recognise(), recognise()
    fold(
        one,
        *begin("shop", "search"),
        phase("shop", "opened", number=1, second=20),
        phase("shop", "closed", number=over),
    )
    other.restore(one.snapshot())
    told = fold(one, *begin("cart", second=25))
    assert msgspec.json.encode(told) == msgspec.json.encode(fold(other, *begin("cart", second=25)))
    assert [storm.size for storm in storms(told)] == ([3] if over == 0 else [])
    assert one.snapshot() == other.snapshot()
