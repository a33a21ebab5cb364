"""Lives that end by themselves, or in advance for less: what is learned of them, and when to end one in advance.

A life's rows are learned when it is over. Of one that was ended in advance it is taken that it would have gone on for
as long as was foretold then (Buckley and James, "Linear regression with censored data", Biometrika 1979, imputed once),
at a fraction of the weight, and the less the more of that there is: what is guessed never outweighs what was seen. The
rule is chosen anew after every life, over the latest ones: each is foretold without what it taught itself.
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.errors import RecoveryError
from streams.learners.life_course import LifeCourse
from streams.learners.remaining_life import RemainingLife, RemainingLifeState
from streams.learners.stopping import Course, Rule, best_rule

Vector = npt.NDArray[np.float64]
VERSION = 1
LEAST = 2
"""So many lives must have ended by themselves before one is ended in advance: one is learned, one to try it on."""
GUESS = 0.3
"""What the first life that was ended in advance weighs; later ones less, and nothing where all of them together would
weigh more than what was seen."""


class RenewalModelSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What it costs to end a life in advance, and what an end by itself costs, in one unit. `penalty` draws weights to
    0 like so many lives; `forgetting` is what a life weighs after one more that ended by itself. The latest `lives` are
    kept of those that did, and as many that were ended in advance.
    """

    cost: float = 1.0
    failure_cost: float = 5.0
    penalty: float = 5.0
    forgetting: float = 0.99
    lives: int = 64
    rows: int = 128
    metrics: int = 32


class Outlook(NamedTuple):
    """What is foretold of the remaining life, and the rule in force."""

    remaining: float
    rule: Rule

    @property
    def is_due(self) -> bool:
        """Whether to end it now."""
        return self.remaining <= self.rule.level


class _Past(msgspec.Struct, array_like=True):
    """A past life: shapes (n,) and (n, width), as bytes; `end` as in `Course`. It was learned as one of `length`, every
    row weighing `weight`, when `number` lives had ended by themselves.
    """

    ages: bytes
    rows: bytes
    width: int
    end: float | None
    length: float
    weight: float
    number: int


class _State(msgspec.Struct):
    version: int
    remaining: RemainingLifeState
    past: list[_Past]
    ended: int
    guessed: float


class Renewal:
    """The model and the rule; the lives under way are the caller's, one `LifeCourse` each."""

    def __init__(self, settings: RenewalModelSettings | None = None) -> None:
        self.settings = settings or RenewalModelSettings()
        self._remaining = self._fresh()
        self._past: list[_Past] = []
        self._ended = 0
        self._guessed = 0.0  # what of the weight of all rows is of lives that were ended in advance
        self._rule: Rule | None = None
        self._is_chosen = True

    @property
    def ended(self) -> int:
        """How many lives ended by themselves."""
        return self._ended

    @property
    def rule(self) -> Rule | None:
        """The rule in force, None while every life is to go on until it ends by itself."""
        if not self._is_chosen:
            courses = [self._course(past) for past in self._past] if self._ended >= LEAST else []
            self._rule = best_rule(courses, cost=self.settings.cost, failure_cost=self.settings.failure_cost)
            self._is_chosen = True
        return self._rule

    def begin(self) -> LifeCourse:
        """Return a life of which nothing was seen."""
        return LifeCourse(limit=self.settings.rows, metric_limit=self.settings.metrics)

    def see(self, life: LifeCourse, values: Mapping[str, float], age: float) -> Outlook | None:
        """Fold in one row of a life; return what is foretold, None while there is no rule to go by."""
        row = self._remaining.row(life.see(values, age))
        life.keep(age, row.tobytes())
        return None if self.rule is None else Outlook(float(self._remaining.predict_many(row[None])[0]), self.rule)

    def end(self, life: LifeCourse, end: float | None) -> None:
        """Learn from a life that ended by itself at the age `end`, or (None) was ended at its last row."""
        if not life.rows:
            return
        width = len(self._remaining.names)
        rows = np.full((len(life.rows), width), np.nan)
        for number, kept in enumerate(life.rows):
            row = np.frombuffer(kept)
            rows[number, : len(row)] = row
        ages, length, weight = np.array(life.ages), end, 1.0 / len(rows)
        if length is None:
            guess = self._guess()
            weight *= guess
            self._guessed += guess
            length = float(ages[-1]) + max(float(self._remaining.predict_many(rows[-1:])[0]), 0.0)
        else:
            self._ended += 1
            self._remaining.fade(self.settings.forgetting)
            self._guessed *= self.settings.forgetting
        rows = self._remaining.learn_many(rows, length - ages, weight)
        past = _Past(ages.tobytes(), rows.tobytes(), width, end, length, weight, self._ended)
        alike = [one for one in self._past if (one.end is None) == (end is None)]
        if len(alike) == self.settings.lives:
            self._past.remove(alike[0])  # lives ended in advance must not crowd out those that show what they avoid
        self._past.append(past)
        self._is_chosen = False  # that takes a while, and is of no use before it is asked for

    def snapshot(self) -> bytes:
        """Return the whole state; equal states give equal bytes."""
        state = _State(
            version=VERSION,
            remaining=self._remaining.columns(),
            past=self._past,
            ended=self._ended,
            guessed=self._guessed,
        )
        return msgspec.msgpack.encode(state)

    def restore(self, snapshot: bytes) -> None:
        """Replace the state by one that `snapshot` returned; raises `RecoveryError` when it is of another version."""
        state = msgspec.msgpack.decode(snapshot, type=_State)
        if state.version != VERSION:
            raise RecoveryError(f"state of renewal must have version {VERSION}, got {state.version}")
        self._remaining = self._fresh()
        self._remaining.restore(state.remaining)
        self._past, self._ended, self._guessed = state.past, state.ended, state.guessed
        self._is_chosen = False

    def _guess(self) -> float:
        """Return what one more life that is ended in advance shall weigh."""
        seen = self._remaining.weight - self._guessed
        return GUESS * max(0.0, 1.0 - self._guessed / seen) if seen > 0.0 else 0.0

    def _fresh(self) -> RemainingLife:
        return RemainingLife(penalty=self.settings.penalty, features=1 + 3 * self.settings.metrics)

    def _course(self, past: _Past) -> Course:
        """Return a past life as the others foretell it."""
        ages = np.frombuffer(past.ages)
        rows = np.frombuffer(past.rows).reshape(len(ages), past.width)
        weight = past.weight * self.settings.forgetting ** (self._ended - past.number)
        return Course(ages, self._remaining.without(rows, past.length - ages, weight), past.end)
