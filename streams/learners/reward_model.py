"""What each action earns on each pattern: Bayesian ridge regression with forgetting, patterns sharing what they know.

The prior of a (pattern, action) cell is the action's own mean over all patterns, so a new pattern starts from what is
known of its actions. Every observation of a pattern fades all cells of that pattern: what was not tried for long
returns to its prior and is tried again, which is how a changed world is noticed. The update is a sum, so one
observation can be taken out again exactly, however much it has faded (late corrections).
"""

from collections import OrderedDict
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]


class RewardModelSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`prior_weight` and `slope_weight` count in observations; `forgetting` is what is left after one more of them."""

    forgetting: float = 0.95
    prior_mean: float = 0.7
    prior_weight: float = 1.0
    slope_weight: float = 20.0
    patterns: int = 500
    remembered: int = 5_000


class _Cell(msgspec.Struct):
    """Faded sums of one (pattern, action) as of `clock`: count, x x' (d, d) and x r (d), as bytes of float64."""

    clock: int
    count: float
    precision: bytes
    moment: bytes


class _Learned(msgspec.Struct, frozen=True, array_like=True):
    key: str
    pattern: str
    action: str
    features: tuple[float, ...]
    reward: float
    clock: int
    action_clock: int


class _State(msgspec.Struct):
    clocks: list[tuple[str, int]]
    cells: list[tuple[str, str, _Cell]]
    actions: list[tuple[str, int, float, float]]
    learned: list[_Learned]
    updates: int


class RewardModel:
    """Cells of (pattern, action) over feature vectors of `dimensions` numbers, the first of which is the constant 1."""

    def __init__(self, settings: RewardModelSettings, *, dimensions: int) -> None:
        self._settings = settings
        self._dimensions = dimensions
        self._penalty = np.diag([settings.prior_weight] + [settings.slope_weight] * (dimensions - 1))
        self._clocks: OrderedDict[str, int] = OrderedDict()
        self._cells: dict[str, dict[str, _Cell]] = {}
        self._actions: dict[str, tuple[int, float, float]] = {}
        self._learned: OrderedDict[str, _Learned] = OrderedDict()
        self.updates = 0

    def predict(self, pattern: str, actions: Sequence[str], features: Sequence[float]) -> dict[str, float]:
        """Return the expected reward of each action, by the posterior mean."""
        if not actions:
            return {}
        x = np.asarray(features, dtype=np.float64)
        left = np.empty((len(actions), self._dimensions, self._dimensions))
        right = np.empty((len(actions), self._dimensions))
        for row, action in enumerate(actions):
            _, precision, moment = self._sums(pattern, action)
            prior = np.zeros(self._dimensions)
            prior[0] = self._prior(action)
            left[row] = precision + self._penalty
            right[row] = moment + self._penalty @ prior
        weights = np.linalg.solve(left, right[:, :, None])[:, :, 0]
        return {action: float(weights[row] @ x) for row, action in enumerate(actions)}

    def evidence(self, pattern: str) -> float:
        """Return how many observations of this pattern, faded, the predictions rest on."""
        # sorted: a restored model holds its actions in another order, and sums of floats depend on the order
        cells = self._cells.get(pattern, {})
        return sum(self._faded(pattern, cells[action]) * cells[action].count for action in sorted(cells))

    def learn(self, key: str, pattern: str, action: str, features: Sequence[float], reward: float) -> bool:
        """Fold one observation in; returns whether `key` was new (a known one changes nothing)."""
        if key in self._learned:
            return False
        keep = self._settings.forgetting
        clock = self._clocks[pattern] = self._clocks.get(pattern, 0) + 1
        self._clocks.move_to_end(pattern)
        action_clock, count, total = self._actions.get(action, (0, 0.0, 0.0))
        self._actions[action] = (action_clock + 1, keep * count + 1.0, keep * total + reward)
        one = _Learned(key, pattern, action, tuple(features), reward, clock, action_clock + 1)
        self._add(one, 1.0)
        self._learned[key] = one
        self.updates += 1
        self._stay_bounded()
        return True

    def retract(self, key: str) -> bool:
        """Take one observation out as if it had never been; returns whether it was still remembered."""
        one = self._learned.pop(key, None)
        if one is None:
            return False
        keep = self._settings.forgetting
        self._add(one, -(keep ** (self._clocks[one.pattern] - one.clock)))
        action_clock, count, total = self._actions[one.action]
        faded = keep ** (action_clock - one.action_clock)
        self._actions[one.action] = (action_clock, count - faded, total - faded * one.reward)
        self.updates += 1
        return True

    def knows(self, key: str) -> bool:
        """Return whether this observation was folded in and is remembered."""
        return key in self._learned

    def snapshot(self) -> bytes:
        """Return the whole state; equal states give equal bytes."""
        state = _State(
            clocks=list(self._clocks.items()),
            cells=[(p, a, cell) for p, row in sorted(self._cells.items()) for a, cell in sorted(row.items())],
            actions=[(action, *sums) for action, sums in sorted(self._actions.items())],
            learned=list(self._learned.values()),
            updates=self.updates,
        )
        return msgspec.msgpack.encode(state)

    def restore(self, snapshot: bytes) -> None:
        """Replace the state by one that `snapshot` returned."""
        state = msgspec.msgpack.decode(snapshot, type=_State)
        self._clocks = OrderedDict(state.clocks)
        self._cells = {}
        for pattern, action, cell in state.cells:
            self._cells.setdefault(pattern, {})[action] = cell
        self._actions = {action: (clock, count, total) for action, clock, count, total in state.actions}
        self._learned = OrderedDict((one.key, one) for one in state.learned)
        self.updates = state.updates

    def _add(self, one: _Learned, weight: float) -> None:
        count, precision, moment = self._sums(one.pattern, one.action)
        x = np.asarray(one.features, dtype=np.float64)
        self._cells.setdefault(one.pattern, {})[one.action] = _Cell(
            clock=self._clocks[one.pattern],
            count=count + weight,
            precision=(precision + weight * np.outer(x, x)).tobytes(),
            moment=(moment + weight * one.reward * x).tobytes(),
        )

    def _sums(self, pattern: str, action: str) -> tuple[float, Vector, Vector]:
        """Return count, precision and moment of a cell, faded up to the pattern's present clock."""
        cell = self._cells.get(pattern, {}).get(action)
        d = self._dimensions
        if cell is None:
            return 0.0, np.zeros((d, d)), np.zeros(d)
        keep = self._faded(pattern, cell)
        precision = np.frombuffer(cell.precision).reshape(d, d)
        return keep * cell.count, keep * precision, keep * np.frombuffer(cell.moment)

    def _faded(self, pattern: str, cell: _Cell) -> float:
        """Return what is left of the weight of a cell at the pattern's present clock."""
        return self._settings.forgetting ** (self._clocks[pattern] - cell.clock)

    def _prior(self, action: str) -> float:
        _, count, total = self._actions.get(action, (0, 0.0, 0.0))
        weight = self._settings.prior_weight
        return (weight * self._settings.prior_mean + total) / (weight + count)

    def _stay_bounded(self) -> None:
        while len(self._learned) > self._settings.remembered:
            self._learned.popitem(last=False)
        while len(self._clocks) > self._settings.patterns:
            pattern, _ = self._clocks.popitem(last=False)
            self._cells.pop(pattern, None)
            for key in [key for key, one in self._learned.items() if one.pattern == pattern]:
                del self._learned[key]
