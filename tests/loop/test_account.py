import math
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.events import (
    Approval,
    Arm,
    AuditEntry,
    Control,
    Event,
    HoldOut,
    LedgerEntry,
    LevelChange,
    Proposal,
    Verdict,
)
from streams.loop.account import GENESIS, Account, AccountSettings, verify_chain
from streams.loop.account.ends import contradicted
from streams.loop.processor import Record
from tests.loop.decided import (
    SHARES,
    START,
    S,
    at,
    blocked,
    experience,
    measurement,
    outcome,
    proposal,
    recorded,
    verdict,
)

APPROVAL = Approval(
    id="approval", time_us=START, proposal="p", proposal_hash="h", decision="approve", person="ada", not_after_us=START
)
PAUSE = Control(id="pause", time_us=START, kind="pause", target="loop", value="paused", by="ada", reason="x" * 999)


def account(every: int = 100, **fields: int) -> Account:
    return Account(AccountSettings(every=every, **fields), loop="t")


def fold(processor: Account, *events: Event, seconds: float = 0.0, first: int = 0) -> list[Event]:
    return processor.on_batch(recorded(*events, first=first), at(seconds))


def links(outputs: list[Event]) -> list[AuditEntry]:
    return [event for event in outputs if isinstance(event, AuditEntry)]


def ledger(outputs: list[Event]) -> dict[str, LedgerEntry]:
    return {event.arm: event for event in outputs if isinstance(event, LedgerEntry)}


def decision(n: int, state: str = "observed", reward: float | None = 0.5, **fields: object) -> Event:
    return experience(proposal(episode=f"e{n}"), state, reward, **fields)


def everything() -> list[Event]:
    allowed = verdict(proposal())
    return [allowed, outcome(allowed, "claimed", 1), outcome(allowed, "succeeded", 2), decision(1), APPROVAL, PAUSE]


def test_everything_that_was_decided_becomes_a_link() -> None:
    chain = links(fold(account(), *everything()))
    assert [link.kind for link in chain] == ["verdict", "outcome", "outcome", "experience", "approval", "control"]
    assert [link.sequence for link in chain] == list(range(6))
    assert chain[0].previous == GENESIS
    assert verify_chain(chain) is None
    assert chain[0].facts["verdict"] == "allow"
    assert chain[5].facts["by"] == "ada"


def test_a_change_of_level_is_a_link_with_its_numbers() -> None:
    change = LevelChange(
        id="change",
        time_us=START,
        pattern="p-1",
        action="restart",
        level="act",
        was="approve",
        start="suggest",
        reason="earned",
        outcomes=42,
        effect_low=0.125,
        compared="none",
    )
    (link,) = links(fold(account(), change))
    assert (link.subject, link.kind) == ("level/p-1/restart", "level")
    assert {name: link.facts[name] for name in ("level", "was", "outcomes", "effect_low", "compared")} == {
        "level": "act",
        "was": "approve",
        "outcomes": "42",
        "effect_low": "0.125",
        "compared": "none",
    }


def test_facts_stay_short_and_the_rest_is_no_business_of_the_audit() -> None:
    processor = account()
    (link,) = links(fold(processor, PAUSE))
    assert max(len(fact) for fact in link.facts.values()) == 200
    assert fold(processor, measurement(0, abnormal=True), blocked(), proposal(), first=5) == []


@pytest.mark.parametrize("change", ["fact", "hash", "time", "left out", "swapped", "previous"])
def test_a_chain_that_was_touched_does_not_verify(change: str) -> None:
    chain = links(fold(account(), *everything()))
    match change:
        case "fact":
            chain[2] = replace(chain[2], facts=chain[2].facts | {"state": "failed"})
        case "hash":
            chain[5] = replace(chain[5], hash="0" * 64)
        case "time":
            chain[2] = replace(chain[2], time_us=chain[2].time_us + 1)
        case "left out":
            del chain[3]
        case "swapped":
            chain[1], chain[2] = chain[2], chain[1]
        case _:
            chain[4] = replace(chain[4], previous=GENESIS)
    assert verify_chain(chain) is not None


def test_the_ledger_tells_what_each_arm_was_worth() -> None:
    processor = account(every=4)
    rewards = [("loop", 0.8, 3), ("loop", 0.6, 5), ("baseline", 0.1, 9), ("none", 0.0, 10)]
    events = [
        decision(n, reward=reward, arm=arm, recovery_us=seconds * S, availability=0.9, cost=0.05)
        for n, (arm, reward, seconds) in enumerate(rewards)
    ]
    entries = ledger(fold(processor, *events))
    assert set(entries) == {"loop", "baseline", "none"}
    assert entries["loop"].reward_mean == pytest.approx(0.7)
    assert entries["loop"].recovery_s_mean == pytest.approx(4.0)
    assert entries["loop"].availability_mean == pytest.approx(0.9)
    assert (entries["loop"].decisions, entries["loop"].observed) == (2, 2)
    assert entries["loop"].cost == pytest.approx(0.1)
    assert entries["baseline"].reward_mean == pytest.approx(0.1)
    assert entries["loop"].reward_low < 0.7 < entries["loop"].reward_high


def held_out(arm: Arm, **fields: Any) -> Proposal:
    return proposal(episode=f"e-{arm}", hold_out=HoldOut(draw=0.5, arm=arm, shares=SHARES), **fields)


def answered(to: Proposal, answer: str, *, kind: str = "allow") -> Verdict:
    """Return the verdict that an answer led to."""
    return verdict(to, kind, approval=answer, approvals=(answer,), id=f"verdict-of-{answer}")


def test_the_ledger_counts_value_and_the_minutes_that_answers_took_people() -> None:
    processor = Account(AccountSettings(every=100, minutes_per_answer=2.5), loop="t")
    loop, baseline = held_out("loop"), held_out("baseline")
    first, second = answered(loop, "yes", kind="escalate"), answered(loop, "yes too")
    fold(processor, verdict(loop, "escalate"), first, first, second, experience(loop, reward=0.75))
    snapshot = processor.snapshot()
    processor = Account(AccountSettings(every=100, minutes_per_answer=2.5), loop="t")
    processor.restore(snapshot)
    fold(processor, second, first=5)
    fold(processor, answered(baseline, "no", kind="deny"), experience(baseline, reward=-0.25, cost=0.5), first=9)
    entries = ledger(processor.on_time(at(1_000)))
    told = {arm: (entry.value, entry.answers, entry.minutes) for arm, entry in entries.items()}
    assert told == {"loop": (0.75, 2, 5.0), "baseline": (-0.25, 1, 2.5)}


def test_a_look_that_the_loop_chose_is_in_costs_and_chain_whatever_was_answered_and_measured() -> None:
    looked = {"asked": True, "look_cost": 0.05, "effective": "none", "cost": 0.05}
    outputs = fold(account(every=2), decision(1, reward=0.35, **looked), decision(2, "unobservable", None, **looked))
    entry = ledger(outputs)["loop"]
    assert (entry.decisions, entry.observed, entry.value) == (2, 1, 0.35)
    assert entry.cost == pytest.approx(0.1)
    assert [link.facts["asked"] for link in links(outputs)] == ["by choice"] * 2
    (asked, other) = links(fold(account(), verdict(proposal(asked=True), "escalate"), verdict(proposal("shed"))))
    assert (asked.facts["asked"], "asked" in other.facts) == ("by choice", False)


def test_an_answer_alone_is_fresh_and_written() -> None:
    processor = account()
    fold(processor, answered(held_out("none"), "yes"))
    entries = ledger(processor.on_time(at(1_000)))
    assert (entries["none"].answers, entries["none"].decisions) == (1, 0)


def test_answers_that_led_to_nothing_and_those_to_what_a_person_proposed_are_not_the_loops_minutes() -> None:
    """In whatever order answer and question come: what the gate took of them is what counts."""
    processor = account(every=1)
    theirs, asked, life = held_out("loop", by="ada"), held_out("baseline"), proposal(episode="")
    unasked = replace(APPROVAL, id="unasked", proposal=asked.id)
    outputs = fold(processor, unasked, answered(theirs, "theirs"), verdict(asked, "escalate"), answered(life, "life"))
    assert ledger(outputs) == {}


def test_a_state_of_before_minutes_were_counted_is_taken_over() -> None:
    processor = account()
    fold(processor, decision(1, reward=0.5))
    old = msgspec.msgpack.decode(processor.snapshot())
    for sums in old["arms"].values():
        del sums["answers"]
    restored = account(every=1)
    restored.restore(msgspec.msgpack.encode(old))
    (entry,) = ledger(fold(restored, decision(2, reward=0.25), first=5)).values()
    assert (entry.decisions, entry.value, entry.answers) == (2, 0.75, 0)


def test_what_was_not_executed_counts_as_decided_and_not_as_observed() -> None:
    entries = ledger(fold(account(every=2), decision(1, "censored", None), decision(2, reward=0.4)))
    assert (entries["loop"].decisions, entries["loop"].observed) == (2, 1)
    assert entries["loop"].reward_mean == pytest.approx(0.4)
    assert entries["loop"].availability_mean is None


def test_what_was_done_for_a_life_as_a_whole_is_not_held_against_episodes() -> None:
    lives = [decision(2, reward=0.9, episode=""), decision(3, "unobservable", None, episode="", cost=0.05)]
    told = ledger(fold(account(every=1), *lives, decision(1)))
    (entry,) = told.values()
    assert (entry.decisions, entry.observed, entry.reward_mean, entry.cost) == (1, 1, 0.5, 0.0)
    assert ledger(fold(account(every=1), *lives)) == {}


def test_a_late_reward_replaces_the_default_and_counts_once() -> None:
    late = decision(1, "late", 0.8, retracted_reward=-0.1)
    processor = account(every=3)
    entries = ledger(fold(processor, decision(1, "defaulted", -0.1), late, late, decision(2, reward=0.6)))
    assert (entries["loop"].decisions, entries["loop"].observed) == (2, 2)
    assert entries["loop"].reward_mean == pytest.approx(0.7)


def test_what_is_foretold_is_in_the_chain_and_not_in_the_ledger() -> None:
    processor = account(every=1)
    outputs = fold(processor, decision(1, "early", 0.9, signal=0.25))
    (link,) = links(outputs)
    assert (link.kind, link.facts["state"], link.facts["signal"]) == ("experience", "early", "0.25")
    assert ledger(outputs) == {}
    assert processor.next_time() is None
    (entry,) = ledger(fold(processor, decision(1, "observed", 0.4, retracted_reward=0.9), first=5)).values()
    assert (entry.decisions, entry.observed, entry.reward_mean) == (1, 1, 0.4)


@pytest.mark.parametrize(
    ("said", "contradicts"),
    [
        ([("claimed", 1), ("succeeded", 1)], ["", ""]),
        ([("claimed", 1), ("succeeded", 1), ("succeeded", 1)], ["", "", ""]),
        ([("claimed", 1), ("claimed", 2), ("succeeded", 1)], ["", "", ""]),
        ([("claimed", 1), ("failed", 2), ("succeeded", 1)], ["", "claimed by executor-1", ""]),
        ([("succeeded", 1), ("failed", 1)], ["", "succeeded by executor-1"]),
        ([("succeeded", 1), ("refused", 1)], ["", "succeeded by executor-1"]),
        ([("succeeded", 1), ("refused", 2), ("failed", 1)], ["", "", "succeeded by executor-1"]),
        ([("refused", 2), ("claimed", 1), ("succeeded", 1), ("failed", 1)], ["", "", "", "succeeded by executor-1"]),
        ([("succeeded", 1), ("succeeded", 2)], ["", "succeeded by executor-1"]),
        ([("unknown", 1), ("succeeded", 1), ("failed", 1)], ["", "unknown by executor-1", "unknown by executor-1"]),
    ],
)
def test_an_end_that_contradicts_what_was_said_before_says_so(
    said: list[tuple[str, int]], contradicts: list[str]
) -> None:
    allowed = verdict(proposal())
    ends = [
        outcome(allowed, state, n, executor=f"executor-{number}", id=f"o{n}") for n, (state, number) in enumerate(said)
    ]
    first, restored = account(), account()
    chain = links(fold(first, *ends[:1]))
    restored.restore(first.snapshot())
    chain += links(fold(restored, *ends[1:], first=1))
    assert [link.facts.get("contradicts", "") for link in chain] == contradicts
    assert verify_chain(chain) is None


def test_groups_that_each_run_an_action_once_contradict_nothing_until_one_tells_another_end() -> None:
    allowed = verdict(proposal())
    told = [("a", "claimed"), ("a", "succeeded"), ("b", "claimed"), ("b", "failed"), ("a", "failed")]
    ends = [
        outcome(allowed, state, n, group=group, executor=f"of-{group}", id=f"o{n}")
        for n, (group, state) in enumerate(told)
    ]
    chain = links(fold(account(), *ends))
    assert [link.facts.get("contradicts", "") for link in chain] == ["", "", "", "", "succeeded by of-a"]
    assert contradicted(ends[:-1]) == set()
    assert contradicted(ends) == {allowed.action}


def test_of_so_many_actions_the_oldest_ends_are_forgotten() -> None:
    processor = account(remembered=2)
    several = [verdict(proposal(episode=f"e{n}")) for n in range(3)]
    fold(processor, *[outcome(one, "succeeded", 1) for one in several])
    again = [several[1], several[2], several[0]]
    chain = links(fold(processor, *[outcome(one, "failed", 2) for one in again], first=5))
    assert ["contradicts" in link.facts for link in chain] == [True, True, False]


def test_a_late_reward_counts_where_the_default_had_none() -> None:
    late = decision(1, "late", 0.8)
    entries = ledger(fold(account(every=2), decision(1, "defaulted", None), late, late))
    assert (entries["loop"].decisions, entries["loop"].observed, entries["loop"].reward_mean) == (1, 1, 0.8)


def test_a_run_of_which_nothing_was_measured_costs_until_its_late_end_says_that_it_never_began() -> None:
    told = {"cost": 0.05, "outcome": "claimed"}
    first = [decision(1, "defaulted", None, **told), decision(2, reward=0.4, cost=0.05)]
    entry = ledger(fold(account(every=2), *first))["loop"]
    assert (entry.decisions, entry.observed, entry.reward_mean) == (2, 1, 0.4)
    assert entry.cost == pytest.approx(0.1)
    refused = decision(1, "late", 0.0, outcome="refused", effective="none")
    assert ledger(fold(account(every=3), *first, refused))["loop"].cost == pytest.approx(0.05)
    never = decision(1, "unobservable", None, cost=0.05, outcome=None)
    assert ledger(fold(account(every=1), never))["loop"].cost == 0.0


@pytest.mark.parametrize("reward", [-0.9, 1.2, math.nan])
def test_what_cannot_be_a_reward_is_none_of_the_mean(reward: float) -> None:
    entry = ledger(fold(account(every=2), decision(1, reward=reward), decision(2, reward=0.4)))["loop"]
    assert (entry.decisions, entry.observed, entry.reward_mean) == (2, 1, 0.4)


def test_the_ledger_is_written_ten_seconds_after_the_first_news() -> None:
    processor = account()
    assert processor.next_time() is None
    fold(processor, decision(1), seconds=5)
    fold(processor, decision(2), seconds=9, first=5)
    assert processor.next_time() == START + 15 * S
    assert processor.on_time(at(14)) == []
    assert ledger(processor.on_time(at(15)))["loop"].decisions == 2
    assert processor.next_time() is None


def story() -> list[Record]:
    states = [("observed", 0.3), ("censored", None), ("defaulted", 0.1), ("observed", 0.9)]
    decisions = [decision(n, *states[n % 4], arm=("loop", "baseline", "none")[n % 3]) for n in range(12)]
    corrections = [
        decision(n, "late", 0.5, retracted_reward=0.1, arm=("loop", "baseline", "none")[n % 3]) for n in (2, 6)
    ]
    return recorded(*everything()[:3], *decisions, *corrections)


@given(st.lists(st.integers(0, 17), max_size=4))
def test_any_split_gives_the_same_chain_and_ledger(cuts: list[int]) -> None:
    records, whole, parts = story(), account(every=5), account(every=5)
    expected = whole.on_batch(records, at(1))
    places = [0, *sorted(cuts), len(records)]
    outputs = [event for start, stop in pairwise(places) for event in parts.on_batch(records[start:stop], at(1))]
    assert outputs == expected
    assert parts.snapshot() == whole.snapshot()


@given(st.integers(0, 17))
def test_restored_or_given_duplicates_it_goes_on_alike(cut: int) -> None:
    records, plain, first, restored = story(), account(), account(), account()
    expected = plain.on_batch(records, at(1))
    outputs = first.on_batch([record for record in records[:cut] for _ in range(2)], at(1))
    restored.restore(first.snapshot())
    outputs += restored.on_batch(records[cut:], at(1))
    assert outputs == expected
    assert restored.snapshot() == plain.snapshot()
    assert restored.on_batch(records, at(1)) == []
    assert verify_chain(links(outputs)) is None
