"""What an early signal foretells of outcomes: used only while it is known to be valid."""

from schemas.events import Drift, Event
from streams.learners.early_signal import EarlySignal
from streams.loop.attribute.settings import EarlySettings
from streams.loop.occasion import Occasion

SUBJECT = "outcomes/early"


class Foretelling:
    """One relation between signal and outcome for all decisions; both are shares of time that a recovery left."""

    def __init__(self, settings: EarlySettings) -> None:
        self._settings = settings
        self._signal = EarlySignal()

    def expect(self, signal: float) -> float | None:
        """Return the outcome that a signal foretells; None while that is not to be relied on."""
        validity = self._signal.validity
        if validity.pairs < self._settings.pairs or validity.explained < self._settings.validity:
            return None
        return self._signal.expect(signal)

    def learn(self, signal: float, outcome: float, on: Occasion) -> list[Event]:
        """Learn from what came of it; return what is told where outcomes drifted away from the signal."""
        self._signal.learn(signal, outcome)
        drift = self._signal.drift
        if drift is None:
            return []
        return [
            Drift(
                id=on.id(),
                time_us=on.now.us,
                causes=on.causes,
                subject=f"{SUBJECT}/{drift.kind}",
                before=drift.before,
                after=drift.after,
            )
        ]

    def snapshot(self) -> bytes:
        """Return the whole state; equal states give equal bytes."""
        return self._signal.snapshot()

    def restore(self, snapshot: bytes) -> None:
        """Replace the state; raises `RecoveryError` when it is of another version."""
        self._signal.restore(snapshot)
