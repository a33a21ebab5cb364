"""What a simulated world is, to the driver that runs the loop against it."""

from typing import Protocol

from schemas.events import Action, Outcome, Telemetry


class World(Protocol):
    """A seeded world: it emits telemetry, takes actions, and reports what became of them."""

    def next_time(self) -> int:
        """Return the time (us) at which the world next emits something."""
        ...

    def telemetry(self, now_us: int) -> list[Telemetry]:
        """Advance to `now_us` and return the samples due, oldest first."""
        ...

    def act(self, action: Action, now_us: int) -> None:
        """Start an action's effect; the driver has done what an executor does (claim, expiry, duplicates)."""
        ...

    def outcomes(self, now_us: int) -> list[Outcome]:
        """Return the ends of actions that are due (possibly late, duplicate, or never)."""
        ...
