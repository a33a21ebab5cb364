"""What helps against what, before and after the drift: the truth that the loop must find out by itself."""

import numpy as np
import numpy.typing as npt

from streams.worlds.fleet_settings import FleetSettings

Floats = npt.NDArray[np.float64]


class Remedies:
    """Success probabilities of every (kind, action), drawn from a seed. The last action never helps."""

    def __init__(self, settings: FleetSettings, *, seed: int, start_us: int) -> None:
        draw = np.random.default_rng([seed, 1])
        self._settings = settings
        self._drift_at_us = start_us + settings.drift_us if settings.drift_us else None
        self._turn_at_us = start_us + settings.turn_us if settings.turn_us else None
        self._before = self._table(draw, draw.integers(0, len(settings.actions) - 1, settings.kinds))
        shift = draw.integers(1, len(settings.actions) - 1, settings.kinds)
        after = (np.argmax(self._before, axis=1) + shift) % (len(settings.actions) - 1)
        self._after = self._table(draw, after)

    def probability(self, kind: int, action: str, now_us: int) -> float:
        """Return with what probability an action ends a fault of this kind; 0 for an unknown action."""
        names = self._settings.actions
        if action not in names or self.harms(kind, action, now_us):
            return 0.0
        return float(self._at(now_us)[kind, names.index(action)])

    def best(self, kind: int, now_us: int) -> str:
        """Return the action that helps most, or did before it turned."""
        return self._settings.actions[int(np.argmax(self._at(now_us)[kind]))]

    def harms(self, kind: int, action: str, now_us: int) -> bool:
        """Return whether an action makes faults of this kind worse."""
        turned = self._turn_at_us is not None and now_us >= self._turn_at_us
        return action == self._settings.actions[-1] or (turned and action == self.best(kind, now_us))

    def _at(self, now_us: int) -> Floats:
        drifted = self._drift_at_us is not None and now_us >= self._drift_at_us
        return self._after if drifted else self._before

    def _table(self, draw: np.random.Generator, best: npt.NDArray[np.int64]) -> Floats:
        settings = self._settings
        table = draw.uniform(settings.other[0], settings.other[1], (settings.kinds, len(settings.actions)))
        table[:, 0] = draw.uniform(settings.baseline[0], settings.baseline[1], settings.kinds)
        table[:, -1] = 0.0
        table[np.arange(settings.kinds), best] = settings.best
        return table
