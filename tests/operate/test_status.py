"""Which stops are in force, by the order of the records."""

from typing import Literal

from schemas.events import Control
from streams.operate.status import stops_in_force


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
