"""What other policies would have earned, by runs that are lists of events."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
from msgspec.structs import replace

from schemas.events import Check, Event, Proposal
from streams.loop.actions import ActionSettings
from streams.loop.gate.state import is_exploring
from streams.loop.policy.choice import hold_out_of
from streams.loop.policy.values import values_of
from streams.operate.evaluation import VALUES, Evaluation, evaluate
from streams.operate.simulation import fleet_loop
from streams.operate.topic_reader import StoredRecord
from streams.settings import Settings
from tests.loop.decided import SHARES, START, S, experience, proposal, verdict

CHANCES = {"none": 0.4, "restart": 0.6}
PROPENSITIES = {"none": 0.6 * 0.4 + 0.2, "restart": 0.6 * 0.6 + 0.2}


class Listed:
    """Reads a loop's topics from a list, from the last topic on: Kafka promises no order between topics."""

    def __init__(self, events: Sequence[Event]) -> None:
        self._events = events

    def events(self, *topics: str) -> Iterator[tuple[StoredRecord, Event]]:
        """Yield the events of some topics."""
        for topic in sorted(topics):
            for offset, event in enumerate(one for one in self._events if topic == type(one).TOPIC):
                record = StoredRecord(
                    topic=topic,
                    partition=0,
                    offset=offset,
                    key=None,
                    value=None,
                    headers=[],
                    timestamp_us=event.time_us,
                )
                yield record, event


def asked(number: int, entities: int, **fields: object) -> Proposal:
    action = "none" if number % 2 else "restart"
    given = {"id": f"p{number}", "probabilities": CHANCES, "propensity": PROPENSITIES[action]}
    return proposal(action, f"e{number}", f"host-{number % entities}", **(given | fields))  # type: ignore[arg-type]


def run(
    count: int = 400,
    entities: int = 40,
    reward: Callable[[int], float | None] = lambda number: number * 7 % 10 / 10,
    **fields: object,
) -> Listed:
    events: list[Event] = []
    for number in range(count):
        one = asked(number, entities, **fields)
        known = reward(number)
        events += [verdict(one), experience(one, "unobservable" if known is None else "observed", known)]
    return Listed(events)


@pytest.fixture(scope="module")
def settings() -> Settings:
    return fleet_loop(None)


def why(found: Evaluation) -> tuple[str, str]:
    return found.policies[0].refused, found.policies[0].remedy


def test_topics_are_read_in_their_own_order(settings: Settings) -> None:
    found = evaluate(run(), settings, ("none",), {})
    assert (found.decisions, found.entities, found.rewards) == (400, 40, 400)
    assert found.policies[0].refused == ""


def test_an_empty_run_lacks_decisions_not_a_model_to_be_followed(settings: Settings) -> None:
    for name, others in (("running", {}), ("none", {}), ("other.toml", {"other.toml": settings})):
        refused, remedy = why(evaluate(Listed([]), settings, (name,), others))
        assert refused == "expected at least 20 decisions that have ended, got 0"
        assert remedy == "20 more decisions"


def test_another_baseline_than_the_runs_is_said(settings: Settings) -> None:
    other = replace(settings, policy=replace(settings.policy, baseline="recycle"))
    refused, remedy = why(evaluate(run(), other, ("none",), {}))
    assert refused.startswith("400 decisions were made under another baseline")
    assert remedy.startswith("give the loop.toml of the run")


def test_without_any_reward_measuring_is_what_lacks(settings: Settings) -> None:
    refused, remedy = why(evaluate(run(reward=lambda _: None), settings, ("running",), {}))
    assert refused == "no reward is known of any of the 400 decisions"
    assert remedy.startswith("measuring: ")


@pytest.mark.parametrize("entities", [1, 3])
def test_a_few_entities_are_refused(settings: Settings, entities: int) -> None:
    refused, remedy = why(evaluate(run(entities=entities), settings, ("none",), {}))
    assert refused.startswith(f"its rewards are {entities}.0 entities' worth, expected at least 10")
    assert remedy.startswith("decisions of more entities")


def test_decisions_without_anything_eligible_do_not_stop_another_file(settings: Settings) -> None:
    found = evaluate(run(probabilities={}, propensity=1.0), settings, ("same.toml",), {"same.toml": settings})
    assert found.before == 400
    assert why(found)[0].startswith("400 decisions were made under another baseline")


def test_no_number_depends_on_what_else_is_asked(settings: Settings) -> None:
    wide = replace(settings, actions=settings.actions | {"drain": ActionSettings(name="drain", cost=1.0)})
    alone = evaluate(run(), settings, ("none",), {})
    beside = evaluate(run(), settings, ("none", "wide.toml"), {"wide.toml": wide})
    assert beside.policies[0] == alone.policies[0]
    assert beside.earned == alone.earned


def test_proposals_that_are_kept_on_verdicts_alone_are_followed(settings: Settings) -> None:
    """The topic `policy` keeps its records for a much shorter time."""
    other = replace(settings, policy=replace(settings.policy, floor=1.0))
    even = dict.fromkeys(CHANCES, 0.5)
    log = run(
        model="ridges/0",
        probabilities=even,
        propensity=0.5,
        hold_out=None,
        reward=lambda _: 0.5,
    )
    same = replace(other, actions={"restart": settings.actions["restart"]})
    found = evaluate(log, other, ("same.toml",), {"same.toml": same})
    assert found.policies[0].decisions == 400
    assert found.policies[0].refused == ""


@pytest.mark.parametrize(
    ("own", "names", "expected"),
    [
        (("*",), ("load", "*"), ()),
        (("*",), (), ()),
        (("load",), ("load",), ()),
        (("load",), ("cpu", "load"), (VALUES,)),
        ((), ("*",), (VALUES,)),
    ],
)
def test_values_that_the_log_does_not_hold_are_said_to_be_left_out(
    settings: Settings, own: tuple[str, ...], names: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    mine, other = (replace(settings, policy=replace(settings.policy, values=one)) for one in (own, names))
    log = run(count=40, features={"severity": 6.0} | values_of({"cpu": 70.0, "load": 2.0}, own))
    found = evaluate(log, mine, ("other.toml",), {"other.toml": other})
    assert found.policies[0].not_replayed == expected


def test_nothing_is_compared_with_choices_that_the_log_cannot_tell_of(settings: Settings) -> None:
    """No restart was ever measured: what doing nothing earns is known, what the loop's own choices do is not."""
    none, running = evaluate(
        run(reward=lambda number: number * 7 % 10 / 10 if number % 2 else None), settings, ("none", "running"), {}
    ).policies
    assert (none.refused, running.refused != "") == ("", True)
    assert none.reward is not None
    assert (none.better, none.better_low, none.better_high) == (None, None, None)


EARNS = {"none": 0.1, "recycle": 0.5, "restart": 0.9}
LIKELY = {"none": 0.05, "recycle": 0.75, "restart": 0.2}
RISKY = Check(name="exploration", passed=False)


def explored(shares: dict[str, float] = SHARES, count: int = 1_000) -> Listed:
    """Return a run whose gate lets nothing explore a restart, which looks best nowhere, and the baseline restart."""
    rng, events = np.random.default_rng(3), list[Event]()
    for number in range(count):
        hold_out = hold_out_of(f"e{number}", seed=7, shares=shares)
        drawn = str(rng.choice(list(LIKELY), p=list(LIKELY.values())))
        action = {"baseline": "restart", "none": "none"}.get(hold_out.arm, drawn)
        held = {"restart": shares["baseline"], "none": shares["none"]}.get(action, 0.0)
        time_us = START + number * 30 * S
        one = proposal(
            action,
            f"e{number}",
            f"host-{number % 40}",
            id=f"p{number}",
            time_us=time_us,
            hold_out=hold_out,
            probabilities=LIKELY,
            propensity=shares["loop"] * LIKELY[action] + held,
            model="ridges/0",
        )
        denied = action == "restart" and is_exploring(one)
        if denied:
            said = verdict(one, "deny", checks=(RISKY,), decided_by="exploration")
            told = experience(one, "censored", None, effective="none", decided_us=time_us)
        else:
            said, reward = verdict(one), float(EARNS[action] + rng.uniform(-0.1, 0.1))
            told = experience(one, reward=reward, decided_us=time_us, time_us=time_us + 20 * S)
        events += [replace(said, time_us=time_us), replace(told, time_us=max(told.time_us, time_us))]
    return Listed(events)


def test_what_is_denied_because_it_explores_is_no_denial_of_the_baseline(settings: Settings) -> None:
    loop, none, baseline = evaluate(explored(), settings, ("running", "none", "baseline"), {}).policies
    for found, earns in (
        (loop, 0.75 * EARNS["recycle"] + 0.25 * EARNS["none"]),
        (none, EARNS["none"]),
        (baseline, EARNS["restart"]),
    ):
        assert found.reward == pytest.approx(earns, abs=0.03)
        assert found.low is not None
        assert found.high is not None
        assert found.low < earns < found.high


def test_what_was_only_ever_denied_because_it_explored_cannot_be_told_of(settings: Settings) -> None:
    alone = {"loop": 0.8, "baseline": 0.0, "none": 0.2}
    policy = replace(settings.policy, hold_out=alone)
    found = evaluate(explored(alone), replace(settings, policy=policy), ("running", "baseline"), {}).policies
    assert found[0].refused == ""
    assert found[1].refused.startswith("in 100% of the decisions it would end in restart where the log could hardly")
