"""How actions ended, as executors told."""

from collections.abc import Iterable

from schemas.events import Outcome


def states_of(outcomes: Iterable[Outcome]) -> dict[str, str]:
    """Return the state of each action: its first end, as everybody counts it, or a claim while nothing ended it. That
    one group refused an action does not undo what another made of it.
    """
    states: dict[str, str] = {}
    for event in outcomes:
        known = states.get(event.action, "claimed")
        if known == "claimed" or (known == "refused" and event.state != "claimed"):
            states[event.action] = event.state
    return states
