"""What categories say of an outcome: how much each speaks for it or against it, as counts that come late and go again.

A naive Bayes (Maron, "Automatic Indexing", JACM 1961) over whatever categories there are. It is nothing but sums over
decisions, each weighed by when it was *decided*: outcomes that come late, in whatever order, give the same sums (but
for rounding), and one that stood in for another, or was wrong, can be taken out again.

No role of the loop uses it yet: the policy learns with `RewardModel`. It is measured by the benchmark `incidents`.
"""

import math
from collections import OrderedDict
from collections.abc import Mapping
from hashlib import blake2b
from numbers import Rational, Real
from typing import Any

import msgspec
from river import base

from schemas.errors import RecoveryError

VERSION = 1
_SUREST = 1e-12
"""Chances are at least so far from 0 and 1."""
FADE = 0.5
"""What an observation keeps after `half_life` more decisions: it fades in blocks, exactly."""


class _Cell(msgspec.Struct, array_like=True):
    """Faded sums of one category as of `block`; what was decided before `since` is not in them."""

    count: float
    total: float
    block: int
    since: int


class _Decision(msgspec.Struct, array_like=True):
    clock: int
    categories: tuple[int, ...]
    outcome: float | None = None


class _State(msgspec.Struct):
    version: int
    clock: int
    all: _Cell
    cells: list[tuple[int, _Cell]]
    decisions: list[tuple[str, _Decision]]


class CategoryEvidence(base.Regressor):
    """The chance of an outcome between 0 and 1 given categories by name; any value is one, as it is written. What is
    None or not finite is absent, and says nothing. An outcome that is not between 0 and 1 teaches nothing.

    The rate of each category is drawn to that of all by `weight` observations. At most `categories` are kept, in all:
    beyond, the one goes that was met longest ago, and starts from nothing when it comes again. Categories are kept as
    64 bits of their BLAKE2 digests.

    Categories count as if each told something of its own: where several tell the same, chances are too sure. They
    order well nevertheless.

    `decide`, `learn` and `retract` are for outcomes that come later; `learn_one` knows both at once.
    """

    def __init__(
        self, *, weight: float = 1.0, half_life: int = 10_000, categories: int = 50_000, remembered: int = 20_000
    ) -> None:
        if not 0.0 < weight < math.inf:
            raise ValueError(f"weight must be a number above 0, got {weight}")
        for name, value in (("half_life", half_life), ("categories", categories), ("remembered", remembered)):
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        self.weight = weight
        self.half_life = half_life
        self.categories = categories
        self.remembered = remembered
        self._clock = 0
        self._all = _Cell(0.0, 0.0, 0, 0)
        self._cells: OrderedDict[int, _Cell] = OrderedDict()
        self._decisions: OrderedDict[str, _Decision] = OrderedDict()

    def predict_one(self, x: Mapping[Any, Any]) -> float:
        """Return the chance; learns nothing."""
        return _chance(_log_odds(self._rate()) + sum(self.evidence(x).values()))

    def evidence(self, x: Mapping[Any, Any]) -> dict[str, float]:
        """Return by how much each category moves the logarithm of the odds, by name: above 0 it speaks for it."""
        rate = self._rate()
        usual = _log_odds(rate)
        return {name: self._spoken(category, rate) - usual for name, category in _categories(x)}

    def learn_one(self, x: Mapping[Any, Any], y: float) -> None:
        """Learn what came of it."""
        if _is_outcome(y):
            self._fold(self._meet(x), y, 1.0)

    def decide(self, key: str, x: Mapping[str, Any]) -> float:
        """Return the chance, and remember the categories under `key`: the latest `remembered`. Of a key that is
        remembered already, the first ones stay.
        """
        if key not in self._decisions:
            self._decisions[key] = self._meet(x)
        while len(self._decisions) > self.remembered:
            self._decisions.popitem(last=False)
        return self.predict_one(x)

    def learn(self, key: str, outcome: float) -> bool:
        """Learn what came of a decision; returns whether that was new: of one that is not remembered, or was learned
        from, nothing is learned.
        """
        decision = self._decisions.get(key)
        if decision is None or decision.outcome is not None or not _is_outcome(outcome):
            return False
        self._fold(decision, outcome, 1.0)
        decision.outcome = outcome
        return True

    def retract(self, key: str) -> bool:
        """Take what was learned from a decision out again, so that another outcome can take its place; returns whether
        there was any.
        """
        decision = self._decisions.get(key)
        if decision is None or decision.outcome is None:
            return False
        self._fold(decision, decision.outcome, -1.0)
        decision.outcome = None
        return True

    def snapshot(self) -> bytes:
        """Return the whole state; equal states give equal bytes."""
        cells, decisions = list(self._cells.items()), list(self._decisions.items())
        return msgspec.msgpack.encode(_State(VERSION, self._clock, self._all, cells, decisions))

    def restore(self, snapshot: bytes) -> None:
        """Replace the state by one that `snapshot` returned; raises `RecoveryError` when it is of another version."""
        state = msgspec.msgpack.decode(snapshot, type=_State)
        if state.version != VERSION:
            raise RecoveryError(f"state of category evidence must have version {VERSION}, got {state.version}")
        self._clock, self._all = state.clock, state.all
        self._cells, self._decisions = OrderedDict(state.cells), OrderedDict(state.decisions)

    def _meet(self, x: Mapping[Any, Any]) -> _Decision:
        """Count one more decision, and make room for its categories."""
        self._clock += 1
        found = tuple(category for _, category in _categories(x))
        for category in found:
            if category not in self._cells:
                self._cells[category] = _Cell(0.0, 0.0, self._block, self._clock)
            self._cells.move_to_end(category)
        while len(self._cells) > self.categories:
            self._cells.popitem(last=False)
        return _Decision(self._clock, found)

    def _fold(self, decision: _Decision, outcome: float, sign: float) -> None:
        kept = sign * FADE ** (self._block - decision.clock // self.half_life)
        cells = [self._cells.get(category) for category in decision.categories]
        for cell in (self._all, *cells):
            if cell is not None and cell.since <= decision.clock:
                self._fade(cell)
                cell.count += kept
                cell.total += kept * outcome

    def _rate(self) -> float:
        """Return the share of outcomes in all."""
        self._fade(self._all)
        return _share(self._all, 0.5, 1.0)

    def _spoken(self, category: int, rate: float) -> float:
        cell = self._cells.get(category)
        if cell is None:
            return _log_odds(rate)
        self._fade(cell)
        return _log_odds(_share(cell, rate, self.weight))

    @property
    def _block(self) -> int:
        return self._clock // self.half_life

    def _fade(self, cell: _Cell) -> None:
        if cell.block < self._block:
            kept = FADE ** (self._block - cell.block)
            cell.count, cell.total, cell.block = kept * cell.count, kept * cell.total, self._block


def _categories(x: Mapping[Any, Any]) -> list[tuple[str, int]]:
    """Return names and digests of what is there, by name."""
    there = [(str(name), value) for name, value in x.items() if _is_there(value)]
    return [
        (name, int.from_bytes(blake2b(f"{len(name)}:{name}={value}".encode(), digest_size=8).digest()))
        for name, value in sorted(there, key=lambda one: one[0])
    ]


def _is_there(value: object) -> bool:
    if isinstance(value, Real) and not isinstance(value, Rational):  # a float of any width
        return math.isfinite(value)
    return value is not None


def _share(cell: _Cell, prior: float, weight: float) -> float:
    count = max(cell.count, 0.0)  # by rounding, what was taken out again may leave less than nothing
    return (min(max(cell.total, 0.0), count) + weight * prior) / (count + weight)


def _log_odds(chance: float) -> float:
    chance = min(max(chance, _SUREST), 1.0 - _SUREST)
    return math.log(chance) - math.log1p(-chance)


def _chance(log_odds: float) -> float:
    return 1.0 / (1.0 + math.exp(-log_odds)) if log_odds > -500.0 else 0.0


def _is_outcome(value: float) -> bool:
    return 0.0 <= value <= 1.0  # false of NaN
