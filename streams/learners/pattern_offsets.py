"""What a pattern has of its own: by how much each action earns more or less on it than the features say."""

from collections import OrderedDict
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.errors import RecoveryError
from streams.learners.kernels import offsets
from streams.learners.kernels.offsets import COUNT, ROW

Vector = npt.NDArray[np.float64]


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
        self._nothing = np.zeros((0, len(self._rates), ROW))

    def clock(self, pattern: str) -> int:
        """Return how many decisions there were on a pattern."""
        return self._clocks.get(pattern, 0)

    def tick(self, pattern: str) -> list[str]:
        """Count one more decision on a pattern; returns the patterns that were forgotten to make room."""
        self._clocks[pattern] = self.clock(pattern) + 1
        self._clocks.move_to_end(pattern)
        if pattern in self._sums:
            offsets.fade(self._sums[pattern], self._rates)
        gone = []
        while len(self._clocks) > self._limit:
            oldest, _ = self._clocks.popitem(last=False)
            self._sums.pop(oldest, None)
            gone.append(oldest)
        return gone

    def outlook(
        self, pattern: str, weights: Vector, said: Vector, noisy: Vector, unknown: Vector
    ) -> tuple[Vector, Vector]:
        """Return what each model says of each action with its offset, and how often the action was seen on the pattern,
        faded; given the models' weights, shape (actions, models, width), and what `RidgeBank.outlook` returned: shape
        (actions, models) each. The two parts of the variance become those with the offset, in place.
        """
        own, counts = said.copy(), np.zeros(said.shape)
        sums = self._sums.get(pattern, self._nothing)
        offsets.outlook(sums, self._rate_of, self._weight, weights, own, noisy, unknown, counts)
        return own, counts

    def counts(self, pattern: str, action: int) -> Vector:
        """Return the faded count of one action for each model, shape (models,), as `outlook` does of all."""
        sums = self._sums.get(pattern)
        if sums is None or action >= len(sums):
            return np.zeros(len(self._rate_of))
        counts: Vector = sums[action, self._rate_of, COUNT]
        return counts

    def learn(
        self, pattern: str, action: int, row: Vector, reward: float, *, clock: int, actions: int, weight: float = 1.0
    ) -> None:
        """Fold in `weight` times an observation of the pattern's decision counted `clock`; none of a forgotten one."""
        if pattern not in self._clocks:
            return
        sums, ago = self._room(pattern, actions, len(row)), self._clocks[pattern] - clock
        offsets.learn(sums, action, row, reward, self._rates, ago, weight)

    def forget_action(self, action: int) -> None:
        """Forget what an action earned, on every pattern: its place is given to another."""
        for sums in self._sums.values():
            if action < len(sums):
                sums[action] = 0.0

    def columns(self) -> list[tuple[str, OffsetSums]]:
        """Return the whole state, the pattern that was decided longest ago first."""
        return [
            (pattern, OffsetSums(clock=clock, shape=sums.shape, sums=sums.tobytes()))
            for pattern, clock in self._clocks.items()
            for sums in (self._sums.get(pattern, self._nothing),)
        ]

    def restore(self, columns: Sequence[tuple[str, OffsetSums]]) -> None:
        """Replace the state by what `columns` returned; raises `RecoveryError` when that was at other rates."""
        rates = len(self._rates)
        for pattern, cells in columns:
            if cells.shape[1] != rates or cells.shape[2] < ROW:
                raise RecoveryError(
                    f"sums of {pattern} must have shape (actions, {rates}, 2 + width), got {cells.shape}"
                )
        self._clocks = OrderedDict((pattern, cells.clock) for pattern, cells in columns)
        self._sums = {
            pattern: np.frombuffer(cells.sums).reshape(cells.shape).copy() for pattern, cells in columns if cells.sums
        }

    def _room(self, pattern: str, actions: int, width: int) -> Vector:
        """Return a pattern's sums, with room for so many actions and numbers from now on."""
        sums = self._sums.get(pattern)
        if sums is None:
            sums = self._sums[pattern] = np.zeros((actions, len(self._rates), ROW + width))
        more, wider = actions - sums.shape[0], ROW + width - sums.shape[2]
        if more or wider:
            sums = self._sums[pattern] = np.pad(sums, ((0, more), (0, 0), (0, wider)))
        return sums
