"""Which stops are in force, by the order of the records, and which storms are not over."""

from typing import Literal

from schemas.events import Control, Storm
from streams.operate.status import open_storms, stops_in_force


def order(kind: Literal["stop", "rearm"], target: str) -> Control:
    return Control(id=f"{kind}-{target}", time_us=0, kind=kind, target=target, value=kind, by="ada")


def in_force(*orders: Control) -> list[str]:
    positions = {one.key(): offset for offset, one in enumerate(orders)}
    return list(stops_in_force({one.key(): one for one in orders}, positions))


def test_a_stop_holds_until_the_same_target_is_rearmed() -> None:
    assert in_force(order("stop", "loop")) == ["stop/loop"]
    assert in_force(order("stop", "loop"), order("rearm", "action:restart")) == ["stop/loop"]
    assert in_force(order("stop", "loop"), order("rearm", "loop")) == []


def test_a_stop_after_a_rearm_holds() -> None:
    assert in_force(order("rearm", "loop"), order("stop", "loop")) == ["stop/loop"]


def storm(name: str, time_us: int, phase: Literal["open", "closed"] = "open") -> Storm:
    return Storm(
        id=f"{name}-{time_us}",
        time_us=time_us,
        storm=name,
        phase=phase,
        opened_us=0,
        size=2,
        calls="learned",
        members=(),
    )


def test_the_last_word_on_each_storm_that_is_not_over_is_shown() -> None:
    told = [storm("old", 1), storm("a", 5), storm("b", 6), storm("a", 7), storm("b", 8, "closed")]
    assert [one.id for one in open_storms(told, since_us=5)] == ["a-7"]
