"""What recognise writes: one recurrence per onset, and patterns that recur from the third time on."""

import numpy as np
import pytest

from schemas.events import Drift, Episode, MetricSignature, Pattern, Proposal, Recurrence, Sequence, Verdict
from schemas.ids import Cause
from streams.loop.processor import Now, Record
from streams.loop.recognise import Recognise, RecogniseSettings
from tests.loop.lab_like import run, score

SECOND = 1_000_000
DAY = 24 * 3_600 * SECOND
SIGNATURE = {"cpu": MetricSignature(mean=9.0, peak=9.0, trend=0.0)}


def onset(number: int, **means: float) -> Record:
    signature = {name: MetricSignature(mean=mean, peak=mean, trend=0.0) for name, mean in means.items()}
    return record(number, "onset", signature=signature)


def record(number: int, phase: str, **more: object) -> Record:
    fields = {"entity": f"pump-{number % 3}", "opened_us": number * 60 * SECOND, "windows": 4, "group": "east"}
    episode = Episode(
        id=f"{phase}-{number}", time_us=number, episode=f"episode-{number}", phase=phase, severity=6.0, confidence=1.0,
        **(fields | more),  # type: ignore[arg-type]
    )  # fmt: skip
    return Record(Cause("insights", 0, number), episode)


def at(seconds: float) -> Now:
    return Now(round(seconds * SECOND), 0)


def make(**changes: float) -> Recognise:
    return Recognise(RecogniseSettings(**changes), loop="loop")  # type: ignore[arg-type]


def test_an_episode_is_novel_until_its_like_was_seen_three_times():
    recognise = make()
    events = [recognise.on_batch([onset(number, cpu=9.0 + number % 2)], at(number)) for number in range(4)]
    recurrences = [e for found in events for e in found if isinstance(e, Recurrence)]
    patterns = [e for found in events for e in found if isinstance(e, Pattern)]
    assert [e.pattern for e in recurrences] == ["novel", "novel", "p-1", "p-1"]
    assert [e.candidate for e in recurrences] == ["p-1"] * 4
    assert [e.support for e in recurrences] == [1, 2, 3, 4]
    assert [e.status for e in patterns] == ["candidate", "candidate", "recurring", "recurring"]
    assert recurrences[0].novelty == 1
    assert recurrences[3].novelty < 0.1
    assert patterns[3].episodes == ("episode-0", "episode-1", "episode-2", "episode-3")
    assert patterns[3].name == "cpu up"


def test_what_the_policy_needs_is_handed_on():
    found = make().on_batch([onset(1, cpu=9.0)], at(1))
    recurrence = next(e for e in found if isinstance(e, Recurrence))
    assert (recurrence.entity, recurrence.episode, recurrence.group) == ("pump-1", "episode-1", "east")
    assert (recurrence.severity, recurrence.opened_us) == (6.0, 60 * SECOND)
    assert recurrence.signature == {"cpu": MetricSignature(mean=9.0, peak=9.0, trend=0.0)}
    assert recurrence.causes == ("insights/0/1",)


def test_an_onset_told_twice_counts_once():
    recognise = make()
    first = recognise.on_batch([onset(1, cpu=9.0)], at(1))
    state = recognise.snapshot()
    assert len(first) == 2
    assert recognise.on_batch([onset(1, cpu=9.0)], at(1)) == []
    assert recognise.snapshot() == state


def test_closed_episodes_tell_how_long_the_pattern_takes():
    recognise = make()
    for number in range(3):
        recognise.on_batch([onset(number, cpu=9.0)], at(number))
        closed_us = (number * 60 + 12) * SECOND
        assert recognise.on_batch([record(number, "closed", closed_us=closed_us)], at(number)) == []
    pattern = next(e for e in recognise.on_batch([onset(3, cpu=9.0)], at(3)) if isinstance(e, Pattern))
    assert pattern.duration_us == 12 * SECOND


def series(number: int, phase: str, **metrics: tuple[float, ...]) -> Record:
    signature = {name: MetricSignature(mean=0.0, peak=9.0, trend=0.0, series=zs) for name, zs in metrics.items()}
    return record(number, phase, signature=signature)


def begun(number: int) -> Record:
    return series(number, "onset", cpu=(9.0,) * 4, memory=(0.0,) * 4)


def lived(recognise: Recognise, number: int, memory: float) -> list[Pattern]:
    """Return what patterns are told when an episode is over in which memory moved after the onset."""
    recognise.on_batch([begun(number)], at(number))
    over = series(number, "closed", cpu=(9.0,) * 8, memory=(0.0,) * 4 + (memory,) * 4)
    return [event for event in recognise.on_batch([over], at(number)) if isinstance(event, Pattern)]


def test_an_episode_that_went_on_in_another_way_is_counted_elsewhere():
    recognise = make()
    assert lived(recognise, 0, 9.0) == []
    assert lived(recognise, 1, 9.0) == []  # like the one before: nothing changes
    own = {pattern.pattern: pattern for pattern in lived(recognise, 2, -9.0)}
    assert (own["p-2"].split_from, own["p-2"].episodes, own["p-2"].status) == ("p-1", ("episode-2",), "candidate")
    assert own["p-1"].episodes == ("episode-0", "episode-1")
    told = lived(recognise, 3, -9.0)
    assert [(pattern.pattern, pattern.status, pattern.alias_of) for pattern in told] == [
        ("p-3", "merged", "p-2"),
        ("p-1", "recurring", None),
        ("p-2", "candidate", None),
    ]
    assert (told[0].split_from, told[0].episodes) == ("p-1", ("episode-3",))
    assert (told[1].support, told[2].support) == (2, 2)
    assert told[2].episodes == ("episode-2", "episode-3")


def test_a_pattern_that_recurred_is_recurring_though_some_of_it_is_counted_elsewhere():
    recognise = make()
    for number, memory in enumerate((9.0, 9.0, -9.0)):
        left = lived(recognise, number, memory)
    assert [(e.pattern, e.status, e.support) for e in left if e.pattern == "p-1"] == [("p-1", "recurring", 2)]
    other = make(support=4)
    other.restore(recognise.snapshot())
    assert {e.status for e in lived(other, 3, -9.0)} == {"candidate", "merged"}


def allowed(number: int, *, action: str | None) -> Record:
    proposal = Proposal(
        id=f"proposal-{number}", time_us=number, entity="pump", episode=f"episode-{number}", pattern="novel",
        action="restart", propensity=1.0, probabilities={}, expires_us=1, model="m",
    )  # fmt: skip
    verdict = Verdict(
        id=f"verdict-{number}", time_us=number, proposal=proposal, verdict="allow", level="act", checks=(),
        settings_hash="", action=action,
    )  # fmt: skip
    return Record(Cause("verdicts", 0, number), verdict)


@pytest.mark.parametrize(("action", "support"), [("action-1", 3), (None, 2)])
def test_what_an_action_made_of_an_episode_tells_nothing(action, support):
    recognise = make()
    for number in range(2):
        lived(recognise, number, 9.0)
    recognise.on_batch([allowed(2, action=action)], at(2))
    other = make()
    other.restore(recognise.snapshot())
    lived(other, 2, -9.0)
    found = other.on_batch([begun(9)], at(9))
    assert [event.support for event in found if isinstance(event, Recurrence)] == [support + 1]


def test_a_closed_episode_without_a_shape_changes_nothing():
    recognise = make()
    recognise.on_batch([onset(1, cpu=9.0)], at(1))
    assert recognise.on_batch([record(1, "closed")], at(1)) == []
    found = recognise.on_batch([onset(2, cpu=9.0)], at(2))
    assert [event.support for event in found if isinstance(event, Recurrence)] == [2]


def test_an_onset_that_splits_a_pattern_recurs_as_the_part_that_holds_it():
    """Two kinds whose difference is lost in the noise of few occurrences."""
    recognise = make()
    for number in range(8):
        noise = {f"quiet-{place}": 1.9 * (-1) ** (place + number) for place in range(30)}
        events = recognise.on_batch([onset(number, cpu=8.0, memory=4.0 + number % 2 * 5, **noise)], at(number))
    told = {e.pattern: e for e in events if isinstance(e, Pattern)}
    assert {name: pattern.split_from for name, pattern in told.items()} == {"p-1": None, "p-2": "p-1"}
    assert told["p-2"].episodes == ("episode-1", "episode-3", "episode-5", "episode-7")
    recurrence = next(e for e in events if isinstance(e, Recurrence))
    assert (recurrence.pattern, recurrence.candidate, recurrence.support) == ("p-2", "p-2", 4)


def test_a_pattern_fades_and_comes_back_under_its_id():
    recognise = make(fade_us=DAY)
    for number in range(3):
        recognise.on_batch([onset(number, cpu=9.0)], at(number))
    assert recognise.next_time() == 2 * SECOND + DAY
    assert recognise.on_time(at(100)) == []
    faded = recognise.on_time(Now(3 * DAY, 0))
    assert [(e.pattern, e.status) for e in faded if isinstance(e, Pattern)] == [("p-1", "faded")]
    assert recognise.next_time() is None
    again = recognise.on_batch([onset(9, cpu=9.0)], Now(4 * DAY, 0))
    assert [(e.pattern, e.support) for e in again if isinstance(e, Recurrence)] == [("p-1", 4)]


def one_after_the_other(hours: int) -> list[Record]:
    """Every hour a fault of one kind, and 20 s later one of another kind elsewhere in the group."""
    records = []
    for number in range(2 * hours):
        opened_us = (number // 2 * 3_600 + number % 2 * 20) * SECOND
        signature = {("cpu", "disk")[number % 2]: MetricSignature(mean=9.0, peak=9.0, trend=0.0)}
        records.append(record(number, "onset", opened_us=opened_us, signature=signature))
    return records


def test_patterns_that_follow_one_another_are_told_with_their_names():
    recognise = make()
    events = recognise.on_batch(one_after_the_other(20), at(1))
    told = [e for e in events if isinstance(e, Sequence)]
    assert {(e.sequence, e.first, e.second, e.relation) for e in told} == {("s-1", "p-1", "p-2", "other")}
    assert told[0].support <= 10
    assert (told[-1].support, told[-1].lag_us) == (20, 20 * SECOND)
    assert told[-1].name == "cpu up, then elsewhere in the group disk up"
    faded = [e for e in recognise.on_time(Now(30 * DAY, 0)) if isinstance(e, Sequence)]
    assert [(e.sequence, e.status) for e in faded] == [("s-1", "faded")]


def test_a_pattern_that_comes_more_often_than_before_drifts():
    recognise = make()
    times = np.cumsum([3_600.0] * 60 + [300.0] * 40)
    events = [
        event
        for number, time_s in enumerate(times.tolist())
        for event in recognise.on_batch(
            [record(number, "onset", opened_us=round(time_s) * SECOND, signature=SIGNATURE)], at(time_s)
        )
    ]
    drift = next(e for e in events if isinstance(e, Drift))
    assert drift.subject == "patterns/p-1/gap_s"
    assert drift.before == pytest.approx(3_600, rel=0.05)
    assert drift.after == pytest.approx(300, rel=0.05)


def random_inputs(seed: int) -> list[Record]:
    rng = np.random.default_rng(seed)
    records = []
    for number in range(60):
        means = {name: float(z) for name, z in zip("abcd", rng.choice([0.0, 9.0, -9.0, 5.0], 4), strict=True)}
        records += [onset(number, **means), record(number, "closed", closed_us=(number * 60 + 9) * SECOND)]
    return records


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("limits", [{}, {"pattern_limit": 4, "remembered_limit": 4, "episode_limit": 10}])
def test_splits_and_restores_change_nothing(seed, limits):
    inputs = random_inputs(seed)
    whole, split = make(**limits), make(**limits)
    expected = whole.on_batch(inputs, at(1_000))
    cut = 7 + 20 * seed
    events = split.on_batch(inputs[:cut], at(1_000))
    other = make(**limits)
    other.restore(split.snapshot())
    events += other.on_batch(inputs[cut:], at(1_000))
    assert events == expected
    assert other.snapshot() == whole.snapshot()
    assert other.on_time(Now(30 * DAY, 0)) == whole.on_time(Now(30 * DAY, 0))


def test_settings_report_all_their_errors_at_once():
    with pytest.raises(ValueError, match=r"support must be positive, got 0; discount must be at least 0 and under 1"):
        RecogniseSettings(support=0, discount=1.0)


def test_faults_of_the_labs_shape_are_told_apart(capsys):
    """Seven kinds of fault, amplitudes varying by 3; two of the kinds look much alike from outside."""
    scores = [score(*run(seed)) for seed in range(20)]
    with capsys.disabled():
        print()
        for name in ("faults", "found", "false", "pure", "held", "purity"):
            values = [getattr(one, name) for one in scores]
            print(f"  {name:7s} min {min(values):.2f}  median {np.median(values):.2f}  max {max(values):.2f}")
    assert min(one.pure for one in scores) >= 6
    assert min(one.held for one in scores) >= 0.9
    assert min(one.found / one.faults for one in scores) >= 0.9
    assert max(one.false for one in scores) <= 4
