"""What people ordered on `control`: pauses, stops, levels, and which settings are in force."""

from schemas.events import NOVEL, Control, Proposal
from streams.loop.actions import ActionSettings
from streams.loop.gate.settings import ANY_PATTERN, LEVELS, Level, LevelSettings
from streams.loop.gate.state import Order, Orders

HEARD_MAX = 1_000
TARGETS_MAX = 10_000


def hear(orders: Orders, control: Control, now_us: int) -> bool:
    """Fold one record, the latest per key counts; return whether it was new (a repeated old one changes nothing)."""
    if control.id in orders.heard:
        return False
    orders.heard = [*orders.heard[-HEARD_MAX + 1 :], control.id]
    match control.kind:
        case "pause" if control.value in ("paused", "running"):
            _keep(orders, control, now_us)
        case "stop" if control.target not in orders.stops:
            orders.stops = sorted([*orders.stops, control.target])
        case "rearm":
            orders.stops = [target for target in orders.stops if target != control.target]
        case "level" if control.value in LEVELS:
            _keep(orders, control, now_us)
        case "settings" if control.target == "loop":
            orders.activated, orders.activated_by = control.value, control.by
        case _:
            pass  # the keyring is the decoder's; an unknown value orders nothing
    return True


def stopped(orders: Orders, target: str, now_us: int) -> tuple[bool, int]:
    """Return whether a target is paused or stopped, and until when (0: not known). Without a record the loop is."""
    if target in orders.stops:
        return True, 0
    order = orders.pauses.get(target)
    if order is None:
        return target == "loop", 0
    if order.until_us is not None and now_us >= order.until_us:
        return not order.paused, 0
    return order.paused, (order.until_us or 0) if order.paused else 0


def running_since(orders: Orders, now_us: int) -> int:
    """Return since when the loop has been running, as far as orders say; `now_us` when it is not."""
    order = orders.pauses.get("loop")
    if order is None or stopped(orders, "loop", now_us)[0]:
        return now_us
    return order.until_us if order.paused and order.until_us is not None else order.heard_us


def targets_of(proposal: Proposal) -> tuple[str, ...]:
    """Return every pause target that a proposal falls under, the widest first."""
    return (
        "loop",
        f"action:{proposal.action}",
        f"pattern:{proposal.pattern}",
        f"entity:{proposal.entity}",
    )


def level_of(orders: Orders, settings: LevelSettings, pattern: str, action: ActionSettings | None) -> Level:
    """Return how far an action may go by itself against a pattern: a person's order, else the settings.

    An irreversible action stays at `irreversible` (approve), whoever ordered more, unless the settings name it; one
    that several people must approve never acts by itself.
    """
    if action is None:
        return "observe"
    stated = settings.of(pattern, action.name)
    ordered = orders.levels.get(f"{pattern}/{action.name}", orders.levels.get(f"{ANY_PATTERN}/{action.name}"))
    level = ordered or stated or (settings.novel if pattern == NOVEL else settings.default)
    if action.approvals > 1:
        level = _lower(level, "approve")
    return level if action.reversible else _lower(level, stated or settings.irreversible)


def _lower(one: Level, other: Level) -> Level:
    return LEVELS[min(LEVELS.index(one), LEVELS.index(other))]


def _keep(orders: Orders, control: Control, now_us: int) -> None:
    """Put a pause or level order in its table; orders for too many targets stop the loop: none may be forgotten."""
    table: dict[str, Order] | dict[str, Level] = orders.pauses if control.kind == "pause" else orders.levels
    if control.target not in table and len(table) >= TARGETS_MAX:
        orders.stops = sorted({*orders.stops, "loop"})
    elif control.kind == "pause":
        orders.pauses[control.target] = Order(control.value == "paused", control.until_us, now_us)
    else:
        orders.levels[control.target] = LEVELS[LEVELS.index(control.value)]
