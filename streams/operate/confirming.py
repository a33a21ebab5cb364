"""Whether an order that was written is in force, and whether gate and executors have heard it."""

from collections.abc import Iterable

import msgspec

from schemas.events import Control, DeadLetter, Event
from schemas.orders import scope_of
from streams.operate.confirmation import Confirmation
from streams.operate.held import TOPICS as HELD_TOPICS
from streams.operate.held import Held
from streams.operate.in_force import orders_in_force
from streams.operate.status import STALE_US, PartStatus, confirmation, pauses_in_force, read_parts, with_held
from streams.operate.story import Reader
from streams.operate.topic_reader import TopicReader

SKEW_US = 60_000_000
"""Dead letters are looked for from so long before an order: clocks differ."""


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """An order that lies on `control`. Who hears no orders obeys one that `stops` things, and no other."""

    offset: int
    time_us: int
    target: str
    stops: bool


def read_confirmation(reader: Reader, order: Written, *, now_us: int) -> Confirmation:
    """Return what gate and executors made of an order, and what they do that it is about; raises `BrokerError`."""
    parts = read_parts(reader, "", now_us=now_us)
    parts, held = with_held(parts, (event for _, event in reader.events(*HELD_TOPICS)), now_us=now_us)
    about = [one for one in held if one.falls_under(order.target)]
    names = {(one.executor, one.action) for one in about}
    confirmed = {part.instance for part in parts if _obeys(part, order)}
    return confirmation(
        [_only(part, names) for part in parts], about, confirmed=confirmed, age_s=(now_us - order.time_us) / 1e6
    )


def read_held(reader: Reader, *, now_us: int) -> tuple[Held, ...]:
    """Return what executors have begun and not ended, for all that is known; raises `BrokerError`."""
    parts = read_parts(reader, "", now_us=now_us)
    return with_held(parts, (event for _, event in reader.events(*HELD_TOPICS)), now_us=now_us)[1]


def why_not_in_force(reader: TopicReader, order: Written) -> str | None:
    """Return why an order counts for nothing, or None when it counts: `reader` believes signed orders only.

    What the gate could not believe is a dead letter. Raises `BrokerError`.
    """
    orders = list(reader.events("control"))
    found = [event for record, event in orders if record.offset == order.offset and isinstance(event, Control)]
    if not found:
        return "nobody believes its signature: is the key in the keyring that was published (`flyball keys publish`)?"
    scope = scope_of(found[0])
    if scope is not None and orders_in_force(orders).get(scope, (-1, None))[0] < order.offset:
        return "an order of a later time is in force"
    letters = reader.events("dead-letters", since_us=order.time_us - SKEW_US, kinds=(DeadLetter,))
    return _refused((event for _, event in letters), order.offset)


def still_stopped(reader: TopicReader, target: str, *, now_us: int) -> dict[str, str]:
    """Return the pauses and stops of a target, or of the loop, that hold now and why; raises `BrokerError`."""
    control = {scope: order for scope, (_, order) in orders_in_force(reader.events("control")).items()}
    pauses = pauses_in_force(control, now_us=now_us)
    return {scope: why for scope, why in pauses.items() if scope.partition("/")[2] in ("loop", target)}


def under_other_settings(reader: Reader, settings_hash: str, *, now_us: int) -> list[str]:
    """Return who is heard and holds the gate under other settings than these: it denies all while these are activated.

    Raises `BrokerError`.
    """
    parts = read_parts(reader, settings_hash, now_us=now_us)
    gates = [part for part in parts if part.role == "gate" and part.answering and part.state != "stopping"]
    return [part.instance for part in gates if not part.idle and not part.same_settings]


def _obeys(part: PartStatus, order: Written) -> bool:
    """Return whether a part says that it has heard an order, or hears none and so obeys one that stops things."""
    deaf = part.control_age_s - part.age_s > STALE_US / 1e6
    return part.control_offset > order.offset or (order.stops and deaf)


def _only(part: PartStatus, names: set[tuple[str, str]]) -> PartStatus:
    """Return a part with those actions in its hands that are asked for."""
    in_flight = tuple(name for name in part.in_flight if (part.instance, name) in names)
    return msgspec.structs.replace(part, in_flight=in_flight)


def _refused(letters: Iterable[Event], offset: int) -> str | None:
    for letter in letters:
        if isinstance(letter, DeadLetter) and (letter.origin_topic, letter.origin_offset) == ("control", offset):
            return f"{letter.role} refused it: {letter.reason}: {letter.detail}"
    return None
