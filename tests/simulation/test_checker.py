"""The checker of the promises finds what it is for: one thing broken in a good run, one promise named."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from msgspec import structs

from schemas.events import Action, Verdict
from tests.promises.checker import check_promises
from tests.promises.evidence import Evidence, LimitRule, LogRecord
from tests.simulation.judged import driver_of, evidence_of

SEED = 1
Records = list[LogRecord]


@pytest.fixture(scope="module")
def good() -> Evidence:
    driver = driver_of(SEED)
    driver.run(telemetry_events=1_000)
    return evidence_of(driver, SEED)


def told(evidence: Evidence) -> set[str]:
    return {violation.promise for violation in check_promises(evidence)}


def altered(good: Evidence, topic: str, change: Callable[[Records], Records]) -> Evidence:
    """Return the evidence with the records of one topic changed; `good` stays as it is."""

    def read(name: str) -> Records:
        records = list(good.read(name))
        return change(records) if name == topic else records

    return replace(good, read=read)


def again(records: Records) -> Records:
    return [*records, structs.replace(records[-1], offset=records[-1].offset + 1)]


def one_byte(records: Records) -> Records:
    middle = len(records) // 2
    value = (records[middle].value or b"").replace(b"1", b"2", 1)
    return [*records[:middle], structs.replace(records[middle], value=value), *records[middle + 1 :]]


def swapped(records: Records) -> Records:
    """Exchange the first two records that follow on one another under one key."""
    first, second = next(
        (i, j) for j in range(len(records)) for i in range(j) if records[i].key == records[j].key and records[i].key
    )
    found = list(records)
    found[first] = structs.replace(records[second], offset=records[first].offset)
    found[second] = structs.replace(records[first], offset=records[second].offset)
    return found


def by_a_zombie(records: Records) -> Records:
    """Let the last entry of the journal be written by the instance that wrote the first."""
    entry = json.loads(records[-1].value or b"")
    entry["instance"] = json.loads(records[0].value or b"")["instance"]
    return [*records[:-1], structs.replace(records[-1], value=json.dumps(entry).encode())]


def test_a_good_run_is_found_good(good: Evidence) -> None:
    assert check_promises(good) == []


def foretold(records: Records, *, reward: float, times: int = 1, after: bool = False) -> Records:
    """Let the reward of the first experience be foretold, which retracts 0.5."""
    first = json.loads(records[0].value or b"")
    early = structs.replace(records[0], value=json.dumps(first | {"state": "early", "reward": reward}).encode())
    end = structs.replace(records[0], value=json.dumps(first | {"retracted_reward": 0.5}).encode())
    told = [end, *[early] * times] if after else [*[early] * times, end]
    return [structs.replace(one, offset=offset) for offset, one in enumerate([*told, *records[1:]])]


@pytest.mark.parametrize(
    ("changes", "promises"),
    [({"reward": 0.5}, False), ({"reward": 0.4}, True), ({"reward": 0.5, "times": 2}, True),
     ({"reward": 0.5, "after": True}, True), ({"reward": 0.5, "times": 0}, True)],
)  # fmt: skip
def test_what_is_foretold_is_retracted_once_by_what_comes_next(
    good: Evidence, changes: dict[str, Any], promises: bool
) -> None:
    altered_run = altered(good, "experience", partial(foretold, **changes))
    assert ("P5" in told(altered_run)) == promises


@pytest.mark.parametrize(
    ("topic", "change", "promise"),
    [
        ("verdicts", lambda records: records[:-1], "P1"),
        ("actions", again, "P1"),
        ("journal-gate", lambda records: [*records[:3], *records[4:]], "P1"),
        ("telemetry", one_byte, "P6"),
        ("insights", swapped, "P8"),
        ("experience", again, "P5"),
        ("experience", lambda records: records[1:], "P5"),
        ("verdicts", lambda records: [r for r in records if b'"allow"' not in (r.value or b"")], "P4"),
    ],
)
def test_a_damaged_topic_is_noticed(
    good: Evidence, topic: str, change: Callable[[Records], Records], promise: str
) -> None:
    assert promise in told(altered(good, topic, change))


def test_an_action_that_starts_twice_late_or_changed_is_noticed(good: Evidence) -> None:
    assert good.starts
    first = good.starts[0]
    late = replace(first, time_us=first.action.expires_us + 1)  # type: ignore[type-var]  # a dataclass of the driver
    assert told(replace(good, starts=[*good.starts, first])) == {"P2"}
    assert told(replace(good, starts=[late, *good.starts[1:]])) == {"P4"}
    unknown = next(action for action in good.events(Action) if action.id != first.action.id)
    forged = replace(first, action=structs.replace(unknown, entity="another"))  # type: ignore[type-var]
    assert "P4" in told(replace(good, starts=[forged]))


def test_a_limit_that_did_not_hold_is_noticed(good: Evidence) -> None:
    tight = LimitRule(name="loop", limits="1/hour", scope=lambda _: "loop")
    assert sum(verdict.action is not None for verdict in good.events(Verdict)) > 1
    assert told(replace(good, limits=(tight,))) == {"P3"}


def test_a_zombie_is_noticed(good: Evidence) -> None:
    place, entries = next(
        (place, entries) for place, entries in good.journals().items() if len({e.instance for e in entries}) > 1
    )
    assert place[1] == 0
    assert entries[-1].instance != entries[0].instance
    journal = f"journal-{place[0]}"

    def change(records: Records) -> Records:
        own = [record for record in records if record.partition == 0]
        return [*by_a_zombie(own), *(record for record in records if record.partition)]

    assert "fence" in told(altered(good, journal, change))
