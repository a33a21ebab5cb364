"""What a pattern has of its own: by how much each action earns more or less on it than the features say."""

from collections import OrderedDict
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
COUNT, REWARD, ROW = 0, 1, slice(2, None)


class OffsetSums(msgspec.Struct):
    """Faded sums of one pattern as of `clock`: count, reward and row of each action, `shape` (actions, rates, 2 +
    width); as bytes in the snapshot.
    """

    clock: int
    shape: tuple[int, int, int]
    sums: bytes


class PatternOffsets:
    """A random intercept for each pattern, action and model (Laird and Ware, Biometrics 1982): the mean of what the
    model leaves unexplained, drawn to 0 by `weight` observations. As sums of rewards and of rows it is exact for the
    weights of the day. A pattern's observations fade with its own decisions: what is rare is not forgotten sooner.
    """

    def __init__(self, forgetting: Sequence[float], *, weight: float, limit: int) -> None:
        self._rates = np.array(sorted(set(forgetting), reverse=True))
        self._rate_of = np.array([self._rates.tolist().index(rate) for rate in forgetting])
        self._weight = weight
        self._limit = limit
        self._clocks: OrderedDict[str, int] = OrderedDict()
        self._sums: dict[str, Vector] = {}

    def clock(self, pattern: str) -> int:
        """Return how many decisions there were on a pattern."""
        return self._clocks.get(pattern, 0)

    def tick(self, pattern: str) -> list[str]:
        """Count one more decision on a pattern; returns the patterns that were forgotten to make room."""
        self._clocks[pattern] = self.clock(pattern) + 1
        self._clocks.move_to_end(pattern)
        if pattern in self._sums:
            self._sums[pattern] *= self._rates[:, None]
        gone = []
        while len(self._clocks) > self._limit:
            oldest, _ = self._clocks.popitem(last=False)
            self._sums.pop(oldest, None)
            gone.append(oldest)
        return gone

    def predict(self, pattern: str, weights: Vector) -> tuple[Vector, Vector]:
        """Return offset and faded count of each action and model, shape (actions, models) each, for these weights of
        shape (actions, models, width).
        """
        actions, models, width = weights.shape
        if pattern not in self._sums:
            return np.zeros((actions, models)), np.zeros((actions, models))
        sums = self._fitted(self._sums[pattern], actions, width)[:, self._rate_of]
        counts = sums[:, :, COUNT]
        explained = np.vecdot(weights, sums[:, :, ROW])
        return (sums[:, :, REWARD] - explained) / (counts + self._weight), counts

    def counts(self, pattern: str, action: int) -> Vector:
        """Return the faded count of one action for each model, shape (models,), as `predict` does of all."""
        sums = self._sums.get(pattern)
        if sums is None or action >= len(sums):
            return np.zeros(len(self._rate_of))
        counts: Vector = sums[action, self._rate_of, COUNT]
        return counts

    def variances(self, noisy: Vector, unknown: Vector, counts: Vector) -> tuple[Vector, Vector]:
        """Return the two parts of the variance with the offset, in units of the noise's and of the doubt at the start,
        of actions seen so often on a pattern, given those of their shared part: shape (actions, models) each.
        """
        left = self._weight / (counts + self._weight)
        squared = left * left
        return squared * noisy + left / self._weight, squared * unknown

    def learn(
        self, pattern: str, action: int, row: Vector, reward: float, *, clock: int, actions: int, weight: float = 1.0
    ) -> None:
        """Fold in `weight` times an observation of the pattern's decision counted `clock`; none of a forgotten one."""
        if pattern not in self._clocks:
            return
        kept = weight * self._rates ** (self._clocks[pattern] - clock)
        nothing = np.zeros((0, len(self._rates), 2 + len(row)))
        sums = self._sums[pattern] = self._fitted(self._sums.get(pattern, nothing), actions, len(row))
        sums[action] += kept[:, None] * np.concatenate(((1.0, reward), row))

    def forget_action(self, action: int) -> None:
        """Forget what an action earned, on every pattern: its place is given to another."""
        for sums in self._sums.values():
            if action < len(sums):
                sums[action] = 0.0

    def columns(self) -> list[tuple[str, OffsetSums]]:
        """Return the whole state, the pattern that was decided longest ago first."""
        nothing = np.zeros((0, len(self._rates), 2))
        return [
            (pattern, OffsetSums(clock=clock, shape=sums.shape, sums=sums.tobytes()))
            for pattern, clock in self._clocks.items()
            for sums in (self._sums.get(pattern, nothing),)
        ]

    def restore(self, columns: Sequence[tuple[str, OffsetSums]]) -> None:
        """Replace the state by what `columns` returned."""
        self._clocks = OrderedDict((pattern, cells.clock) for pattern, cells in columns)
        self._sums = {
            pattern: np.frombuffer(cells.sums).reshape(cells.shape).copy() for pattern, cells in columns if cells.sums
        }

    @staticmethod
    def _fitted(sums: Vector, actions: int, width: int) -> Vector:
        """Return sums with room for so many actions and numbers."""
        more, wider = actions - len(sums), 2 + width - sums.shape[2]
        return np.pad(sums, ((0, more), (0, 0), (0, wider))) if more or wider else sums
