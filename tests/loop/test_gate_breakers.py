"""A breaker that opened stays open until a person's signed order; with `rearm = "auto"` it follows what is seen."""

from typing import Any

import msgspec
import pytest

from schemas.events import Blocked, Event, Verdict
from streams.loop.actions import ActionSettings
from streams.loop.gate import Gate, GateSettings
from streams.loop.gate.orders import HEARD_MAX
from tests.loop.gate_bench import (
    ACT,
    SECOND,
    START,
    Bench,
    actions,
    census,
    check_of,
    control,
    fail,
    outcome,
    proposal,
    verdicts,
)

QUICK = {"restart": ActionSettings(name="restart", limit="1000/hour", cooldown_us=0)}
BREAKING: dict[str, Any] = {
    "failed_least": 4,
    "failed_window_us": 600 * SECOND,
    "abnormal_least": 5,
    "entity_attempts": "100/day",
}


def running(**settings: object) -> Bench:
    stated = GateSettings(**(BREAKING | settings))
    bench = Bench(settings=stated, levels=ACT, actions=QUICK)
    bench.start()
    return bench


def ask(bench: Bench, name: str, entity: str = "e0") -> Verdict:
    until_us = bench.us + 60 * SECOND
    one = proposal(name, entity=entity, episode=f"episode-{entity}", time_us=bench.us, expires_us=until_us)
    (verdict,) = verdicts(bench.give(one))
    return verdict


def rearm(bench: Bench, target: str) -> list[Event]:
    order = msgspec.structs.replace(control("rearm", target, ""), id=f"{target}-{bench.us}", time_us=bench.us)
    return bench.give(order)


def calm(bench: Bench) -> list[Event]:
    return bench.give(census(abnormal=0, live=10, time_us=bench.us))


def told(events: list[Event]) -> list[dict[str, int]]:
    return [event.breakers for event in events if isinstance(event, Blocked)]


def test_an_action_whose_runs_end_badly_is_stopped_for_as_long_as_nobody_rearms_it() -> None:
    bench = running()
    fail(bench, 4)
    bench.us += 601 * SECOND
    late = ask(bench, "late")
    check = check_of(late, "failures")
    assert (late.decided_by, late.retry_after_us, check.next_us) == ("failures", None, None)
    assert check.detail == "open for 602s, until re-armed; 0 of 0 ends were failed or unknown"
    assert check.remedy == "flyball rearm action:restart"
    bench.us += 30 * 86_400 * SECOND
    assert ask(bench, "much later").decided_by == "failures"
    assert told(rearm(bench, "action:restart")) == [{}]
    assert ask(bench, "rearmed").verdict == "allow"


def test_the_breaker_of_a_rearmed_action_opens_again_by_new_ends_only() -> None:
    bench = running()
    fail(bench, 4)
    rearm(bench, "action:restart")
    for number in range(4):
        again = proposal(f"again-{number}", entity=f"e{number}", episode=f"episode-e{number}", time_us=bench.us)
        (action,) = actions(bench.give(again))
        bench.give(outcome(action, "failed"))
    assert ask(bench, "fifth").decided_by == "failures"


@pytest.mark.parametrize("target", ["action:restart", "entity:e0", "pattern:p-1"])
def test_a_storm_holds_through_calm_censuses_until_the_loop_is_rearmed(target: str) -> None:
    bench = running()
    bench.give(census(abnormal=8, live=10))
    bench.us += 60 * SECOND
    calm(bench)
    rearm(bench, target)
    check = check_of(ask(bench, "p1"), "abnormal")
    assert (check.passed, check.remedy) == (False, "flyball rearm loop")
    assert check.detail == "0 of 10 entities are abnormal; open for 1m, until re-armed"
    assert told(rearm(bench, "loop")) == [{}]
    assert ask(bench, "p2").verdict == "allow"


def test_a_storm_that_a_fresh_census_still_shows_opens_its_breaker_again_at_once() -> None:
    bench = running()
    bench.give(census(abnormal=8, live=10))
    bench.us += 29 * SECOND
    rearm(bench, "loop")
    assert ask(bench, "seen").decided_by == "abnormal"
    bench.us += 2 * SECOND
    rearm(bench, "loop")
    assert ask(bench, "not seen").verdict == "allow"


def test_open_breakers_are_told_with_their_time_and_kept_over_a_restart() -> None:
    bench = running()
    fail(bench, 3)
    bad = actions(bench.give(proposal("last", entity="e9", episode="episode-e9", time_us=bench.us)))[0]
    opened_us = bench.us
    assert told(bench.give(outcome(bad, "failed"))) == [{"action:restart": opened_us}]
    bench.us += SECOND
    both = {"action:restart": opened_us, "loop": bench.us}
    assert told(bench.give(census(abnormal=8, live=10, time_us=bench.us))) == [both]
    twin = Gate(GateSettings(**BREAKING), loop="lab", settings_hash=bench.hash, actions=QUICK, levels=ACT)
    twin.restore(bench.gate.snapshot())
    assert twin.snapshot() == bench.gate.snapshot()
    bench.gate = twin
    bench.us += 3_600 * SECOND
    assert told(calm(bench)) == []
    assert [ask(bench, "p1").decided_by, told(rearm(bench, "loop"))] == ["abnormal", [{}]]
    assert ask(bench, "p2").verdict == "allow"


def test_where_the_settings_say_auto_a_breaker_closes_by_what_is_seen() -> None:
    bench = running(rearm="auto")
    fail(bench, 4)
    failing = ask(bench, "failing")
    assert (failing.decided_by, failing.retry_after_us) == ("failures", START + 600 * SECOND)
    bench.us += 601 * SECOND
    assert ask(bench, "later").verdict == "allow"
    bench.give(census(abnormal=8, live=10, time_us=bench.us))
    assert ask(bench, "storm", "e1").decided_by == "abnormal"
    bench.us += 6 * SECOND
    assert told(calm(bench)) == [{}]
    assert ask(bench, "calm", "e2").verdict == "allow"


def test_an_order_that_rearmed_an_action_closes_its_breaker_no_second_time_however_many_others_came_since() -> None:
    bench = running()
    order = control("rearm", "action:restart", "")
    bench.give(order)
    fail(bench, 4)
    bench.give(*(control("pause", f"entity:x{number}", "running") for number in range(HEARD_MAX)))
    assert told(bench.give(order)) == []
    assert ask(bench, "p1", "e5").decided_by == "failures"
    assert told(rearm(bench, "action:restart")) == [{}]
    assert ask(bench, "p2", "e5").verdict == "allow"
