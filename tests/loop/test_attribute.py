from collections.abc import Iterable
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.errors import RecoveryError
from schemas.events import Event, Experience, Measurement, Overflow, Proposal
from streams.loop.attribute import Attribute, AttributeSettings
from streams.loop.attribute.following import Following
from streams.loop.attribute.joins import Join, Window, keep, windows_of
from streams.loop.processor import Record
from tests.loop.decided import (
    ACTIONS,
    START,
    S,
    at,
    closed,
    measured,
    measurement,
    onset,
    outcome,
    proposal,
    recorded,
    verdict,
)

SETTINGS = AttributeSettings(horizon_us=10 * S, grace_us=2 * S, late_us=60 * S, escalation_us=100 * S)
DUE = 12.0
"""When the window of a verdict at second 0 is judged."""


def fresh(**fields: int) -> Attribute:
    settings = AttributeSettings(**{"horizon_us": 10 * S, "grace_us": 2 * S, "late_us": 60 * S, **fields})
    return Attribute(settings, loop="t", actions=ACTIONS)


def attribute() -> Attribute:
    return Attribute(SETTINGS, loop="t", actions=ACTIONS)


def run(processor: Attribute, *events: Event, until: float = DUE) -> list[Experience]:
    """Fold events when the time has come, and let it come."""
    outputs = processor.on_batch(recorded(*events), at(until))
    outputs += processor.on_time(at(until))
    return [event for event in outputs if isinstance(event, Experience)]


RESTART = proposal("restart")
NOTHING = proposal("none")
ALLOWED = verdict(RESTART)
CLAIM = outcome(ALLOWED, "claimed", 0.5)


@pytest.mark.parametrize(
    ("windows", "end", "close", "state", "reward", "recovery_s", "recovered"),
    [
        ("xxx.......", 1.0, None, "observed", 0.7 - 0.1, 3.0, True),
        ("xxx.......", 5.0, None, "observed", 0.5 - 0.1, 5.0, True),  # normal before the action's end does not count
        ("x.x.x.x.x.", 1.0, None, "observed", 0.0 - 0.1, 10.0, False),  # one normal window is no recovery
        ("xxxxxxxx..", 1.0, None, "observed", 0.2 - 0.1, 8.0, True),
        ("xxxxxxxxxx", 1.0, None, "observed", 0.0 - 0.1, 10.0, False),
        ("xxxx..", 1.0, None, "observed", 0.6 - 0.1, 4.0, True),
        ("xxxx.     ", 1.0, 5.0, "observed", 0.5 - 0.1, 5.0, True),  # the episode's close counts
        ("xxxx      ", 1.0, 4.0, "unobservable", None, None, None),  # gone while abnormal: no recovery
        ("xxxxxx    ", 1.0, None, "observed", 0.0 - 0.1, 10.0, False),
        ("          ", 1.0, None, "unobservable", None, None, None),
        ("xxxxxx.   ", 1.0, None, "unobservable", None, None, None),  # well when it was last heard of
        ("xx....    ", 7.0, None, "unobservable", None, None, None),
        ("xx....    ", 7.0, 6.0, "unobservable", None, None, None),  # over before the action had ended
        ("xx.xxxxx..", 11.0, None, "observed", 0.0 - 0.1, 10.0, False),  # the action took longer than the horizon
    ],
)
def test_the_reward_is_what_recovery_left_of_the_horizon(
    *,
    windows: str,
    end: float,
    close: float | None,
    state: str,
    reward: float | None,
    recovery_s: float | None,
    recovered: bool | None,
) -> None:
    closes = [] if close is None else [closed(close)]
    (experience,) = run(attribute(), ALLOWED, CLAIM, outcome(ALLOWED, "succeeded", end), *measured(windows), *closes)
    assert experience.state == state
    assert experience.reward == (None if reward is None else pytest.approx(reward))
    assert experience.recovery_us == (None if recovery_s is None else recovery_s * S)
    assert experience.recovered is recovered


def told(text: str) -> list[Measurement]:
    """One window per second: `x` abnormal, `.` normal, `-` normal without the metric that was abnormal."""
    return [
        measurement(n, abnormal=letter == "x", values={"rate": 1.0} | ({} if letter == "-" else {"cpu": 1.0}))
        for n, letter in enumerate(text)
    ]


@pytest.mark.parametrize(
    ("windows", "shares", "close", "state", "reward"),
    [
        ("xxx.......", {"cpu": 1.0}, None, "observed", 0.7 - 0.1),
        ("xxx-------", {"cpu": 1.0}, None, "unobservable", None),  # silenced: who knows
        ("xxx-------", {"cpu": 1.0}, 5, "unobservable", None),  # nor does it help that the episode was closed for it
        ("xxxxxxx---", {"cpu": 1.0}, 9, "observed", 0.0 - 0.1),  # it lasted for most of the horizon
        ("xxx-------", {"cpu": 0.5, "rate": 0.5}, None, "observed", 0.7 - 0.1),  # half of it is told
        ("xxx-------", {"cpu": 0.6, "rate": 0.4}, None, "unobservable", None),
        ("xxx-------", {}, None, "observed", 0.7 - 0.1),  # nobody knows what made it
        ("xxx-.-.-.-", {"cpu": 1.0}, None, "observed", 0.6 - 0.1),  # told in every second window
        ("xxx--..x..", {"cpu": 1.0}, None, "observed", 0.5 - 0.1),
        ("xxx-.-----", {"cpu": 1.0}, 6, "unobservable", None),  # silent again when it was closed
        ("xxx-.-----", {"cpu": 1.0}, 5, "observed", 0.5 - 0.1),
        (".---------", {"cpu": 1.0}, 3, "unobservable", None),  # the only normal window is older than the action's end
        ("xxx.------", {"cpu": 1.0}, 7, "unobservable", None),
        ("xxx.--.---", {"cpu": 1.0}, 8, "observed", 0.7 - 0.1),
        ("xxxxx.----", {"cpu": 1.0}, None, "unobservable", None),  # normal as far as it is told
        ("xxxxxx---.", {"cpu": 1.0}, None, "observed", 0.0 - 0.1),  # no room for a run in any case
        ("xxxxxx--.-", {"cpu": 1.0}, None, "unobservable", None),
    ],
)
def test_windows_that_do_not_tell_what_made_the_episode_are_no_recovery(
    windows: str, shares: dict[str, float], close: int | None, state: str, reward: float | None
) -> None:
    closes = [] if close is None else [closed(close)]
    ended = [CLAIM, outcome(ALLOWED, "succeeded", 1.0)]
    (one,) = run(attribute(), onset(**shares), ALLOWED, *ended, *told(windows), *closes)
    assert one.state == state
    assert one.reward == (None if reward is None else pytest.approx(reward))


@pytest.mark.parametrize(
    ("windows", "close", "state", "reward"),
    [
        ("xx........", 2, "unobservable", None),  # what is normal now is another normal
        ("xxxxxx....", 6, "observed", 0.0 - 0.1),
        ("xxxxxx....", 0, "observed", 0.4 - 0.1),  # over before anything was decided
        ("          ", 1, "unobservable", None),
    ],
)
def test_an_episode_that_closed_while_abnormal_has_not_recovered(
    windows: str, close: int, state: str, reward: float | None
) -> None:
    ended = [CLAIM, outcome(ALLOWED, "succeeded", 1.0)]
    (one,) = run(attribute(), ALLOWED, *ended, *measured(windows), closed(close))
    assert one.state == state
    assert one.reward == (None if reward is None else pytest.approx(reward))


RECOVERS = measured("xxx.......")


@pytest.mark.parametrize(
    ("case", "events", "state", "effective", "reward", "outcome_state"),
    [
        ("denied", [verdict(RESTART, "deny")], "censored", "none", None, None),
        ("shadowed", [verdict(RESTART, "shadow")], "censored", "none", None, None),
        ("nobody approved", [verdict(RESTART, "escalate")], "censored", "none", None, None),
        ("refused", [ALLOWED, outcome(ALLOWED, "refused", 1)], "censored", "none", None, "refused"),
        ("did nothing", [verdict(NOTHING), *RECOVERS], "observed", "none", 0.7, None),
        ("did nothing unseen", [verdict(NOTHING)], "unobservable", "none", None, None),
        (
            "worked",
            [ALLOWED, CLAIM, outcome(ALLOWED, "succeeded", 1), *RECOVERS],
            "observed",
            "restart",
            0.6,
            "succeeded",
        ),
        ("failed", [ALLOWED, CLAIM, outcome(ALLOWED, "failed", 1), *RECOVERS], "observed", "restart", 0.6, "failed"),
        ("unknown", [ALLOWED, CLAIM, outcome(ALLOWED, "unknown", 1), *RECOVERS], "observed", "restart", 0.6, "unknown"),
        ("no claim", [ALLOWED, outcome(ALLOWED, "succeeded", 1), *RECOVERS], "observed", "restart", 0.6, "succeeded"),
        ("unseen", [ALLOWED, CLAIM, outcome(ALLOWED, "succeeded", 1)], "unobservable", "restart", None, "succeeded"),
        ("no end", [ALLOWED, CLAIM, *RECOVERS], "defaulted", "restart", 0.6, "claimed"),
        ("no end unseen", [ALLOWED, CLAIM], "defaulted", "restart", None, "claimed"),
        ("never begun", [ALLOWED, *RECOVERS], "defaulted", "none", 0.7, None),
    ],
)
def test_every_proposal_ends_in_one_state(
    *, case: str, events: list[Event], state: str, effective: str, reward: float | None, outcome_state: str | None
) -> None:
    (experience,) = run(attribute(), *events, until=101)
    assert (experience.state, experience.effective, experience.outcome) == (state, effective, outcome_state), case
    assert experience.reward == (None if reward is None else pytest.approx(reward))
    assert experience.cost == (0.1 if effective == "restart" else 0.0)
    assert experience.effective_probability == 0.4
    assert experience.arm == "loop"


@pytest.mark.parametrize(
    ("state", "effective", "reward"),
    [("succeeded", "restart", 0.6), ("failed", "restart", 0.6), ("unknown", "restart", 0.6), ("refused", "none", 0.7)],
)
def test_an_end_after_the_default_corrects_it_once(state: str, effective: str, reward: float) -> None:
    processor = attribute()
    (default,) = run(processor, ALLOWED, *RECOVERS)
    end = outcome(ALLOWED, state, 30, ended_us=START + 2 * S)
    (late,) = processor.on_batch(recorded(end, end, first=50), at(30))
    assert isinstance(late, Experience)
    assert (late.state, late.effective) == ("late", effective)
    assert late.retracted_reward == default.reward
    assert late.reward == pytest.approx(reward)
    assert processor.on_batch(recorded(end, first=60), at(31)) == []
    assert processor.next_time() is None


def test_a_claim_that_comes_after_the_default_leaves_that_to_the_end_however_late_that_comes() -> None:
    processor = attribute()
    (default,) = run(processor, ALLOWED, *RECOVERS)
    assert (default.state, default.effective, default.reward) == ("defaulted", "none", pytest.approx(0.7))
    assert processor.on_batch(recorded(CLAIM, CLAIM, first=50), at(13)) == []
    processor.restore(processor.snapshot())
    assert processor.on_time(at(60)) == []
    end = outcome(ALLOWED, "succeeded", 60, ended_us=START + 5 * S)
    (late,) = processor.on_batch(recorded(end, first=60), at(60))
    assert isinstance(late, Experience)
    assert (late.state, late.effective, late.outcome) == ("late", "restart", "succeeded")
    assert (late.retracted_reward, late.reward) == (default.reward, pytest.approx(0.5 - 0.1))
    assert processor.next_time() is None


def test_where_nothing_was_measured_the_default_is_no_reward_and_what_is_measured_late_counts() -> None:
    processor = attribute()
    (default,) = run(processor, ALLOWED, CLAIM)
    assert (default.state, default.reward) == ("defaulted", None)
    processor.restore(processor.snapshot())
    (late,) = processor.on_batch(recorded(*RECOVERS, outcome(ALLOWED, "succeeded", 1), first=50), at(30))
    assert isinstance(late, Experience)
    assert (late.state, late.retracted_reward, late.reward) == ("late", None, pytest.approx(0.6))


def test_an_end_after_all_that_was_measured_takes_the_default_s_reward_back() -> None:
    processor = attribute()
    (default,) = run(processor, ALLOWED, CLAIM, *measured("x...      "))
    assert default.reward == pytest.approx(0.8)
    (late,) = processor.on_batch(recorded(outcome(ALLOWED, "succeeded", 9), first=50), at(30))
    assert isinstance(late, Experience)
    assert (late.state, late.retracted_reward, late.reward) == ("late", default.reward, None)


def test_a_close_that_is_heard_after_the_window_was_judged_changes_nothing() -> None:
    processor = attribute()
    (default,) = run(processor, ALLOWED, CLAIM, *measured("xxx.      "))
    processor.on_batch(recorded(closed(4), first=50), at(64))
    (late,) = processor.on_batch(recorded(outcome(ALLOWED, "succeeded", 2), first=60), at(70))
    assert isinstance(late, Experience)
    assert (default.reward, late.state, late.reward) == (None, "late", None)


def others(count: int) -> list[Event]:
    """Onsets and closes of other episodes, more than are remembered."""
    several = [f"other-{n}" for n in range(count)]
    return [event for name in several for event in (onset(name, name, cpu=1.0), closed(0, episode=name, entity=name))]


@pytest.mark.parametrize(
    ("windows", "reward", "restored"),
    [("xxxxxx....", 0.0 - 0.1, False), ("xxxxxx....", 0.0 - 0.1, True), ("xxx.......", 0.7 - 0.1, False)],
)
def test_what_made_an_episode_and_its_close_are_known_as_long_as_its_proposal(
    *, windows: str, reward: float, restored: bool
) -> None:
    processor = fresh(open_limit=4, remembered=4)
    processor.on_batch(recorded(onset(cpu=1.0), ALLOWED, CLAIM, *others(9)), at(0))
    if restored:
        processor.restore(processor.snapshot())
    (default,) = run(processor, *told(windows), closed(6), *others(9))
    assert default.reward == pytest.approx(reward)
    late_end = outcome(ALLOWED, "succeeded", 30, ended_us=START + 2 * S)
    (late,) = processor.on_batch(recorded(*others(9), late_end, first=90), at(30))
    assert isinstance(late, Experience)
    assert late.reward == default.reward


def test_where_what_made_an_episode_is_forgotten_or_comes_later_normal_windows_do_not_tell() -> None:
    ended = outcome(ALLOWED, "succeeded", 1.0)
    forgotten = [onset(cpu=1.0), *others(9), ALLOWED, CLAIM, ended, *told("xxx.......")]
    (one,) = run(fresh(open_limit=4), *forgotten)
    assert (one.state, one.reward) == ("unobservable", None)
    (one,) = run(attribute(), ALLOWED, onset(cpu=1.0), CLAIM, ended, *told("xxx-------"))
    assert (one.state, one.reward) == ("unobservable", None)


def test_a_default_needs_no_windows_after_its_horizon_and_keeps_those_within_it_as_bytes() -> None:
    following = Following(SETTINGS)
    late = Join(verdict=ALLOWED, verdict_at="", due_us=0, waits_for_late=True)
    window = Window(START + S, START + 2 * S, True, None, True)
    keep(late, window, SETTINGS)
    following.wait_for_late(late)
    assert (late.windows, windows_of(late)) == ([], [window])
    assert following.of_entity("web-1", START + 9 * S) == [late]
    keep(late, replace(window, start_us=START + 9 * S, end_us=START + 10 * S), SETTINGS)
    assert (late.windows, len(windows_of(late))) == ([], 2)
    assert following.of_entity("web-1", START + 10 * S) == []
    assert following.of_entity("web-1", START + 9 * S) == []
    assert following.of_action(ALLOWED.action or "") is late
    following.leave(late)
    assert following.of_action(ALLOWED.action or "") is None


def test_of_the_parts_of_a_window_that_a_silence_cut_the_first_counts() -> None:
    ended = outcome(ALLOWED, "succeeded", 1.0)
    whole = measured("xxx.......")
    parts = [other for one in whole for other in (one, replace(one, id=f"{one.id}-2", abnormal=not one.abnormal))]
    once, twice = (run(attribute(), ALLOWED, CLAIM, ended, *windows) for windows in (whole, parts))
    assert [one.reward for one in twice] == [one.reward for one in once] == [pytest.approx(0.6)]


def test_an_end_long_after_the_default_comes_too_late() -> None:
    processor = attribute()
    run(processor, ALLOWED, CLAIM, *RECOVERS)
    assert processor.next_time() == START + 70 * S
    assert processor.on_time(at(70)) == []
    assert processor.on_batch(recorded(outcome(ALLOWED, "succeeded", 80), first=50), at(80)) == []


def test_an_end_after_days_still_corrects_the_default() -> None:
    processor = Attribute(AttributeSettings(), loop="t", actions=ACTIONS)
    days = 5 * 86_400.0
    (default,) = run(processor, ALLOWED, CLAIM, until=18)
    assert run(processor, until=days) == []
    (late,) = processor.on_batch(recorded(outcome(ALLOWED, "succeeded", days), first=50), at(days))
    assert isinstance(late, Experience)
    assert (default.state, late.state, late.retracted_reward) == ("defaulted", "late", default.reward)


def test_of_too_many_defaults_that_wait_for_their_ends_the_oldest_stand_and_are_told_of() -> None:
    processor = fresh(late_limit=2)
    several = [verdict(proposal("restart", episode=f"e{n}", entity=f"web-{n}"), seconds=n / 8) for n in range(6)]
    processor.on_batch(recorded(*several), at(1))
    outputs = processor.on_time(at(DUE + 1))
    assert [one.state for one in outputs if isinstance(one, Experience)] == ["defaulted"] * 6
    first = [one for one in outputs if isinstance(one, Overflow)]
    assert [(one.limit, one.rows, one.examples) for one in first] == [("outcome.late_limit", 1, ("web-0",))]
    ends = [outcome(one, "succeeded", 20) for one in several]
    late = processor.on_batch(recorded(*ends, first=50), at(20))
    assert [one.proposal for one in late if isinstance(one, Experience)] == [one.proposal.id for one in several[4:]]
    again = [verdict(proposal("restart", episode=f"f{n}", entity=f"web-{n}"), seconds=70 + n / 8) for n in range(3)]
    processor.on_batch(recorded(*again, first=90), at(71))
    (second,) = [one for one in processor.on_time(at(90)) if isinstance(one, Overflow)]
    assert (second.rows, second.names, second.examples) == (4, 4, ("web-1", "web-2", "web-3", "web-0"))


def test_of_defaults_that_stand_for_want_of_room_those_of_the_end_are_told_of_too() -> None:
    processor = fresh(late_limit=2, late_us=30 * S)
    several = [verdict(proposal("restart", episode=f"e{n}", entity=f"web-{n}"), seconds=n / 8) for n in range(6)]
    processor.on_batch(recorded(*several), at(1))
    processor.on_time(at(DUE + 1))
    assert [one for one in processor.on_time(at(DUE + 60)) if isinstance(one, Overflow)] == []
    processor.restore(processor.snapshot())
    assert processor.next_time() == START + int((DUE + 61) * S)
    (rest,) = processor.on_time(at(DUE + 61))
    assert isinstance(rest, Overflow)
    assert (rest.rows, rest.examples) == (3, ("web-1", "web-2", "web-3"))
    assert (processor.next_time(), processor.on_time(at(300))) == (None, [])


def test_a_state_of_another_version_is_refused() -> None:
    with pytest.raises(RecoveryError, match="state of attribute must have version 5, got 1"):
        attribute().restore(msgspec.msgpack.encode({"version": 1, "joins": []}))


def test_an_approved_escalation_counts_from_its_final_verdict() -> None:
    approved = verdict(RESTART, "allow", 20)
    ended = outcome(approved, "succeeded", 21)
    windows = [*measured("xxxx", first=20), *measured("......", first=24)]
    (experience,) = run(attribute(), verdict(RESTART, "escalate"), approved, ended, *windows, until=32)
    assert experience.state == "observed"
    assert experience.recovery_us == 4 * S


def test_a_rejected_escalation_is_censored() -> None:
    (experience,) = run(attribute(), verdict(RESTART, "escalate"), verdict(RESTART, "deny", 20), until=200)
    assert (experience.state, experience.verdict) == ("censored", "deny")


def test_outcome_and_measurements_may_come_before_the_verdict() -> None:
    ended = outcome(ALLOWED, "succeeded", 1)
    (experience,) = run(attribute(), CLAIM, ended, *RECOVERS[:5], ALLOWED, *RECOVERS[5:])
    assert experience.state == "observed"
    assert experience.reward == pytest.approx(0.6)


@pytest.mark.parametrize("state", ["claimed", "succeeded", "failed", "unknown"])
@pytest.mark.parametrize("ahead", [0, 4, 12, 3600])
@pytest.mark.parametrize("first", ["verdict", "outcome"])
def test_an_executor_s_clock_that_is_ahead_takes_nothing_of_the_reward_away(
    *, state: str, ahead: int, first: str
) -> None:
    processor = attribute()
    heard = outcome(ALLOWED, state, 1.0 + ahead)
    events = [(0.0, ALLOWED), (1.0, heard), *((one.time_us / S - START / S, one) for one in measured("x........."))]
    if first == "outcome":  # its verdict travels on another topic
        events[0] = (1.0, ALLOWED)
        events[0], events[1] = events[1], events[0]
    for offset, (seconds, event) in enumerate(events):
        processor.on_batch(recorded(event, first=offset), at(seconds))
    (one,) = run(processor)
    assert one.reward == pytest.approx(0.9 - 0.1)
    assert one.recovery_us == S


def test_an_end_without_its_time_ended_no_later_than_it_was_heard() -> None:
    processor = attribute()
    processor.on_batch(recorded(ALLOWED, outcome(ALLOWED, "succeeded", 9, ended_us=None), *RECOVERS), at(1))
    (one,) = run(processor)
    assert one.reward == pytest.approx(0.7 - 0.1)


def test_only_the_claimer_can_end_an_action() -> None:
    other = outcome(ALLOWED, "refused", 1, executor="executor-2", id="other")
    ended = outcome(ALLOWED, "succeeded", 1)
    (experience,) = run(attribute(), ALLOWED, CLAIM, other, ended, *RECOVERS)
    assert (experience.state, experience.outcome) == ("observed", "succeeded")


@pytest.mark.parametrize(
    ("others", "state", "said", "reward"),
    [
        ([], "censored", "refused", None),
        (["claimed", "succeeded"], "observed", "succeeded", 0.6),
        (["succeeded"], "observed", "succeeded", 0.6),
        (["claimed"], "defaulted", "claimed", 0.6),
        (["refused"], "censored", "refused", None),
    ],
)
def test_a_refusal_by_a_group_that_had_not_claimed_it_stands_if_no_other_claims_it_within_the_horizon(
    others: list[str], state: str, said: str, reward: float | None
) -> None:
    refused = outcome(ALLOWED, "refused", 0.2, group="other", executor="executor-2", id="refused")
    processor = attribute()
    heard = [refused, *(outcome(ALLOWED, other, 1) for other in others), *RECOVERS]
    assert processor.on_batch(recorded(ALLOWED, *heard), at(0)) == []
    processor.restore(processor.snapshot())
    (one,) = run(processor)
    assert isinstance(one, Experience)
    assert (one.state, one.outcome) == (state, said)
    assert one.reward == (None if reward is None else pytest.approx(reward))


def test_a_refusal_by_the_claimer_counts_at_once_and_an_unclaimed_one_where_there_is_no_room() -> None:
    (one,) = attribute().on_batch(recorded(ALLOWED, CLAIM, outcome(ALLOWED, "refused", 1)), at(0))
    assert isinstance(one, Experience)
    assert one.state == "censored"
    newer = verdict(proposal(episode="e2", entity="web-2"))
    outputs = fresh(open_limit=1).on_batch(recorded(ALLOWED, outcome(ALLOWED, "refused", 1), newer), at(0))
    assert [(one.state, one.outcome) for one in outputs if isinstance(one, Experience)] == [("censored", "refused")]


@pytest.mark.parametrize(
    ("heard", "state", "said", "reward"),
    [
        # group and what it says, one word a second
        ("a+ b+ a0 b-", "observed", "failed", 0.6),  # the refusal of one says nothing of what another began
        ("a+ b+ a0 bv", "observed", "succeeded", 0.6),
        ("a+ b+ a0 b0", "censored", "refused", None),
        ("a+ b+ a0", "defaulted", "claimed", 0.6),
        ("a+ b0 av", "observed", "succeeded", 0.6),
        ("a+ b- av", "observed", "failed", 0.6),  # the worst counts
        ("a+ av b+ b?", "observed", "unknown", 0.6),
        ("a+ av b+", "defaulted", "claimed", 0.6),  # another began after it had ended in one group
        ("a+ av b0", "observed", "succeeded", 0.6),
    ],
)
def test_what_several_groups_claim_ends_when_each_has_ended_it_and_its_worst_end_counts(
    heard: str, state: str, said: str, reward: float | None
) -> None:
    states = {"+": "claimed", "v": "succeeded", "-": "failed", "?": "unknown", "0": "refused"}
    words = [
        outcome(ALLOWED, states[sign], 0.1 * n, group=group, executor="executor-1", id=f"{n}")
        for n, (group, sign) in enumerate(heard.split())
    ]
    processor = attribute()
    outputs = processor.on_batch(recorded(ALLOWED, *words[:-1]), at(0))
    assert outputs == []
    processor.restore(processor.snapshot())
    outputs = processor.on_batch(recorded(words[-1]), at(1)) + run(processor, *RECOVERS)
    (one,) = [event for event in outputs if isinstance(event, Experience)]
    assert (one.state, one.outcome) == (state, said)
    assert one.reward == (None if reward is None else pytest.approx(reward))


def test_a_default_is_corrected_once_each_group_has_ended_it() -> None:
    a, b = ({"group": group, "executor": f"{group}-1"} for group in "ab")
    processor = attribute()
    claims = [outcome(ALLOWED, "claimed", 1, id=f"claim of {one['group']}", **one) for one in (a, b)]
    (default,) = run(processor, ALLOWED, *claims, *RECOVERS)
    assert default.state == "defaulted"
    assert run(processor, outcome(ALLOWED, "refused", 1, **a), until=DUE + 1) == []
    (late,) = run(processor, outcome(ALLOWED, "succeeded", 1, **b), until=DUE + 2)
    assert (late.state, late.outcome, late.effective) == ("late", "succeeded", "restart")


def test_an_action_that_several_groups_do_counts_from_its_last_end_on() -> None:
    a, b = ({"group": group, "executor": f"{group}-1"} for group in "ab")
    ends = [outcome(ALLOWED, "failed", 1, **a), outcome(ALLOWED, "succeeded", 5, **b)]
    claims = [outcome(ALLOWED, "claimed", 0, id=f"claim of {one['group']}", **one) for one in (a, b)]
    (one,) = run(attribute(), ALLOWED, *claims, *ends, *RECOVERS)
    assert (one.outcome, one.recovery_us) == ("failed", 5 * S)


def test_availability_is_the_mean_over_the_horizon() -> None:
    (experience,) = run(attribute(), verdict(NOTHING), *measured("xxxxx....."), *measured("xxx", first=10))
    assert experience.availability == pytest.approx(0.75)
    absent = [measurement(n, abnormal=False, values={"cpu": 1.0}) for n in range(10)]
    (experience,) = run(attribute(), verdict(NOTHING), *absent)
    assert experience.availability is None


def test_what_the_loop_did_without_an_episode_is_judged_by_what_is_normal_afterwards() -> None:
    done = verdict(proposal("restart", episode="", pattern="novel"))
    (one,) = run(attribute(), done, outcome(done, "succeeded", 1.0), *measured(".........."))
    assert (one.state, one.reward) == ("observed", pytest.approx(0.9 - 0.1))
    (one,) = run(attribute(), done, outcome(done, "succeeded", 1.0), *measured("xxxxxxxxxx"))
    assert (one.state, one.reward) == ("observed", pytest.approx(-0.1))


@pytest.mark.parametrize(("action", "by"), [("none", "loop"), ("restart", "ann")])
def test_waiting_without_an_episode_and_what_a_person_did_are_not_judged(action: str, by: str) -> None:
    done = verdict(proposal(action, episode="", pattern="novel", by=by))
    (one,) = run(attribute(), done, *measured(".........."))
    assert (one.state, one.reward) == ("unobservable", None)


def test_other_entities_do_not_count() -> None:
    (experience,) = run(attribute(), verdict(NOTHING), *measured("..........", entity="web-2"))
    assert experience.state == "unobservable"


def test_too_many_open_proposals_end_the_oldest_once() -> None:
    processor = fresh(open_limit=2)
    several = [proposal("none", episode=f"e{n}", entity=f"web-{n}") for n in range(5)]
    experiences = run(processor, *[verdict(one) for one in several])
    assert [experience.proposal for experience in experiences] == [one.id for one in several]
    assert processor.next_time() is None


def story(seed: int) -> list[Record]:
    """Several proposals with all that can happen to them, interleaved."""
    events: list[Event] = []
    ends: Iterable[str] = ("succeeded", "failed", "unknown", "refused", "")
    for n, end in enumerate(ends):
        one: Proposal = proposal("none" if n == 4 else "restart", episode=f"e{n}", entity=f"web-{n % 3}")
        given_verdict = verdict(one, "escalate" if n == seed % 5 else "allow", n)
        events += [given_verdict, *measured("x.x..", entity=one.entity, first=n)]
        if given_verdict.action and end:
            events += [outcome(given_verdict, "claimed", n + 0.5), outcome(given_verdict, end, n + 1)]
        events.append(closed(n + 4, episode=one.episode, entity=one.entity))
    return recorded(*(events[seed:] + events[:seed]))


@given(st.integers(0, 20), st.lists(st.integers(0, 60), max_size=4))
def test_any_split_gives_the_same_experience(seed: int, cuts: list[int]) -> None:
    records = story(seed)
    whole, parts = attribute(), attribute()
    expected = whole.on_batch(records, at(6))
    places = [0, *sorted(min(cut, len(records)) for cut in cuts), len(records)]
    outputs = [event for start, stop in pairwise(places) for event in parts.on_batch(records[start:stop], at(6))]
    assert outputs == expected
    assert parts.snapshot() == whole.snapshot()
    assert parts.on_time(at(200)) == whole.on_time(at(200))


@given(st.integers(0, 20), st.integers(0, 30))
def test_restored_or_given_duplicates_it_goes_on_alike(seed: int, cut: int) -> None:
    records = story(seed)
    plain, restored = attribute(), attribute()
    plain.on_batch(records, at(6))
    first = attribute()
    first.on_batch([record for record in records[:cut] for _ in range(2)], at(6))
    restored.restore(first.snapshot())
    restored.on_batch(records[cut:], at(6))
    assert restored.snapshot() == plain.snapshot()
    assert restored.on_batch(records, at(6)) == []
    assert restored.on_time(at(200)) == plain.on_time(at(200))
