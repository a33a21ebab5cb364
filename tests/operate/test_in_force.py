"""Which orders are in force, and that a new one takes the place of an old one whatever the clocks say."""

from typing import Any, cast

from schemas.events import Control, Event
from streams.operate.in_force import OrderTimes, orders_in_force
from streams.operate.topic_reader import TopicReader
from tests.operate.test_in_flight import Log


def order(kind: str, target: str, time_us: int, value: str = "paused") -> Control:
    named = cast("Any", kind)
    return Control(id=f"{kind}-{time_us}", time_us=time_us, kind=named, target=target, value=value, by="ada")


def in_force(*events: Event) -> dict[str, tuple[int, str]]:
    found = orders_in_force(Log(*events).events("control"))
    return {scope: (offset, one.id) for scope, (offset, one) in found.items()}


def test_a_stop_holds_until_the_same_target_is_rearmed() -> None:
    assert in_force(order("stop", "loop", 1)) == {"stop/loop": (0, "stop-1")}
    other = in_force(order("stop", "loop", 1), order("rearm", "action:restart", 2))
    assert other == {"stop/loop": (0, "stop-1"), "stop/action:restart": (1, "rearm-2")}
    assert in_force(order("stop", "loop", 1), order("rearm", "loop", 2)) == {"stop/loop": (1, "rearm-2")}


def test_a_record_that_is_written_again_changes_nothing_and_of_equal_times_the_later_counts() -> None:
    rearmed, stopped = order("rearm", "loop", 1), order("stop", "loop", 2)
    assert in_force(rearmed, stopped, rearmed) == {"stop/loop": (1, "stop-2")}
    assert in_force(order("rearm", "loop", 2), stopped) == {"stop/loop": (1, "stop-2")}
    assert in_force(order("pause", "loop", 3), stopped) == {"pause/loop": (0, "pause-3"), "stop/loop": (1, "stop-2")}


def test_cancels_settlements_and_keyrings_compete_with_nothing() -> None:
    assert in_force(*(order(kind, "a", 1) for kind in ("cancel", "settle", "keyring"))) == {}


def test_an_order_is_dated_after_the_one_it_replaces_and_a_clock_that_is_behind_is_told() -> None:
    said: list[str] = []
    log = Log(order("pause", "loop", 5_000_000), order("pause", "entity:e", 90_000_000))
    times = OrderTimes(cast("TopicReader", log), say=said.append)
    assert times.of("pause/loop", 5_000_001) == 5_000_001
    assert times.of("level/*/restart", 1) == 1
    assert said == []
    assert times.of("pause/loop", 5_000_000) == 5_000_001
    assert times.of("pause/loop", 2_000_000) == 5_000_001
    assert "pause/loop, by ada, is dated 3.0 s ahead of this machine's clock" in said[1]
