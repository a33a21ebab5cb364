"""What can be wrong with a loop as its topics show it: pure, from what was read."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from connectors.kafka.admin import TopicState
from schemas.events import Action, Control, DeadLetter, Event, Outcome, Verdict
from streams.operate.cluster import TopicPlan
from streams.operate.doctor.finding import Finding, fail, ok, warn
from streams.operate.status import PartStatus

SKEW_WARN_US, SKEW_FAIL_US = 1_000_000, 5_000_000
"""From the second on workers pause by themselves, and orders may come out of order."""
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
SILENT_S = 10.0
CLAIM_US = 60_000_000
"""So long after an action ran out its claim may still come: clocks differ."""
BREAKERS = ("abnormal", "failures")
"""The gate's checks that stop everything, or one action, by how things go."""
STOP_FILE = "stop file"
"""How it begins what a part says that a stop file of its machine keeps from acting."""
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
        return fail("keyring", "none was ever published: nobody adopts a changed one", "flyball keys publish")
    if published < here:
        return warn("keyring", f"version {here} here, {published} published", "flyball keys publish")
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


def check_executors(parts: Sequence[PartStatus], *, may_act: bool) -> Finding:
    """Tell whether somebody carries actions out, where any may be let through."""
    if not may_act and not any(part.role == "executor" for part in parts):
        return ok("executors", "none, and none is needed: no level is above suggest, and none is raised")
    return _part("executors", "executor", [part for part in parts if part.role == "executor"], "flyball executor")


def check_unclaimed(events: Iterable[Event], *, now_us: int) -> Finding:
    """Tell of actions that ran out though no executor said anything of them; `events` are those of the last day."""
    expired: dict[str, str] = {}
    told: set[str] = set()
    for event in events:
        if isinstance(event, Action) and event.expires_us + CLAIM_US < now_us:
            expired[event.id] = event.action
        elif isinstance(event, Outcome):
            told.add(event.action)
    unclaimed = Counter(name for key, name in expired.items() if key not in told)
    if not unclaimed:
        return ok("unclaimed", "no action of the last day ran out unclaimed")
    found = _named([f"{name} ({number})" for name, number in sorted(unclaimed.items())])
    remedy = "see executors, and that one of them has a handler for each"
    return warn("unclaimed", f"ran out, in the last day, and no executor said anything of them: {found}", remedy)


def _part(check: str, role: str, parts: Sequence[PartStatus], start: str) -> Finding:
    answering = [part for part in parts if part.answering and part.state != "stopping"]
    if not answering:
        last = min((part.age_s for part in parts), default=None)
        since = "never did" if last is None else f"last did {last:.0f} s ago"
        return fail(check, f"no {role} answers: {since}", f"{start}; its log says why it ended")
    deaf = [part.instance for part in answering if part.control_age_s > SILENT_S]
    if deaf:
        return fail(check, f"{role}: {_named(deaf)} does not hear orders", "look at its log and its way to Kafka")
    stopped = [f"{part.instance} ({part.why})" for part in answering if part.why.startswith(STOP_FILE)]
    if stopped:
        return warn(check, f"{role}: stopped on its machine: {_named(stopped)}", "flyball rearm --local there")
    paused = [part.instance for part in answering if part.state == "paused"]
    if paused:
        found = f"{role}: {_named(paused)} has paused by itself: what it holds stands still until it is restarted"
        return fail(check, found, "its log says why: mend that (mostly the clock), then restart it")
    behind = sum(part.lag for part in answering)
    return ok(check, f"{role}: {len(answering)} answer, {behind} records behind")


def check_dead_letters(letters: Iterable[DeadLetter], *, now_us: int) -> Finding:
    """Tell whether dead letters came in the last hour; `letters` are those of the last two, and none is kept."""
    latest: Counter[tuple[str, str]] = Counter()
    before = 0
    for letter in letters:
        if letter.time_us > now_us - HOUR_US:
            latest[letter.reason, letter.origin_topic] += 1
        else:
            before += 1
    if not latest:
        return ok("dead letters", f"none in the last hour, {before} in the one before")
    (((reason, topic), count),) = latest.most_common(1)
    number = latest.total()
    growing = "more" if number > before else "not more"
    found = f"{number} in the last hour, {growing} than the {before} before; {count} are {reason} on {topic}"
    mend = "raise detect.lateness" if reason == "late" else "mend the cause, then flyball dead-letters retry LETTER"
    return warn("dead letters", found, f"flyball dead-letters list; {mend}")


def check_open_breakers(open_us: Mapping[str, int]) -> Iterator[Finding]:
    """Tell of each breaker that is open, since when."""
    for scope, since_us in open_us.items():
        yield warn("breakers", f"{scope} is stopped since {_utc(since_us)}: it went wrong", f"flyball rearm {scope}")


def check_left(left: Mapping[str, int]) -> Finding:
    """Tell of entities that are left to people, entity to when it may be acted on again."""
    if not left:
        return ok("people", "no entity is left to them")
    entities = sorted(left)
    remedy = f"flyball why {entities[0]}"
    return warn("people", f"left to them, for what was done did not hold: {_named(entities)}", remedy)


def check_breakers(verdicts: Iterable[Verdict]) -> Finding:
    """Tell whether a breaker kept actions back; `verdicts` are those of the last hour."""
    kept_back: Counter[str] = Counter()
    last: Verdict | None = None
    for verdict in verdicts:
        if verdict.decided_by in BREAKERS:
            kept_back[verdict.decided_by] += 1
            last = verdict
    check = None if last is None else next((one for one in last.checks if one.name == last.decided_by), None)
    if check is None:
        return ok("breakers", "none kept an action back in the last hour")
    told = ", ".join(f"{name} {number}" for name, number in sorted(kept_back.items()))
    found = f"kept actions back in the last hour: {told}; last: {check.detail}"
    return warn("breakers", found, check.remedy or "flyball status")


def check_clocks(readings: Iterable[Reading]) -> Finding:
    """Tell of clocks that differ; without any reading nothing can be told.

    A record may come late, never early: of two clocks the reading that is furthest ahead is the nearest to the truth.
    """
    best: dict[tuple[str, str], Reading] = {}
    for reading in readings:
        known = best.get((reading.whose, reading.of))
        if known is None or reading.ahead_us > known.ahead_us:
            best[reading.whose, reading.of] = reading
    if not best:
        return warn("clock", "nothing was written while this looked: clocks cannot be compared", "see roles")
    worst = max(best.values(), key=lambda reading: abs(reading.ahead_us))
    found = f"{worst.whose} clock is {worst.ahead_us / 1e6:+.2f} s from {worst.of}, the worst of {len(best)} compared"
    if abs(worst.ahead_us) > SKEW_FAIL_US:
        return fail("clock", found, "set the clocks (chrony, systemd-timesyncd), then restart the workers")
    if abs(worst.ahead_us) > SKEW_WARN_US:
        return warn("clock", found, "set the clocks before they differ by 5 s: then workers pause")
    return ok("clock", found)


def _holds(order: Control, now_us: int) -> bool:
    """Return whether the target is paused by now: an order with an end turns into its opposite then."""
    over = order.until_us is not None and now_us >= order.until_us
    return (order.value == "paused") != over


def _utc(time_us: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(time_us / 1e6))


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
