"""How actions ended, as executors told."""

from collections.abc import Iterable

from schemas.events import Outcome
from streams.loop.gate.state import InFlight


def states_of(outcomes: Iterable[Outcome]) -> dict[str, str]:
    """Return the state of each action, as the gate counts it (`InFlight`): `claimed` until each group of executors that
    claimed it has ended it, and then its worst end. What groups only refused is `refused`, though another may claim it.
    """
    heard: dict[str, InFlight] = {}
    for event in outcomes:
        known = heard.get(event.action) or InFlight("", event.entity, "", "", 0)
        heard[event.action] = known.heard(event)
    return {action: known.end(()) or "claimed" for action, known in heard.items()}
