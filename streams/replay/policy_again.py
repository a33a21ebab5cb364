"""What the loop would have chosen under other settings of the policy, with what it knew at each of its decisions."""

from collections import OrderedDict
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isclose

from msgspec.structs import replace

from schemas.events import ASK, NONE, Experience, Proposal
from schemas.keyring import LOOP
from streams.learners.reward_model import RewardModel
from streams.loop.actions import ActionSettings
from streams.loop.asking import priced
from streams.loop.policy.choice import chances_of, dry_of
from streams.loop.policy.learning import teach
from streams.loop.policy.reward_models import reward_model, reward_model_settings
from streams.loop.policy.settings import PolicySettings
from streams.loop.remembering import remember
from streams.replay.recorded_values import features_under

MODEL = "ridges/"
"""What the names of the policy's models begin with; behind it is how often the model had learned."""
ROUNDING = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Chooser:
    """What decides how actions are chosen."""

    policy: PolicySettings
    actions: Mapping[str, ActionSettings]

    @property
    def choices(self) -> set[str]:
        """All that can be chosen at an onset, where the action of a renewal is none."""
        later = set() if self.policy.renewal is None else {self.policy.renewal.action}
        asks = set() if self.policy.ask_cost is None else {ASK}
        return {NONE} | self.actions.keys() - later | asks


class _Learner:
    """The policy's model as it was at one decision after the other, of which the log holds the values that count by
    `recorded`.
    """

    def __init__(self, chooser: Chooser, *, recorded: Sequence[str], look_cost: float | None = None) -> None:
        """`look_cost` is what a person's look costs, None for what it cost in the run."""
        self._chooser = chooser
        self._look_cost = look_cost
        self._as_recorded = tuple(recorded) == chooser.policy.values
        self._dry = dry_of(chooser.actions)
        self._model: RewardModel = reward_model(chooser.policy, chooser.actions)
        self._seen: OrderedDict[str, None] = OrderedDict()

    @property
    def most(self) -> int:
        """The most actions that can be chosen among."""
        return reward_model_settings(self._chooser.policy, actions=len(self._chooser.choices)).actions

    @property
    def updates(self) -> int:
        return self._model.updates

    def teach(self, experience: Experience) -> None:
        """Learn from what the run recorded, a person's look at its price here."""
        remembered = self._chooser.policy.remembered
        experience = priced(experience, self._look_cost)
        if not self._as_recorded:
            experience = replace(experience, features=self._features(experience.features))
        teach(self._model, experience, self._seen, remembered=remembered)
        if experience.is_outcome and experience.state != "late":
            remember(self._seen, experience.proposal, remembered)

    def choose(self, proposal: Proposal, names: Sequence[str]) -> dict[str, float]:
        """Return the probability of each, 0 of what was left out."""
        features = self._features(proposal.features)
        outlook = self._model.decide(proposal.id, features, actions=names, pattern=proposal.pattern)
        left = [name for name in names if name not in proposal.left_out]
        if len(left) < len(names):
            outlook = self._model.outlook(proposal.id, left)
        chances = chances_of(left, outlook, self._chooser.policy, dry=self._dry)
        return dict.fromkeys(names, 0.0) | chances

    def _features(self, features: Mapping[str, float]) -> Mapping[str, float]:
        return features if self._as_recorded else features_under(features, self._chooser.policy.values)


def choose_again(
    proposals: Iterable[Proposal],
    experiences: Iterable[Experience],
    *,
    own: Chooser,
    other: Chooser,
    wanted: Container[str],
) -> dict[str, dict[str, float]]:
    """Return the probabilities of the loop's arm under the other settings, by proposal, of those that are `wanted` and
    can be told: not where nothing was eligible, or more than a model holds.

    Both come in the order of their topics, a proposal as often as it was answered. What the model had learned at a
    decision is followed from the first experience on; it is told apart from what was otherwise by the run's own
    settings giving the recorded probabilities. What a person's look cost is learned at the price of the other settings;
    values of metrics count as these say, where the log holds them (see `are_recorded`).
    """
    recorded = own.policy.values
    mine = _Learner(own, recorded=recorded)
    theirs = _Learner(other, recorded=recorded, look_cost=other.policy.ask_cost)
    added = other.choices - own.choices
    waiting: Iterator[Experience] = iter(experiences)
    found: dict[str, dict[str, float]] = {}
    met: OrderedDict[str, None] = OrderedDict()
    for proposal in proposals:
        if proposal.by != LOOP or not proposal.episode or proposal.id in met:  # without an episode another rule chose
            continue
        remember(met, proposal.id, own.policy.remembered)
        _catch_up(_updates_of(proposal), waiting, (mine, theirs))
        names = sorted(proposal.probabilities)
        eligible = _eligible(proposal, other, added)
        if not names or len(names) > mine.most or len(eligible) > theirs.most:
            continue
        again, chances = mine.choose(proposal, names), theirs.choose(proposal, eligible)
        if proposal.id in wanted and all(
            isclose(again[name], proposal.probabilities[name], abs_tol=ROUNDING) for name in names
        ):
            found[proposal.id] = chances
    return found


def _eligible(proposal: Proposal, other: Chooser, added: Collection[str]) -> list[str]:
    """Return what could have been chosen under the other settings, to which some choices were `added`; among it what
    the loop's arm left out of the recorded probabilities.
    """
    everything = any(not scope.startswith("action:") for scope in proposal.limits)
    new = [name for name in added if not everything and f"action:{name}" not in proposal.blocked]
    names = {NONE, *new, *(name for name in proposal.probabilities if name in other.choices)}
    actions = names - {NONE, ASK} - proposal.left_out
    return sorted(names if actions else names - {ASK})  # a person is asked about an action, so never without one


def _catch_up(updates: int, experiences: Iterator[Experience], learners: Sequence[_Learner]) -> None:
    """Teach what had been learned by a decision, as far as it is recorded."""
    while learners[0].updates < updates and (experience := next(experiences, None)) is not None:
        for learner in learners:
            learner.teach(experience)


def _updates_of(proposal: Proposal) -> int:
    """Return how often the model had learned; what another kind of model proposed cannot be followed."""
    number = proposal.model.removeprefix(MODEL)
    return int(number) if number.isdecimal() else 0
