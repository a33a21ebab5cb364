"""What an early signal foretells of outcomes: used only while it is known to be valid."""

import msgspec

from schemas.events import Drift, Event
from streams.learners.early_signal import EarlySignal
from streams.loop.attribute.settings import AttributeSettings, EarlySettings
from streams.loop.occasion import Occasion

SUBJECT = "outcomes/early"
Meaning = tuple[int, int, float, int]
"""When a signal is read, and what is measured as an outcome: the horizon, coverage and windows of a recovery."""


class _State(msgspec.Struct):
    meaning: Meaning
    signal: bytes


class Foretelling:
    """One relation between signal and outcome for all decisions; both are shares of time that a recovery left. It is
    learned afresh where the settings that say what they mean have changed.
    """

    def __init__(self, settings: EarlySettings, outcomes: AttributeSettings) -> None:
        self._settings = settings
        self._meaning = (settings.after_us, outcomes.horizon_us, outcomes.coverage, outcomes.normal_windows)
        self._signal = EarlySignal(limit=settings.remembered)

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
        return msgspec.msgpack.encode(_State(self._meaning, self._signal.snapshot()))

    def restore(self, snapshot: bytes) -> None:
        """Replace the state, if it means the same; raises `RecoveryError` when it is of another version."""
        state = msgspec.msgpack.decode(snapshot, type=_State)
        if state.meaning == self._meaning:
            self._signal.restore(state.signal)
        else:
            self._signal = EarlySignal(limit=self._settings.remembered)
