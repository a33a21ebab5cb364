"""Going on after inputs, journal and snapshot no longer fit together: a person's decision, with its price."""

from collections.abc import Mapping

from schemas.events import Control
from streams.app import make_worker
from streams.loop.durations import format_duration
from streams.loop.gate import GATE_LIMITS, Level
from streams.loop.gate.spending import DAY_US
from streams.loop.limits import parse_limits
from streams.operate.in_force import orders_in_force
from streams.operate.levels import lowered
from streams.operate.loop_place import LoopPlace
from streams.operate.orders import Orders
from streams.operate.topic_reader import TopicReader
from streams.runtime.recovery import accept_loss
from streams.settings import Settings


def recover_role(place: LoopPlace, role: str, *, orders: Orders, reader: TopicReader, now_us: int) -> list[str]:
    """Rebuild a role's state as far as its journal can be folded and leave the rest out; return what was done.

    Where the gate lost something it no longer knows what its limits had spent, nor which levels it had lowered: before
    that is written, the loop is paused for the longest interval of any limit, where no pause holds longer, and those
    levels are ordered. Raises `BrokerError`, `RecoveryError` where the clocks are too far apart, and `SettingsError`
    where keys are missing.
    """
    spec = make_worker(
        place.settings,
        role=role,
        connection=place.connection(),
        audience=place.audience(),
        keys=place.keys,
        data=place.data / "workers" / f"recover-{role}",
        instance=f"recover-{role}",
    )
    kept: list[str] = []

    def keep() -> None:
        if role == "gate" and not kept:
            kept.append(_rest(place.settings, orders=orders, reader=reader, now_us=now_us))
            kept.extend(keep_lowered(lowered(reader, place.settings), orders=orders))

    return accept_loss(spec, beforehand=keep) + kept or [
        f"{place.loop}/{role}: nothing is lost; its workers can start as they are"
    ]


def _rest(settings: Settings, *, orders: Orders, reader: TopicReader, now_us: int) -> str:
    """Pause for as long as spent limits might still count; return what is true then."""
    interval_us = longest_interval_us(settings)
    _, latest = orders_in_force(reader.events("control")).get("pause/loop", (0, None))
    if holds_until(latest, now_us + interval_us):
        return "paused already, and stays so: after `flyball resume` what limits had spent counts as nothing"
    orders.pause("loop", reason="the gate lost state", until_us=now_us + interval_us)
    return (
        f"paused for {format_duration(interval_us)}: what limits had spent is not known any more; `flyball resume` "
        "lifts it early, and then the limits of that time may be spent twice"
    )


def keep_lowered(levels: Mapping[str, Level], *, orders: Orders) -> list[str]:
    """Order the levels of pairs that the gate had lowered: orders it hears again. Return what is true then."""
    for pair, level in levels.items():
        orders.level(pair, level, reason="the gate lost state, and had lowered it")
    return [f"{pair} stays at {level}, by an order now: the gate had lowered it" for pair, level in levels.items()]


def holds_until(latest: Control | None, until_us: int) -> bool:
    """Return whether the loop stays paused until then by itself; without any record it is not activated: paused."""
    if latest is None:
        return True
    return latest.value == "paused" and (latest.until_us is None or latest.until_us >= until_us)


def longest_interval_us(settings: Settings) -> int:
    """Return the longest interval of any limit of the loop."""
    texts = [getattr(settings.gate, name) for name in GATE_LIMITS]
    texts += [action.limit for action in settings.actions.values()]
    limits = [limit for text in texts for limit in parse_limits(text)]
    return max(DAY_US, *(limit.interval_us for limit in limits))  # what actions cost counts for a day
