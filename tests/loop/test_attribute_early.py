"""Early signals: what is foretold of a decision before its outcome, and taken back when that comes."""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import Drift, Event, Experience, Proposal, Verdict
from streams.loop.attribute import Attribute, AttributeSettings
from streams.loop.attribute.settings import EarlySettings
from streams.loop.processor import Record
from tests.loop.decided import ACTIONS, START, S, at, closed, measured, outcome, proposal, recorded, verdict

PAIRS = 5
SETTINGS = AttributeSettings(
    horizon_us=10 * S, grace_us=2 * S, early=EarlySettings(after_us=4 * S, validity=0.6, pairs=PAIRS), remembered=500
)
AFTER = EarlySettings(after_us=5 * S, validity=0.6, pairs=PAIRS)
READ, DUE = 6.0, 12.0
"""When the early signal of a verdict at second 0 is read, and when its window is judged."""
LEAST = 20
"""Pairs from which on anything is foretold."""
APART_S = 20
QUICK, SLOW, HOPELESS = "x.........", "xxxxxxx...", "xxxxxxxxxx"
TEXTS = {"quick": QUICK, "slow": SLOW, "hopeless": HOPELESS}


class Story:
    """Decisions one after another, each with its end and its windows."""

    def __init__(self, processor: Attribute | None = None, number: int = 0) -> None:
        self.processor = processor or Attribute(SETTINGS, loop="t", actions=ACTIONS)
        self.number = number
        self._offset = 10_000 * number

    def give(self, *events: Event, seconds: float) -> list[Event]:
        self._offset += len(events)
        return self.processor.on_batch(recorded(*events, first=self._offset), at(seconds))

    def decide(
        self, windows: str, *, action: str = "restart", ends: Sequence[str] = ("claimed", "succeeded")
    ) -> Verdict:
        """Give a verdict with what is heard in its window."""
        self.number += 1
        second = APART_S * self.number
        one = proposal(action, episode=f"e{self.number}", entity=f"web-{self.number % 3}")
        given_verdict = verdict(one, "allow", second)
        heard = [outcome(given_verdict, end, second + 0.5, id=f"{one.id}/{end}") for end in ends]
        self.give(given_verdict, *heard, *measured(windows, entity=one.entity, first=second), seconds=second)
        return given_verdict

    def wait(self, seconds: float) -> list[Event]:
        """Let time come, counted from the latest verdict."""
        return self.processor.on_time(at(APART_S * self.number + seconds))

    def live(self, windows: str, **fields: str) -> tuple[list[Experience], list[Experience]]:
        """Decide once; return what is told when the signal is read, and when the window is judged."""
        self.decide(windows, **fields)  # type: ignore[arg-type]
        return told(self.wait(READ)), told(self.wait(DUE))


def some(rng: np.random.Generator, *, slow: int) -> str:
    """Return the windows of a decision after which it is well in a second or two, or, as often, not before `slow`."""
    ill = int(rng.integers(1, 3)) if rng.random() < 0.5 else min(10, slow + int(rng.integers(0, 2)))
    return "x" * ill + "." * (10 - ill)


def told(events: Sequence[Event]) -> list[Experience]:
    return [one for one in events if isinstance(one, Experience)]


@cache
def taught() -> tuple[bytes, int]:
    """Return the state of one that has learned what quick and slow recoveries come to, and its decisions."""
    story = Story()
    for n in range(LEAST + PAIRS + 1):
        story.live(SLOW if n % 2 else QUICK)
    return story.processor.snapshot(), story.number


def knowing() -> Story:
    snapshot, number = taught()
    story = Story(number=number)
    story.processor.restore(snapshot)
    return story


def test_nothing_is_foretold_before_the_signal_is_known_to_be_valid() -> None:
    story = Story()
    early = [story.live(SLOW if n % 2 else QUICK)[0] for n in range(LEAST + PAIRS + 4)]
    assert [len(one) for one in early] == [0] * (LEAST + PAIRS) + [1] * 4


@pytest.mark.parametrize(
    ("windows", "seconds", "foretold", "reward"),
    [
        (QUICK, 0.5, 0.3, 0.0),
        (QUICK, 3.0, 0.9, 0.9),
        (QUICK, 8.0, 0.9, 0.9),
        (SLOW, 3.0, 0.3, 0.0),
        (SLOW, 7.0, 0.3, 0.0),
    ],
)
def test_the_signal_and_the_outcome_end_alike_with_another_action_that_was_let_through(
    *, windows: str, seconds: float, foretold: float, reward: float
) -> None:
    """A quick recovery foretells 0.9, and none by the time the signal is read 0.3."""
    story = knowing()
    mine = story.decide(windows)
    second = APART_S * story.number
    other = proposal("recycle", episode=mine.proposal.episode, entity=mine.proposal.entity, id="by-hand", by="ann")
    by_hand = verdict(other, "allow", second + seconds)
    if seconds < READ:
        story.give(by_hand, seconds=second + seconds)
    early = told(story.wait(READ))
    if seconds > READ:
        story.give(by_hand, seconds=second + seconds)
    (end,) = [one for one in told(story.wait(DUE)) if one.proposal == mine.proposal.id]
    assert [one.reward for one in early] == [pytest.approx(foretold - 0.1, abs=0.05)]
    assert (end.state, end.reward) == ("observed", pytest.approx(reward - 0.1))
    assert end.retracted_reward == early[0].reward


def test_what_is_foretold_is_the_outcome_that_goes_with_the_signal_less_the_cost() -> None:
    story = knowing()
    for windows, signal, reward in ((QUICK, 0.75, 0.9 - 0.1), (SLOW, 0.0, 0.3 - 0.1)):
        (early,), (end,) = story.live(windows)
        assert (early.state, early.effective, early.signal, early.outcome) == ("early", "restart", signal, "succeeded")
        assert early.reward == pytest.approx(reward, abs=0.05)
        assert (early.recovery_us, early.recovered, early.availability, early.retracted_reward) == (None,) * 4
        assert (end.state, end.signal, end.retracted_reward) == ("observed", signal, early.reward)
        assert end.reward == pytest.approx(reward)
        assert not early.is_outcome
        assert end.is_outcome


def test_a_default_and_its_correction_each_take_the_place_of_what_was_told_before() -> None:
    story = knowing()
    given_verdict = story.decide(QUICK, ends=("claimed",))
    (early,), (default,) = told(story.wait(READ)), told(story.wait(DUE))
    (late,) = told(
        story.give(outcome(given_verdict, "succeeded", 900, ended_us=given_verdict.time_us + S), seconds=900)
    )
    assert [one.state for one in (early, default, late)] == ["early", "defaulted", "late"]
    assert (default.retracted_reward, late.retracted_reward) == (early.reward, default.reward)


def test_late_ends_teach_what_the_signal_foretells_but_refusals_do_not() -> None:
    for state, learns in (("succeeded", True), ("refused", False)):
        story = Story()
        for n in range(LEAST + PAIRS + 1):
            given_verdict = story.decide(SLOW if n % 2 else QUICK, ends=("claimed",))
            story.wait(DUE)
            ended_us = given_verdict.time_us + S
            story.give(outcome(given_verdict, state, 15, ended_us=ended_us, id=f"{given_verdict.id}/late"), seconds=15)
        (early, _) = story.live(QUICK)
        assert bool(early) == learns


@pytest.mark.parametrize(
    ("windows", "late_end", "state"), [("xxxx      ", None, "unobservable"), (QUICK, "refused", "censored")]
)
def test_what_tells_no_reward_takes_back_what_was_foretold(windows: str, late_end: str | None, state: str) -> None:
    story = knowing()
    given_verdict = story.decide(windows, ends=("claimed",) if late_end else ("claimed", "succeeded"))
    (early,) = told(story.wait(READ))
    outputs = story.give(outcome(given_verdict, late_end, 7), seconds=7) if late_end else []
    (end,) = told([*outputs, *story.wait(DUE)])
    assert (end.state, end.reward, end.retracted_reward) == (state, None, early.reward)


def test_doing_nothing_is_foretold_as_well_at_no_cost() -> None:
    (early,), (end,) = knowing().live(QUICK, action="none")
    assert (early.effective, early.cost) == ("none", 0.0)
    assert early.reward == pytest.approx(0.9, abs=0.05)
    assert end.retracted_reward == early.reward


@pytest.mark.parametrize("why", ["nobody began it", "nothing was measured", "a person's own", "of a life", "off"])
def test_nothing_is_foretold_of_what_nobody_can_tell(why: str) -> None:
    story = knowing()
    if why == "off":
        plain = AttributeSettings(horizon_us=10 * S, grace_us=2 * S, remembered=500)
        story.processor = Attribute(plain, loop="t", actions=ACTIONS)
        story.processor.restore(taught()[0])
    if why in ("a person's own", "of a life"):
        fields = {"episode": "", "by": "loop"} if why == "of a life" else {"episode": "own", "by": "ann"}
        one = verdict(proposal("restart", **fields), "allow", APART_S * story.number)
        story.give(one, outcome(one, "succeeded", 1), *measured(QUICK, first=APART_S * story.number), seconds=0)
    else:
        story.decide(
            "          " if why == "nothing was measured" else QUICK,
            ends=() if why == "nobody began it" else ("claimed", "succeeded"),
        )
    assert told(story.wait(READ)) == []
    (end,) = told(story.wait(DUE))
    assert (end.signal, end.retracted_reward) == (None, None)


@pytest.mark.parametrize(
    "changed", [{"coverage": 0.4}, {"horizon_us": 11 * S}, {"normal_windows": 1}, {"early": AFTER}]
)
def test_what_a_signal_foretold_is_learned_afresh_where_it_means_something_else(changed: dict[str, Any]) -> None:
    fields = {"horizon_us": 10 * S, "grace_us": 2 * S, "early": SETTINGS.early, "remembered": 500}
    story = Story(Attribute(AttributeSettings(**(fields | changed)), loop="t", actions=ACTIONS), knowing().number)
    story.processor.restore(taught()[0])
    story.decide(QUICK)
    assert told(story.wait(8)) == []


def test_of_a_signal_that_is_read_too_late_only_the_outcome_is_told_and_it_is_learned_from() -> None:
    story = knowing()
    story.decide(QUICK)
    (end,) = told(story.wait(DUE))
    assert (end.state, end.signal, end.retracted_reward) == ("observed", 0.75, None)


def test_a_signal_that_outcomes_leave_is_told_of_once_and_not_used_until_it_is_valid_again() -> None:
    story, rng = Story(), np.random.default_rng(0)
    for _ in range(150):
        story.live(some(rng, slow=7))
    drifts: list[Drift] = []
    places: list[int] = []
    used: list[bool] = []
    for n in range(200):
        story.decide(some(rng, slow=10))
        used.append(bool(told(story.wait(READ))))
        found = [one for one in story.wait(DUE) if isinstance(one, Drift)]
        places += [n] * len(found)
        drifts += found
    ((place, drift),) = zip(places, drifts, strict=True)
    assert place < 80
    assert drift.subject in ("outcomes/early/error", "outcomes/early/miss")
    assert all(used[:place])
    assert not any(used[place + 1 : place + 1 + LEAST + PAIRS - 1])
    assert all(used[place + 2 + LEAST + PAIRS :])


def test_a_signal_that_says_nothing_of_the_outcome_is_never_used() -> None:
    story = Story()
    windows = ("x.........", "xxxxxxx...", "xxxxxxxxxx")
    early = [told_early for n in range(120) for told_early in story.live(windows[1 + n % 2])[0]]
    assert early == []


def stories(kinds: Sequence[str]) -> tuple[list[list[Record]], list[float]]:
    """Events of decisions that overlap, second by second, and the seconds at which time is asked for."""
    _, number = taught()
    events: list[tuple[float, Event]] = []
    for n, kind in enumerate(kinds):
        second = APART_S * (number + 2) + 3.0 * n
        one: Proposal = proposal("none" if kind == "none" else "restart", episode=f"s{n}", entity=f"web-{n % 2}")
        given_verdict = verdict(one, "allow", second)
        events.append((second, given_verdict))
        windows = measured(TEXTS.get(kind, QUICK if n % 2 else SLOW), entity=one.entity, first=int(second))
        events += [((window.time_us - START) / S, window) for window in windows]
        if kind in ("claimed", "refused", "late", *TEXTS):
            events.append((second + 0.5, outcome(given_verdict, "claimed", second + 0.5)))
        if kind in TEXTS or kind in ("refused", "late"):
            at_s = second + {"refused": 8.0, "late": 40.0}.get(kind, 1.0)
            state = "refused" if kind == "refused" else "succeeded"
            events.append((at_s, outcome(given_verdict, state, at_s, ended_us=START + int((second + 1) * S))))
        events.append((second + 9, closed(second + 9, episode=one.episode, entity=one.entity)))
    events.sort(key=lambda pair: pair[0])
    seconds = sorted({float(int(second)) for second, _ in events})
    batches = []
    offset = 10_000_000
    for second in seconds:
        batch = [event for when, event in events if second <= when < second + 1]
        batches.append(recorded(*batch, first=offset))
        offset += len(batch)
    return batches, [second + 1 for second in seconds]


KINDS = st.lists(
    st.sampled_from(["quick", "slow", "hopeless", "none", "claimed", "refused", "late", "nobody"]),
    min_size=1,
    max_size=8,
)


@settings(max_examples=40, deadline=None)
@given(KINDS, st.integers(1, 4), st.integers(0, 30))
def test_batches_restarts_and_duplicates_change_nothing(kinds: list[str], size: int, restart: int) -> None:
    batches, seconds = stories(kinds)
    whole, parts = knowing().processor, knowing().processor
    expected: list[Event] = []
    got: list[Event] = []
    for number, (batch, second) in enumerate(zip(batches, seconds, strict=True)):
        expected += [*whole.on_batch(batch, at(second)), *whole.on_time(at(second))]
        if number == restart:
            snapshot = parts.snapshot()
            parts = Attribute(SETTINGS, loop="t", actions=ACTIONS)
            parts.restore(snapshot)
        for start, stop in pairwise([*range(0, len(batch), size), len(batch)]):
            got += parts.on_batch(batch[start:stop], at(second))
        got += parts.on_batch(batch, at(second))
        got += parts.on_time(at(second))
    last = seconds[-1] + 40
    assert got + parts.on_time(at(last)) == expected + whole.on_time(at(last))
    assert parts.snapshot() == whole.snapshot()
    for one in {event.proposal for event in told(expected)}:
        states = [event.state for event in told(expected) if event.proposal == one]
        assert states.count("early") <= 1
        assert "early" not in states[1:]
