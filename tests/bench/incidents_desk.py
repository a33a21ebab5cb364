"""A desk that scores each incident as it comes, and learns from what it hears later: the product's learners and peers.

What happens goes by time alone. Whatever happens in the same minute as a first row is heard after it was scored.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol
from zlib import crc32

import numpy as np
import numpy.typing as npt
from river import linear_model

from streams.learners.category_evidence import CategoryEvidence
from streams.learners.early_signal import EarlySignal
from tests.bench.incidents_data import Incident

SOON = timedelta(days=1)
"""The early signal is the share of this that was left when an incident was resolved; 0 where it is open for longer."""
VALID = 0.1
"""The signal stands in for the outcome as it is until it has foretold so much of it; then, what it foretells does."""
SCORED, RESOLVED, OPEN, CLOSED = range(4)
BITS = 18
Features = Mapping[str, Any]


class Learner(Protocol):
    """What scores an incident when its first row comes, and learns what is heard of it."""

    def score(self, key: str, x: Features) -> float:
        """Return how likely it is that the SLA will be kept, on any scale."""

    def hint(self, key: str, signal: float) -> None:
        """Learn the early signal of an incident, once."""

    def close(self, key: str, outcome: float) -> None:
        """Learn how an incident ended."""


class Flyball:
    """The product's learners: what an early signal foretells stands in for the outcome until that is known."""

    def __init__(self, evidence: CategoryEvidence | None = None) -> None:
        self.evidence = evidence or CategoryEvidence()
        self.early = EarlySignal()
        self.drifts = 0
        self.validity = self.early.validity
        """Of the early signal, when the latest incident was scored."""
        self._signals: dict[str, float] = {}

    def score(self, key: str, x: Features) -> float:
        self.validity = self.early.validity
        return self.evidence.decide(key, x)

    def hint(self, key: str, signal: float) -> None:
        self._signals[key] = signal
        foretold = self.early.expect(signal) if self.early.validity.explained >= VALID else None
        self.evidence.learn(key, signal if foretold is None else foretold)

    def close(self, key: str, outcome: float) -> None:
        if key in self._signals:
            self.drifts += self.early.learn(self._signals.pop(key), outcome)
        self.evidence.retract(key)
        self.evidence.learn(key, outcome)


class River:
    """river's logistic regression of categories, one column each, with its defaults; it cannot unlearn."""

    def __init__(self) -> None:
        self._model = linear_model.LogisticRegression()
        self._seen: dict[str, dict[str, int]] = {}

    def score(self, key: str, x: Features) -> float:
        self._seen[key] = {f"{name}={value}": 1 for name, value in x.items()}
        return float(self._model.predict_proba_one(self._seen[key])[True])

    def hint(self, key: str, signal: float) -> None:
        self._model.learn_one(self._seen[key], signal > 0.0)

    def close(self, key: str, outcome: float) -> None:
        self._model.learn_one(self._seen.pop(key), bool(outcome))


class AdaGrad:
    """Logistic regression of hashed categories (Duchi, Hazan and Singer, JMLR 2011); it cannot unlearn."""

    def __init__(self, *, rate: float = 0.1) -> None:
        self._rate = rate
        self._weights = np.zeros(1 << BITS)
        self._squares = np.full(1 << BITS, 1e-6)
        self._seen: dict[str, npt.NDArray[np.intp]] = {}

    def score(self, key: str, x: Features) -> float:
        names = ["constant", *(f"{name}={value}" for name, value in x.items())]
        self._seen[key] = np.unique([crc32(name.encode()) % (1 << BITS) for name in names])
        return self._chance(self._seen[key])

    def hint(self, key: str, signal: float) -> None:
        self._learn(self._seen[key], signal)

    def close(self, key: str, outcome: float) -> None:
        self._learn(self._seen.pop(key), outcome)

    def _learn(self, places: npt.NDArray[np.intp], outcome: float) -> None:
        missed = self._chance(places) - outcome
        self._squares[places] += missed * missed
        self._weights[places] -= self._rate * missed / np.sqrt(self._squares[places])

    def _chance(self, places: npt.NDArray[np.intp]) -> float:
        return 1.0 / (1.0 + math.exp(-float(np.clip(self._weights[places].sum(), -30.0, 30.0))))


@dataclass(frozen=True, slots=True, order=True)
class _Event:
    time: datetime
    kind: int
    place: int
    """Of the incident."""


def scores(incidents: Sequence[Incident], learner: Learner, *, with_signals: bool) -> list[float]:
    """Return what a learner said of each incident when its first row came, in their order. It hears of closings, and
    `with_signals` of early signals: an incident resolved within a day when it is, one still open a day after its first
    row then.
    """
    said: dict[int, float] = {}
    waiting: Counter[str] = Counter()
    for event in sorted(_events(incidents)):
        incident = incidents[event.place]
        key, group = str(incident.number), incident.x["assignment_group"]
        if event.kind == SCORED:
            said[event.place] = learner.score(key, {**incident.x, "load": int(math.log2(1 + waiting[group]))})
            waiting[group] += 1
        elif event.kind == CLOSED:
            learner.close(key, float(incident.kept))
        else:
            waiting[group] -= event.kind == RESOLVED
            is_open = event.time <= incident.closed
            if with_signals and is_open and (event.kind == OPEN or event.time < incident.known + SOON):
                learner.hint(key, 1.0 - (event.time - incident.known) / SOON)
    return [said[place] for place in range(len(incidents))]


def _events(incidents: Iterable[Incident]) -> Iterator[_Event]:
    for place, one in enumerate(incidents):
        yield _Event(one.known, SCORED, place)
        yield _Event(one.resolved, RESOLVED, place)
        yield _Event(one.closed, CLOSED, place)
        if one.resolved >= one.known + SOON:
            yield _Event(one.known + SOON, OPEN, place)
