"""What a signal that is known soon foretells of an outcome that is known late, and how well it does."""

import math
from typing import Literal, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.errors import RecoveryError
from streams.learners.drift_watch import DriftWatch

Vector = npt.NDArray[np.float64]
VERSION = 1
LEAST = 20
"""Pairs from which on something is foretold."""
WEIGHT = 1.0
"""How many pairs draw what is foretold to the mean of all outcomes."""
_LARGEST = 1e100
_LEAST_SPREAD = 1e-18


class Validity(NamedTuple):
    """How well a signal has foretold outcomes, each before it was known: the share of their squared deviations from
    their mean that was `explained` (1: all; below 0: the mean would have been better), and over how many `pairs`. Both
    begin anew when the relation drifts.
    """

    explained: float
    pairs: int


class Drifted(NamedTuple):
    """How outcomes left the relation, as means before and after: of the `error` (the outcome less what was foretold),
    or of how far off that was in either direction (`miss`).
    """

    kind: Literal["error", "miss"]
    before: float
    after: float


class _State(msgspec.Struct):
    version: int
    signals: bytes
    outcomes: bytes
    missed: float
    varied: float
    judged: int
    errors: bytes
    sizes: bytes


class EarlySignal:
    """The outcome that goes with a signal, from the latest `limit` pairs of both: whatever their units, 0 and 1 too.

    Of n pairs a line is laid through the n^(4/5) nearest, the nearer the more, and the farthest of them not at all
    (local linear regression: Fan and Gijbels, "Local Polynomial Modelling and Its Applications", 1996): between two
    values that a signal takes nothing is blurred. Beyond all that was seen it foretells what it does at the edge, and
    never an outcome that lies beyond those nearby.

    What it foretold and missed is watched: when outcomes come to lie elsewhere than foretold, or farther away in
    either direction, the relation has drifted, and is learned afresh.
    """

    _signals: Vector
    _outcomes: Vector
    _missed: float
    _varied: float
    _judged: int
    _errors: DriftWatch
    _sizes: DriftWatch

    def __init__(self, *, limit: int = 1_000) -> None:
        if limit < LEAST:
            raise ValueError(f"limit must be at least {LEAST} pairs, got {limit}")
        self._limit = limit
        self.drift: Drifted | None = None
        """How the relation has drifted, if the last pair showed that it did."""
        self._begin()

    @property
    def validity(self) -> Validity:
        """How well it foretold; later pairs count more, as in a memory of `limit`."""
        return Validity(1.0 - self._missed / self._varied if self._varied > 0.0 else 0.0, self._judged)

    def expect(self, signal: float) -> float | None:
        """Return the outcome that a signal foretells; None while too few pairs are known, and of what is not finite."""
        if len(self._signals) < LEAST or not _is_known(signal):
            return None
        apart = self._signals - min(max(signal, self._signals.min()), self._signals.max())
        weights = _nearness(np.abs(apart))
        near, total = weights > 0.0, float(weights.sum())
        local = _line(weights[near] / total, apart[near], self._outcomes[near])
        return (total * local + WEIGHT * float(self._outcomes.mean())) / (total + WEIGHT)

    def learn(self, signal: float, outcome: float) -> bool:
        """Fold a pair in; returns whether it shows that the relation has drifted. What is not finite is refused: it
        teaches nothing.
        """
        if not (_is_known(signal) and _is_known(outcome)):
            self.drift = None
            return False
        expected = self.expect(signal)
        self.drift = None if expected is None else self._judge(outcome - expected, outcome)
        if self.drift is not None:
            self._begin()
        self._signals = np.append(self._signals, signal)[-self._limit :]
        self._outcomes = np.append(self._outcomes, outcome)[-self._limit :]
        return self.drift is not None

    def snapshot(self) -> bytes:
        """Return the whole state; equal states give equal bytes."""
        state = _State(
            version=VERSION,
            signals=self._signals.tobytes(),
            outcomes=self._outcomes.tobytes(),
            missed=self._missed,
            varied=self._varied,
            judged=self._judged,
            errors=self._errors.snapshot(),
            sizes=self._sizes.snapshot(),
        )
        return msgspec.msgpack.encode(state)

    def restore(self, snapshot: bytes) -> None:
        """Replace the state by one that `snapshot` returned; raises `RecoveryError` when it is of another version."""
        state = msgspec.msgpack.decode(snapshot, type=_State)
        if state.version != VERSION:
            raise RecoveryError(f"state of an early signal must have version {VERSION}, got {state.version}")
        self._signals = np.frombuffer(state.signals)[-self._limit :]
        self._outcomes = np.frombuffer(state.outcomes)[-self._limit :]
        self._missed, self._varied, self._judged = state.missed, state.varied, state.judged
        self._errors.restore(state.errors)
        self._sizes.restore(state.sizes)

    def _begin(self) -> None:
        self._signals, self._outcomes = np.zeros(0), np.zeros(0)
        self._missed = self._varied = 0.0
        self._judged = 0
        self._errors, self._sizes = DriftWatch(), DriftWatch()

    def _judge(self, error: float, outcome: float) -> Drifted | None:
        """Count how far off an outcome was foretold; returns how such errors are others than they were."""
        kept = 1.0 - 1.0 / self._limit
        self._missed = kept * self._missed + error**2
        self._varied = kept * self._varied + (outcome - float(self._outcomes.mean())) ** 2
        self._judged += 1
        self._errors.update(error)
        self._sizes.update(abs(error))
        if (shift := self._errors.shift) is not None:
            return Drifted("error", shift.before, shift.after)
        if (shift := self._sizes.shift) is not None and shift.after > shift.before:
            return Drifted("miss", shift.before, shift.after)
        return None


def _line(weights: Vector, apart: Vector, outcomes: Vector) -> float:
    """Return what a line through outcomes says at 0, within what they are; weights add up to 1."""
    centre, middle = float(weights @ apart), float(weights @ outcomes)
    spread = float(weights @ (apart - centre) ** 2)
    if spread > _LEAST_SPREAD * float(weights @ apart**2):  # else one value, but for rounding
        middle -= centre * float(weights @ ((apart - centre) * outcomes)) / spread
    return min(max(middle, float(outcomes.min())), float(outcomes.max()))


def _nearness(apart: Vector) -> Vector:
    """Return what each pair counts: 1 for the nearest of all, falling to 0 at the farthest of those that are near."""
    beyond = apart - apart.min()
    near = math.ceil(len(apart) ** 0.8)
    reach = np.partition(beyond, near - 1)[near - 1]
    weights: Vector = np.maximum(1.0 - beyond / reach, 0.0) if reach > 0.0 else (beyond == 0.0).astype(np.float64)
    return weights


def _is_known(value: float) -> bool:
    return abs(value) <= _LARGEST  # false of NaN
