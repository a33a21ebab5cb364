"""What limits mask of a decision, and what is left to choose."""

from collections.abc import Mapping, Sequence

from schemas.events import NONE


def scopes_in_force(
    blocked: Mapping[str, int], entity: str, pattern: str, actions: Sequence[str], now_us: int
) -> tuple[str, ...]:
    """Return the blocked scopes (to when they are free; 0: not known) that touch a decision now."""
    scopes = {"loop", f"entity:{entity}", f"pattern:{pattern}"} | {f"action:{name}" for name in actions}
    return tuple(
        scope for scope, until_us in sorted(blocked.items()) if scope in scopes and (until_us == 0 or until_us > now_us)
    )


def eligible(masked: Sequence[str], *, actions: Sequence[str], asks: Sequence[str]) -> list[str]:
    """Return what may be chosen, in order of the names; a person is asked about an action, so never without one."""
    if any(not scope.startswith("action:") for scope in masked):
        return [NONE]
    left = [name for name in actions if f"action:{name}" not in masked]
    people = [name for name in asks if left and f"action:{name}" not in masked]
    return sorted({*left, *people, NONE})
