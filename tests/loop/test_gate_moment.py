"""What the gate made once for a moment is made again when anything but a proposal comes, within one batch too."""

import msgspec
import pytest

from schemas.events import Blocked, Event, Promotion
from streams.loop.actions import ActionSettings
from streams.loop.gate import GateSettings, LevelSettings
from tests.loop.gate_bench import Bench, actions, census, control, outcome, proposal, verdicts

STORM = census(abnormal=9, live=10)
PROMOTED = Promotion(
    id="m-2", time_us=0, component="reward", version="m-2", decision="promote", trained_up_to=(), model=b""
)
BETWEEN: list[tuple[Event, str]] = [
    # what comes between two proposals of one batch, and what the second one fails by
    (STORM, "abnormal"),
    (control("settings", "loop", "others"), "settings"),
    (control("pause", "loop", "paused"), "pause"),
    (control("stop", "action:restart", ""), "pause"),
    (control("level", "p-1/restart", "suggest"), "level"),
    (PROMOTED, "approval"),
]


def ready(**settings: object) -> Bench:
    bench = Bench(settings=msgspec.convert(settings, GateSettings), levels=LevelSettings(default="act"))
    bench.start()
    return bench


@pytest.mark.parametrize(("event", "failed"), BETWEEN)
def test_what_comes_between_two_proposals_counts_for_the_second(event: Event, failed: str) -> None:
    bench = ready()
    first, second, third = (proposal(f"p{n}", entity=f"e{n}", episode=f"episode-e{n}") for n in range(3))
    found = verdicts(bench.give(first, second, event, third))
    assert [verdict.decided_by for verdict in found] == [None, None, failed]


def test_an_end_between_two_proposals_counts_for_the_second() -> None:
    bench = ready(failed_least=1)
    (action,) = actions(bench.give(proposal("p0")))
    second, third = (proposal(f"p{n}", entity=f"e{n}", episode=f"episode-e{n}") for n in (1, 2))
    found = verdicts(bench.give(second, outcome(action, "failed"), third))
    assert [verdict.decided_by for verdict in found] == [None, "failures"]


def test_at_one_time_a_storm_and_its_end_are_told_and_nothing_twice() -> None:
    bench = ready(rearm="auto")
    bench.give(proposal("p0"))
    calm = census(abnormal=0, live=10, time_us=bench.us + 1)
    told = [event.until_us for event in bench.give(STORM, STORM, calm, calm) if isinstance(event, Blocked)]
    assert told == [{"loop": 0}, {"loop": bench.us}]


def levels_of(bench: Bench, count: int) -> list[str]:
    """Return the levels of as many proposals in one batch."""
    asked = [proposal(f"p{n}", entity=f"e{n}", episode=f"episode-e{n}") for n in range(count)]
    return [verdict.level for verdict in verdicts(bench.give(*asked))]


def test_a_level_that_a_proposal_raises_holds_for_the_next_one() -> None:
    bench = Bench(levels=LevelSettings(default="observe", episodes=1))
    bench.start()
    assert levels_of(bench, 2) == ["observe", "suggest"]


def test_a_level_that_is_lowered_as_nobody_tells_of_runs_is_so_for_the_next_one() -> None:
    many = {"restart": ActionSettings(name="restart", limit="100/hour")}
    levels_stated = LevelSettings(default="act", alarm_every=2)
    bench = Bench(settings=GateSettings(concurrency=10, remembered=1), levels=levels_stated, actions=many)
    bench.start()
    levels = levels_of(bench, 10)
    assert levels == sorted(levels)  # act, then approve
    assert len(set(levels)) == 2
