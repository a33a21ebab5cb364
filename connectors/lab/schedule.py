"""When which fault befalls which service: seeded, each kind as often as any other. Pure."""

import random
from collections.abc import Sequence

from connectors.lab.settings import LabSettings

_SPREAD = 0.4


class Schedule:
    """Deals the kinds from shuffled decks, at times around a mean interval. Times in us since the world began."""

    def __init__(self, settings: LabSettings) -> None:
        self._settings = settings
        self._random = random.Random(settings.seed)  # noqa: S311  # the injector must be repeatable
        self._deck: list[str] = []
        self._due_us = settings.warm_up_us

    def due(self, *, now_us: int, healthy: Sequence[str], faulty: int) -> tuple[str, str] | None:
        """Return the kind and the service of a fault that shall begin now, or None.

        `healthy` are the services that may have one, `faulty` is how many have one.
        """
        full = faulty >= self._settings.most_faults_at_once
        if now_us < self._due_us or full or not healthy or not self._settings.kinds:
            return None
        self._due_us = now_us + round(self._settings.fault_every_us * self._random.uniform(1 - _SPREAD, 1 + _SPREAD))
        if not self._deck:
            self._deck = self._random.sample(self._settings.kinds, len(self._settings.kinds))
        return self._deck.pop(), self._random.choice(healthy)
