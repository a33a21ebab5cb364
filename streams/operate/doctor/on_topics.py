"""What can be wrong with a loop as its topics show it: pure, from what was read."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from connectors.kafka.admin import TopicState
from schemas.events import Control, DeadLetter
from streams.operate.cluster import TopicPlan
from streams.operate.doctor.finding import Finding, fail, ok, warn
from streams.operate.status import PartStatus

SKEW_WARN_US, SKEW_FAIL_US = 1_000_000, 5_000_000
"""From the second on workers pause by themselves, and orders may come out of order."""
HOUR_US = 3_600_000_000
SILENT_S = 10.0
NAMED = 5
"""So many are named in a line."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """How far (us) the clock of `whose` was ahead of that of `of` at one moment, as far as a record tells."""

    whose: str
    of: str
    ahead_us: int


def check_topics(states: Sequence[TopicState], plans: Mapping[str, TopicPlan]) -> Iterator[Finding]:
    """Tell which topics are missing, or other than the registry and the settings want them."""
    apply = "flyball topics apply"
    missing = [state.full_name for state in states if not state.partitions]
    there = [state for state in states if state.partitions]
    counts = [
        f"{state.full_name} has {state.partitions}, expected {plans[state.name].partitions}"
        for state in there
        if state.partitions != plans[state.name].partitions
    ]
    others = [
        f"{state.full_name} {key}={state.config.get(key)}, expected {value}"
        for state in there
        for key, value in plans[state.name].config.items()
        if state.config.get(key) != value
    ]
    few = [state.full_name for state in there if state.replication < plans[state.name].replication]
    if missing:
        yield fail("topics", f"missing: {_named(missing)}", apply)
    if counts:
        remedy = "telemetry.partitions in loop.toml must be what the topics have; flyball reset starts afresh"
        yield fail("topics", f"partitions: {_named(counts)}", remedy)
    if others:
        yield warn("topics", f"settings: {_named(others)}", apply)
    if few:
        yield warn("topics", f"fewer copies than kafka.replication: {_named(few)}", "kafka-reassign-partitions.sh")
    if not (missing or counts or others or few):
        yield ok("topics", f"all {len(states)} are as the registry says")


def check_settings(activated: Control | None, settings_hash: str, parts: Sequence[PartStatus]) -> Iterator[Finding]:
    """Tell whether a signed order activated these settings, and who runs under others."""
    mine = settings_hash[:12]
    if activated is None:
        yield fail("settings", "nobody has activated any: the gate allows nothing", "flyball activate")
    elif activated.value != settings_hash:
        other = f"{activated.value[:12]}, activated by {activated.by}"
        yield fail("settings", f"this file is {mine}, in force is {other}", "flyball activate, or go back to that file")
    else:
        yield ok("settings", f"{mine}, activated by {activated.by}")
    others = [part.instance for part in parts if part.answering and not part.same_settings]
    if others:
        yield warn("settings", f"run under other settings than this file's: {_named(others)}", "restart them with it")


def check_keyrings(here: int, published: int | None) -> Finding:
    """Compare the version of the keyring in the folder with the one that everybody heard of."""
    if published is None:
        return fail("keyring", "none was ever published: nobody adopts a changed one", "flyball activate")
    if published < here:
        return warn("keyring", f"version {here} here, {published} published", "flyball activate publishes it")
    if published > here:
        return warn("keyring", f"version {here} here, {published} published", "copy the newer keyring.json here")
    return ok("keyring", f"version {here} is the published one")


def check_orders(in_force: Iterable[Control], *, now_us: int) -> Iterator[Finding]:
    """Tell what people have stopped or paused; without any order the loop does not run."""
    orders = list(in_force)
    stops = [order for order in orders if order.kind == "stop"]
    pauses = [order for order in orders if order.kind == "pause" and _holds(order, now_us)]
    for order in [*stops, *pauses]:
        lift = "flyball rearm" if order.kind == "stop" else "flyball resume"
        because = f": {order.reason}" if order.reason else ""
        yield warn("orders", f"{order.kind} of {order.target} by {order.by}{because}", f"{lift} {order.target}")
    if not any(order.key() == "pause/loop" for order in orders):
        yield fail("orders", "nobody ever let this loop run", "flyball activate")
    elif not (stops or pauses):
        yield ok("orders", "nothing is stopped or paused")


def check_roles(parts: Sequence[PartStatus], roles: Sequence[str]) -> Iterator[Finding]:
    """Tell which roles nobody fills, or whose worker does not hear or has stopped by itself."""
    for role in roles:
        yield _part("roles", role, [part for part in parts if part.role == role], f"flyball run --role {role}")


def check_executors(parts: Sequence[PartStatus]) -> Finding:
    """Tell whether somebody carries actions out."""
    return _part("executors", "executor", [part for part in parts if part.role == "executor"], "flyball executor")


def _part(check: str, role: str, parts: Sequence[PartStatus], start: str) -> Finding:
    answering = [part for part in parts if part.answering and part.state != "stopping"]
    if not answering:
        last = min((part.age_s for part in parts), default=None)
        since = "never did" if last is None else f"last did {last:.0f} s ago"
        return fail(check, f"no {role} answers: {since}", f"{start}; its log says why it ended")
    deaf = [part.instance for part in answering if part.control_age_s > SILENT_S]
    if deaf:
        return fail(check, f"{role}: {_named(deaf)} does not hear orders", "look at its log and its way to Kafka")
    paused = [part.instance for part in answering if part.state == "paused"]
    if paused and len(paused) == len(answering):
        return warn(check, f"{role}: {_named(paused)} is paused", "flyball status; else its log says why")
    return ok(check, f"{role}: {len(answering)} answer")


def check_dead_letters(letters: Sequence[DeadLetter], *, now_us: int) -> Finding:
    """Tell whether dead letters came in the last hour; `letters` are those of the last two."""
    latest = [letter for letter in letters if letter.time_us > now_us - HOUR_US]
    before = len(letters) - len(latest)
    if not latest:
        return ok("dead letters", f"none in the last hour, {before} in the one before")
    (reason, count), *_ = Counter(f"{one.reason} on {one.origin_topic}" for one in latest).most_common(1)
    growing = "more" if len(latest) > before else "not more"
    found = f"{len(latest)} in the last hour, {growing} than the {before} before; {count} are {reason}"
    return warn("dead letters", found, "flyball dead-letters list; mend the cause, then flyball dead-letters retry")


def check_clocks(readings: Sequence[Reading]) -> Finding:
    """Tell of clocks that differ; without any reading nothing can be told."""
    if not readings:
        return warn("clock", "nothing was written while this looked: clocks cannot be compared", "see roles")
    worst = max(readings, key=lambda reading: abs(reading.ahead_us))
    found = (
        f"{worst.whose} clock is {worst.ahead_us / 1e6:+.2f} s from {worst.of}, the worst of {len(readings)} compared"
    )
    if abs(worst.ahead_us) > SKEW_FAIL_US:
        return fail("clock", found, "set the clocks (chrony, systemd-timesyncd), then restart the workers")
    if abs(worst.ahead_us) > SKEW_WARN_US:
        return warn("clock", found, "set the clocks before they differ by 5 s: then workers pause")
    return ok("clock", found)


def _holds(order: Control, now_us: int) -> bool:
    return order.value == "paused" and (order.until_us is None or order.until_us > now_us)


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
