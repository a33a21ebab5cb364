"""What each action earns: several Bayesian ridge regressions, mixed by how well each has foretold so far.

Features are shared by all patterns, so a new one starts from what similar ones taught; each pattern has an offset of
its own on top. Both are sums over decisions, each weighed by when it was *decided*: outcomes that come late, in
whatever order, give the same regressions and offsets, and one that turns out wrong can be taken out again.

Not so the shares of the regressions: they go by what each said when it was asked, and so by which outcomes had come by
then. That changes by how much each is believed, so a mean moves between what two of them say; it fades as their errors
do, and is gone (by a factor of 1e9) some thousand decisions after the last late outcome.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from river import base

from schemas.errors import RecoveryError
from streams.learners.decision_memory import Decision, DecisionMemory, Remembered
from streams.learners.feature_scale import FeatureScale, ScaleColumns, Vector
from streams.learners.model_mix import MixSums
from streams.learners.pattern_mix import PatternMix
from streams.learners.pattern_offsets import OffsetSums, PatternOffsets
from streams.learners.reasons import Reasons, reasons_of
from streams.learners.reward_settings import RewardModelSettings
from streams.learners.ridge_bank import RidgeBank, RidgeSums

VERSION = 2
ANY = "any"
"""The action where there is but one thing to foretell, as in a plain regression."""
REWARD_LIMIT = 2.0
"""Rewards are of the order of 1; what lies beyond this is a broken measurement, and teaches nothing."""


def is_reward(value: float) -> bool:
    """Return whether a number can be a reward: what is not finite or of another order of magnitude cannot."""
    return abs(value) <= REWARD_LIMIT  # false of NaN


class Outlook(NamedTuple):
    """What is expected of each action asked about: the mean and its standard deviation; `evidence` is how many
    observations of them all, faded, it rests on.
    """

    means: Vector
    spreads: Vector
    evidence: float


Look = tuple[tuple[Vector, ...], Vector, Vector, Vector]
"""What each model expects by the features alone and, on a pattern, with its offset; the two parts of the variance of
the last of them, and how often the model saw each action (on the pattern): shape (actions, models) each.
"""


class _State(msgspec.Struct):
    version: int
    actions: list[tuple[str, int]]
    scale: ScaleColumns
    bank: RidgeSums
    offsets: list[tuple[str, OffsetSums]]
    mix: tuple[MixSums, MixSums]
    remembered: list[Remembered]
    updates: int


class RewardModel(base.Regressor):
    """Rewards of actions by features, and by pattern where there is one. What is not a reward (see `is_reward`), and a
    feature that is not finite, teaches nothing. `priors` are the rewards expected of single actions before anything is
    known of them.

    `decide`, `learn` and `retract` are for decisions whose outcomes come later; `learn_one` knows both at once.
    """

    def __init__(self, settings: RewardModelSettings | None = None, priors: Mapping[str, float] | None = None) -> None:
        self.settings = settings
        self.priors = priors
        self._settings = chosen = settings or RewardModelSettings()
        self._priors = dict(priors or {})
        self._scale = FeatureScale(
            limit=chosen.features,
            first=chosen.first_features,
            declared=chosen.declared_features,
            faint=chosen.faint_features,
            weight=chosen.faint_weight,
        )
        self._bank = RidgeBank(chosen.models)
        self._offsets = PatternOffsets(chosen.own_forgetting, weight=chosen.own_weight, limit=chosen.patterns)
        self._mix = PatternMix(len(chosen.models), trust=chosen.trust, fading=chosen.fading, weight=chosen.own_weight)
        self._memory = DecisionMemory(limit=chosen.remembered)
        self._slots: OrderedDict[str, int] = OrderedDict()
        self._latest: tuple[str, ...] = ()
        self._latest_slots = np.zeros(0, dtype=np.intp)
        self._latest_priors = np.zeros(0)
        self.updates = 0

    @property
    def names(self) -> tuple[str, ...]:
        """The features, in the order of the columns of `predict_many` and `learn_many`."""
        return self._scale.names

    def predict_one(self, x: Mapping[Any, float], *, action: str = ANY, pattern: str | None = None) -> float:
        """Return the reward expected of an action; learns nothing."""
        return float(self.predict_many(self._scale.raw(x)[None, 1:], actions=(action,), pattern=pattern)[0, 0])

    def predict_many(self, rows: Vector, *, actions: Sequence[str] = (ANY,), pattern: str | None = None) -> Vector:
        """Return what `predict_one` says of each row and action, shape (n, actions); the rows hold the features in the
        order of `names`, NaN where absent.
        """
        unknown = self._bank.actions
        known, everywhere, none = np.zeros((len(rows), unknown + 1)), np.arange(unknown), np.zeros(unknown)
        for number, row in enumerate(self._scale.rows(rows) if unknown else ()):  # before the first decision, by priors
            look = self._look(row, pattern)
            known[number, :unknown] = self._mix.outlook(*look, places=everywhere, priors=none)[0]
        return known[:, [self._slots.get(action, unknown) for action in actions]] + self._prior(actions)

    def learn_one(self, x: Mapping[Any, float], y: float, *, action: str = ANY, pattern: str | None = None) -> None:
        """Learn what an action earned."""
        if not is_reward(y):
            return
        self.learn_many(self._scale.take_in(x)[None, 1:], [y], actions=(action,), pattern=pattern)

    def learn_many(
        self, rows: Vector, rewards: Sequence[float], *, actions: Sequence[str], pattern: str | None = None
    ) -> None:
        """Learn what one action each earned, in order; the rows are as in `predict_many`. Raises `ValueError` where
        they have not a number for each feature.
        """
        if rows.shape[1:] != (len(self.names),):
            raise ValueError(f"expected rows of {len(self.names)} features, got shape {rows.shape}")
        constant = np.ones((len(rows), 1))
        for raw, reward, action in zip(np.concatenate((constant, rows), axis=1), rewards, actions, strict=True):
            if is_reward(reward):
                self._admit((action,))
                self._learn(self._count(raw, pattern)[0], action, reward)

    def decide(
        self, key: str, x: Mapping[str, float], *, actions: Sequence[str], pattern: str | None = None
    ) -> Outlook:
        """Return what is expected of the eligible actions, and remember under `key` what it rests on."""
        self._admit(tuple(actions))
        decision, look = self._count(self._scale.take_in(x), pattern)
        self._memory.add(key, decision)
        return Outlook(*self._mix.outlook(*look, places=self._latest_slots, priors=self._latest_priors))

    def outlook(self, key: str, actions: Sequence[str]) -> Outlook:
        """Return what is expected of some of the actions at the decision just made under `key`, as if these alone had
        been asked about; nothing may have been learned since. Raises `ValueError` where no such decision or action is
        known.
        """
        decision = self._memory.get(key)
        if decision is None or not self._slots.keys() >= set(actions):
            raise ValueError(f"expected a decision just made and some of its actions, got {key} and {actions}")
        places = np.array([self._slots[action] for action in actions], dtype=np.intp)
        look = self._look(decision.row, decision.pattern)
        return Outlook(*self._mix.outlook(*look, places=places, priors=self._prior(actions)))

    def learn(self, key: str, action: str, reward: float) -> bool:
        """Learn what the action earned that really ran after a decision, be it another than was chosen. Returns whether
        that was new: of a decision that is not remembered, or was learned from, nothing is learned.
        """
        decision = self._memory.get(key)
        if decision is None or decision.action is not None or not is_reward(reward):
            return False
        if action not in self._slots:
            self._admit((action,))
            self._bank.grow(actions=len(self._slots), width=self._bank.width)
        self._learn(decision, action, reward)
        return True

    def retract(self, key: str) -> bool:
        """Take what was learned from a decision out again, so that another outcome can take its place; returns whether
        there was any.
        """
        decision = self._memory.get(key)
        if decision is None or decision.action is None:
            return False
        self._fold(decision, decision.action, decision.excess, -1.0)
        decision.action = None
        return True

    def knows(self, key: str) -> bool:
        """Return whether a decision is remembered."""
        return self._memory.get(key) is not None

    def reasons(self, key: str, action: str, over: str) -> Reasons:
        """Return what spoke for an action over another at the decision just made under `key`; nothing may have been
        learned since. Raises `ValueError` where no such decision or action is known.
        """
        decision = self._memory.get(key)
        if decision is None or action not in self._slots or over not in self._slots:
            raise ValueError(f"expected a decision just made and two of its actions, got {key}, {action} and {over}")
        pair, pattern = (self._slots[action], self._slots[over]), decision.pattern
        counts = [None if pattern is None else self._offsets.counts(pattern, slot) for slot in pair]
        return reasons_of(
            decision,
            pair,
            names=self.names,
            weights=self._bank.weights,
            shares=[self._mix.believed(seen) for seen in counts],
            priors=self._prior((action, over)).tolist(),
        )

    def snapshot(self) -> bytes:
        """Return the whole state; equal states give equal bytes."""
        state = _State(
            version=VERSION,
            actions=list(self._slots.items()),
            scale=self._scale.columns(),
            bank=self._bank.columns(),
            offsets=self._offsets.columns(),
            mix=self._mix.columns(),
            remembered=self._memory.columns(),
            updates=self.updates,
        )
        return msgspec.msgpack.encode(state)

    def restore(self, snapshot: bytes) -> None:
        """Replace the state by one that `snapshot` returned; raises `RecoveryError` when it is of another version."""
        state = msgspec.msgpack.decode(snapshot, type=_State)
        if state.version != VERSION:
            raise RecoveryError(f"state of the reward model must have version {VERSION}, got {state.version}")
        self._slots = OrderedDict(state.actions)
        self._latest, self._latest_slots, self._latest_priors = (), np.zeros(0, dtype=np.intp), np.zeros(0)
        self._scale.restore(state.scale)
        self._bank.restore(state.bank)
        self._offsets.restore(state.offsets)
        self._mix.restore(state.mix)
        self._memory.restore(state.remembered, models=len(self._settings.models))
        self.updates = state.updates

    def _count(self, raw: Vector, pattern: str | None) -> tuple[Decision, Look]:
        """Count one more decision, and return it with what is to be seen there."""
        bank, pattern_clock = self._bank, 0
        bank.grow(actions=len(self._slots), width=len(raw))
        bank.tick()
        if pattern is not None:
            self._memory.forget_patterns(self._offsets.tick(pattern))
            pattern_clock = self._offsets.clock(pattern)
        row = self._scale.learn_row(raw)
        look = self._look(row, pattern)
        return Decision(pattern, bank.clock, pattern_clock, row, look[0]), look

    def _look(self, row: Vector, pattern: str | None) -> Look:
        bank = self._bank
        said, noisy, unknown = bank.outlook(row)
        if pattern is None:
            return (said,), noisy, unknown, bank.counts
        own, counts = self._offsets.outlook(pattern, bank.weights, said, noisy, unknown)
        return (said, own), noisy, unknown, counts

    def _learn(self, decision: Decision, action: str, reward: float) -> None:
        """Fold in what an action earned above its prior of today."""
        excess = reward - self._priors.get(action, self._settings.prior)
        self._fold(decision, action, excess, 1.0)
        decision.action, decision.excess = action, excess

    def _fold(self, decision: Decision, action: str, excess: float, weight: float) -> None:
        """Fold in (or, with a weight of -1, take out) what an action earned; what was expected of it is what the models
        said when it was decided, and of an action that came later the prior.
        """
        bank, slot, row = self._bank, self._slots[action], decision.row
        if len(row) < bank.width:
            row = np.concatenate((row, np.zeros(bank.width - len(row))))
        foretold = [said[slot] if slot < len(said) else np.zeros(said.shape[1]) for said in decision.expected]
        self._mix.learn(foretold, excess, decided=decision.clock, now=bank.clock, weight=weight)
        bank.learn(slot, row, excess, clock=decision.clock, weight=weight)
        if decision.pattern is not None:
            self._offsets.learn(
                decision.pattern,
                slot,
                row,
                excess,
                clock=decision.pattern_clock,
                actions=bank.actions,
                weight=weight,
            )
        self.updates += 1

    def _prior(self, actions: Sequence[str]) -> Vector:
        return np.array([self._priors.get(action, self._settings.prior) for action in actions])

    def _admit(self, actions: tuple[str, ...]) -> None:
        """Give each action a place; beyond the limit the place of the one that was not eligible for longest."""
        if actions == self._latest:
            return
        if len(actions) > self._settings.actions:
            raise ValueError(f"expected at most {self._settings.actions} actions at once, got {len(actions)}")
        if len(set(actions)) < len(actions):
            raise ValueError(f"expected each action once, got {', '.join(actions)}")
        self._latest = actions
        new = [action for action in actions if action not in self._slots]
        self._refresh(action for action in actions if action in self._slots)
        for action in new:
            self._slots[action] = self._vacate() if len(self._slots) >= self._settings.actions else len(self._slots)
        self._refresh(actions)  # in their order, as it is when they are admitted again
        self._latest_slots = np.array([self._slots[action] for action in actions], dtype=np.intp)
        self._latest_priors = self._prior(actions)

    def _refresh(self, actions: Iterable[str]) -> None:
        for action in actions:
            self._slots.move_to_end(action)

    def _vacate(self) -> int:
        action, slot = self._slots.popitem(last=False)
        self._bank.clear(slot)
        self._offsets.forget_action(slot)
        self._memory.forget_action(action, slot)
        return slot
