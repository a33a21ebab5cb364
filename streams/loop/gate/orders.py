"""What people ordered on `control`: pauses, stops, levels, and which settings are in force."""

from collections.abc import Iterable

from schemas.events import NOVEL, Control
from schemas.orders import in_person, scope_of, time_in_force
from streams.loop.actions import ActionSettings
from streams.loop.gate.settings import LEVELS, Level, LevelSettings, level_for
from streams.loop.gate.state import Order, Orders, Scopes
from streams.loop.processor import Now

HEARD_MAX = 1_000
SCOPES_MAX = 10_000
"""Scopes of orders remembered."""
_FREEDOM = {level: place for place, level in enumerate(LEVELS)}


def hear(orders: Orders, control: Control, now_us: int, *, machines_raise: bool = False) -> bool:
    """Fold one record, the latest per scope counts; return whether it was new.

    A repeated record changes nothing, however long ago it was heard while it is the order in force for its scope. Nor
    does one that is older (`time_us`) than that, unless it stops: a signed record that somebody writes again resumes
    nothing. See `schemas.orders` about people's clocks. To `act` only a person raises, with a key of his own, unless
    `machines_raise`.
    """
    if control.kind == "level" and control.value == "act" and not (machines_raise or in_person(control.by)):
        return False
    scope = scope_of(control)
    if scope is None:  # the keyring is the decoder's; an action is cancelled or settled once
        return True
    time_us = time_in_force(control, orders.times_us.get(scope))
    if time_us is None or control.id == orders.in_force.get(scope) or control.id in orders.heard:
        return False
    orders.heard = [*orders.heard[-HEARD_MAX + 1 :], control.id]
    if control.kind == "pause" and control.target not in orders.pauses:
        _drop_over(orders, now_us)
    if scope in orders.times_us or len(orders.times_us) < SCOPES_MAX:
        orders.times_us[scope] = time_us
        orders.in_force[scope] = control.id
        _obey(orders, control, now_us)
    elif control.kind != "rearm":  # orders of too much stop the loop: none may be forgotten
        orders.times_us["stop/loop"] = max(control.time_us, orders.times_us.get("stop/loop", 0))
        orders.stops = sorted({*orders.stops, "loop"})
    return True


def look_here(orders: Orders, now: Now) -> bool:
    """Take over whether a stop file lies beside the gate, as its step says; return whether that is new."""
    if orders.stopped_here == now.stopped_here:
        return False
    orders.stopped_here = now.stopped_here
    if not now.stopped_here:
        orders.rearmed_us = now.us
    return True


def stopped(orders: Orders, target: str, now_us: int) -> tuple[bool, int]:
    """Return whether a target is paused or stopped, and until when (0: not known). Without a record the loop is."""
    if target in orders.stops or (orders.stopped_here and target == "loop"):
        return True, 0
    order = orders.pauses.get(target)
    if order is None:
        return target == "loop", 0
    if order.until_us is not None and now_us >= order.until_us:
        return not order.paused, 0
    return order.paused, (order.until_us or 0) if order.paused else 0


def first_stopped(orders: Orders, scopes: Scopes, now_us: int) -> tuple[str, int] | None:
    """Return the widest scope that is paused or stopped, and until when (0: not known), or None when none is."""
    paused, until_us = stopped(orders, "loop", now_us)
    if paused:
        return "loop", until_us
    if len(orders.pauses) == 1 and not orders.stops:  # of nothing but the loop was anything ordered
        return None
    for targets in ((scopes.action,), (scopes.pattern, *scopes.merged), (scopes.entity,)):
        found = longest_stopped(orders, targets, now_us)
        if found is not None:
            return found
    return None


def longest_stopped(orders: Orders, targets: Iterable[str], now_us: int) -> tuple[str, int] | None:
    """Return that of some targets which is paused or stopped for longest, and until when (0: not known), or None."""
    longest: tuple[str, int] | None = None
    for target in targets:
        paused, until_us = stopped(orders, target, now_us)
        if paused and (until_us == 0 or longest is None or until_us > longest[1]):
            longest = target, until_us
            if until_us == 0:
                break
    return longest


def merge(orders: Orders, pattern: str, into: str) -> None:
    """From now on, orders for levels of a pattern are for those of another one: the time of one in force moves there.

    So none that was written before is obeyed again, as an order for that.
    """
    for scope in list(orders.times_us):
        kind, _, pair = scope.partition("/")
        ordered, _, action = pair.rpartition("/")
        if kind == "level" and ordered == pattern:
            after_us, to = orders.times_us.pop(scope) + 1, f"level/{into}/{action}"
            orders.in_force.pop(scope, None)
            orders.times_us[to] = max(after_us, orders.times_us.get(to, after_us))


def ordered_patterns(orders: Orders, settings: LevelSettings) -> set[str]:
    """Return the patterns that people said something of."""
    targets = [target.partition(":") for target in (*orders.pauses, *orders.stops)]
    pairs = [pair.rpartition("/") for pair in (*orders.levels, *settings.exact)]
    return {name for kind, _, name in targets if kind == "pattern"} | {pattern for pattern, _, _ in pairs}


def running_since(orders: Orders, now_us: int) -> int:
    """Return since when the loop has been running, as far as orders say. When it is not: from when on it will, where
    that is known, else `now_us`.
    """
    order = orders.pauses.get("loop")
    is_stopped, until_us = stopped(orders, "loop", now_us)
    if order is None or is_stopped:
        return until_us or now_us
    resumed_us = order.until_us if order.paused and order.until_us is not None else order.heard_us
    return max(resumed_us, orders.rearmed_us)


def is_target(target: str) -> bool:
    """Return whether anything may fall under a target: `loop`, `action:NAME`, `pattern:ID` or `entity:NAME`."""
    kind, _, name = target.partition(":")
    return target == "loop" or (kind in ("action", "pattern", "entity") and bool(name))


def level_of(orders: Orders, settings: LevelSettings, pattern: str, action: ActionSettings | None) -> Level:
    """Return the level of an action against a pattern as people have it: a person's order, else the settings."""
    if action is None:
        return "observe"
    stated = settings.of(pattern, action.name) or (settings.novel if pattern == NOVEL else settings.default)
    ordered = level_for(orders.levels, pattern, action.name)
    return lower(ordered or stated, most_of(settings, pattern, action))


def is_named(orders: Orders, settings: LevelSettings, pattern: str, action: str) -> bool:
    """Return whether people said something of this very pattern and action."""
    pair = f"{pattern}/{action}"
    return pair in orders.levels or pair in settings.exact


def most_of(settings: LevelSettings, pattern: str, action: ActionSettings) -> Level:
    """Return the most that an action can reach, whoever orders more.

    An irreversible action stays at `irreversible` (approve), unless the settings name it; one that several people must
    approve never acts by itself.
    """
    most: Level = "act"
    if not action.reversible:
        most = settings.of(pattern, action.name) or settings.irreversible
    return lower(most, "approve") if action.approvals > 1 else most


def lower(one: Level, other: Level) -> Level:
    """Return the one of two levels with less freedom."""
    return one if _FREEDOM[one] <= _FREEDOM[other] else other


def _obey(orders: Orders, control: Control, now_us: int) -> None:
    match control.kind:
        case "pause" if control.value in ("paused", "running"):
            orders.pauses[control.target] = Order(control.value == "paused", control.until_us, now_us)
        case "stop":
            orders.stops = sorted({*orders.stops, control.target})
        case "rearm":
            if control.target == "loop" and "loop" in orders.stops:
                orders.rearmed_us = now_us
            orders.stops = [target for target in orders.stops if target != control.target]
        case "level" if control.value in LEVELS:
            orders.levels[control.target] = LEVELS[LEVELS.index(control.value)]
        case "settings" if control.target == "loop":
            orders.activated, orders.activated_by = control.value, control.by
        case _:
            pass  # an unknown value orders nothing


def _drop_over(orders: Orders, now_us: int) -> None:
    """Drop pauses that are over, as good as none, but for the loop's: now and then, at 1, 2, 4, 8, ... targets."""
    if len(orders.pauses).bit_count() != 1 and len(orders.times_us) < SCOPES_MAX:
        return
    for target, order in list(orders.pauses.items()):
        if target != "loop" and order.paused and order.until_us is not None and now_us >= order.until_us:
            del orders.pauses[target]
            orders.times_us.pop(f"pause/{target}", None)
            orders.in_force.pop(f"pause/{target}", None)
