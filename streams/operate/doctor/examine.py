"""The examination: every check, none kept from being made by what another one found."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress

from connectors.kafka.admin import describe
from schemas.errors import BrokerError, FlyballError, SignatureError
from schemas.events import Action, Blocked, Control, DeadLetter, Outcome, Verdict
from schemas.keyfiles import load_keyring, load_root, load_trust
from schemas.keyring import Keyring
from streams.loop.gate import LevelSettings
from streams.operate.cluster import topic_plans
from streams.operate.doctor.clocks import read_clocks
from streams.operate.doctor.finding import Finding, fail, ok
from streams.operate.doctor.machine import check_disk, check_keys, check_memories, check_notices, check_stop_file
from streams.operate.doctor.on_topics import (
    DAY_US,
    HOUR_US,
    check_breakers,
    check_clocks,
    check_dead_letters,
    check_executors,
    check_keyrings,
    check_left,
    check_open_breakers,
    check_orders,
    check_roles,
    check_settings,
    check_topics,
    check_unclaimed,
)
from streams.operate.in_force import orders_in_force
from streams.operate.loop_place import LoopPlace
from streams.operate.notifying import PLACE_FILE
from streams.operate.processes import LOCAL_ROLES
from streams.operate.status import left_to_people, read_parts
from streams.operate.story import Reader
from streams.operate.topic_reader import TopicReader

INGEST = "ingest"
ACTING = {"approve", "act"}
"""Levels at which an action can be let through."""


def examine(place: LoopPlace, *, clock_us: Callable[[], int], environment: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what every check finds, in order; what the broker must tell comes last. Nothing is written anywhere."""
    yield ok("file", f"{place.config} is valid, loop {place.loop}")
    yield check_stop_file(place.stop_file, place.stopped_here)
    yield from _tried("keys", lambda: check_keys(place.keys, environment, now_us=clock_us()))
    yield from _tried("disk", lambda: [check_disk(place.data)])
    yield from _tried("memory", lambda: check_memories(place.data / "executor"))
    yield from _tried("notices", lambda: check_notices(place.data / PLACE_FILE, now_us=clock_us()))
    try:
        connection, audience = place.connection(), place.audience()
    except BrokerError as error:
        left = (
            "topics, settings, orders, roles, executors, actions, breakers, dead letters and clocks were not looked at"
        )
        yield fail("broker", f"{error}; {left}", "flyball run, or flyball kafka; else look at its log and the network")
        return
    yield ok("broker", f"{connection.bootstrap} answers, cluster {audience.cluster}")
    yield from _tried("topics", lambda: check_topics(describe(connection, place.loop), topic_plans(place.settings)))
    try:
        trust = load_trust(place.keys)
    except FlyballError:
        yield fail("orders", "without the keyring nothing on the topics can be believed: not looked at", "see keys")
        return
    reader = TopicReader(connection, place.loop, trust=trust, audience=audience)
    yield from _tried("orders", lambda: on_control(place, reader, now_us=clock_us()))
    yield from _tried("unclaimed", lambda: [on_actions(reader, now_us=clock_us())])
    yield from _tried("dead letters", lambda: [_dead_letters(reader, now_us=clock_us())])
    yield from _tried("breakers", lambda: on_verdicts(reader, now_us=clock_us()))
    yield from _tried("clock", lambda: [_clocks(place, reader, clock_us)])


def on_control(place: LoopPlace, reader: Reader, *, now_us: int) -> Iterator[Finding]:
    """Yield what orders and the loop's parts say: settings, keyring, stops, roles and executors."""
    orders: dict[str, Control] = {}
    for scope, (_, order) in orders_in_force(reader.events("control")).items():
        orders[scope] = order
    parts = read_parts(reader, place.settings.settings_hash, now_us=now_us)
    yield from check_settings(orders.get("settings/loop"), place.settings.settings_hash, parts)
    yield check_keyrings(load_keyring(place.keys).version, _published(place, reader))
    yield from check_orders(orders.values(), now_us=now_us)
    decoding = [INGEST] if any(part.role == INGEST for part in parts) else []
    yield from check_roles(parts, [*decoding, *LOCAL_ROLES])
    yield check_executors(parts, may_act=_may_act(place.settings.levels, orders.values()))


def _may_act(levels: LevelSettings, orders: Iterable[Control]) -> bool:
    """Return whether anything may ever be let through, after approval or without."""
    ordered = {order.value for order in orders if order.kind == "level"}
    return levels.raising != "never" or bool({levels.default, levels.novel, *levels.exact.values(), *ordered} & ACTING)


def _published(place: LoopPlace, reader: Reader) -> int | None:
    """Return the version of the newest keyring on `control` that the root key signed."""
    root = load_root(place.keys)
    versions = []
    for _, event in reader.events("control"):
        if isinstance(event, Control) and event.kind == "keyring":
            with suppress(SignatureError):
                versions.append(Keyring.parse(event.value, root).version)
    return max(versions, default=None)


def _dead_letters(reader: TopicReader, *, now_us: int) -> Finding:
    found = reader.events("dead-letters", since_us=now_us - 2 * HOUR_US)
    return check_dead_letters((event for _, event in found if isinstance(event, DeadLetter)), now_us=now_us)


def on_verdicts(reader: TopicReader, *, now_us: int) -> Iterator[Finding]:
    """Yield what the gate says of its breakers, and of entities that are left to people."""
    open_us: dict[str, int] = {}
    for _, event in reader.events("verdicts", kinds=(Blocked,)):
        if isinstance(event, Blocked):
            open_us = event.breakers
    yield from check_open_breakers(open_us)
    if not open_us:
        found = reader.events("verdicts", since_us=now_us - HOUR_US, kinds=(Verdict,))
        yield check_breakers(event for _, event in found if isinstance(event, Verdict))
    left: dict[str, int] = {}
    for _, event in reader.events("verdicts", since_us=now_us - DAY_US, kinds=(Verdict, Blocked)):
        if isinstance(event, Verdict | Blocked):
            left |= left_to_people(event, now_us)
    yield check_left(left)


def on_actions(reader: TopicReader, *, now_us: int) -> Finding:
    """Return what became of the actions of the last day that nobody claimed."""
    found = reader.events("actions", "outcomes", since_us=now_us - DAY_US, kinds=(Action, Outcome))
    return check_unclaimed((event for _, event in found), now_us=now_us)


def _clocks(place: LoopPlace, reader: TopicReader, clock_us: Callable[[], int]) -> Finding:
    parts = read_parts(reader, place.settings.settings_hash, now_us=clock_us())
    instances = [part.instance for part in parts if part.answering]
    return check_clocks(read_clocks(reader, clock_us, instances=instances))


def _tried(check: str, findings: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Return what a check found, or that it could not be made."""
    try:
        return list(findings())
    except FlyballError as error:
        return [fail(check, str(error), "flyball topics apply where one is missing; else see the broker's log")]
    except OSError as error:
        return [fail(check, str(error), "let the user who runs this read there, or run it as one who may")]
