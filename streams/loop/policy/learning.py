"""What the policy learns from experience, and from what it starts."""

from collections import OrderedDict
from collections.abc import Mapping

from schemas.events import NONE, Experience
from streams.learners.reward_model import RewardModel, RewardModelSettings
from streams.loop.actions import ActionSettings
from streams.loop.policy.settings import PolicySettings
from streams.loop.remembering import remember

LEARNED = ("observed", "defaulted", "late")
FEATURES = 32
"""Features that the reward model keeps apart: those of the metrics that came first."""


def make_reward_model(settings: PolicySettings, actions: Mapping[str, ActionSettings]) -> RewardModel:
    """Return a model that knows what is declared: of each action its cost."""
    prior = settings.reward_prior
    return RewardModel(
        RewardModelSettings(
            prior=prior,
            features=FEATURES,
            actions=most_actions(actions),
            remembered=settings.remembered,
        ),
        priors={name: prior - action.cost for name, action in actions.items() if name != NONE},
    )


def most_actions(actions: Mapping[str, ActionSettings]) -> int:
    """Return how many actions the model holds: also some that came and went."""
    return max(RewardModelSettings().actions, 2 * len(actions) + 2)


def teach(model: RewardModel, experience: Experience, seen: OrderedDict[str, None], *, remembered: int) -> None:
    """Fold a reward in once, for the action that really ran; a late one takes the default's place, as long as the
    decision is remembered. `seen` are the proposals that ended, and the late ends.
    """
    reward = experience.reward
    if experience.state not in LEARNED or reward is None:
        return
    key = experience.proposal
    if experience.state == "late":
        if f"{key}/late" in seen:
            return
        remember(seen, f"{key}/late", remembered)
        model.retract(key)
    elif not model.knows(key) and key not in seen:  # a person's own: nobody asked the model
        model.decide(key, experience.features, actions=(experience.effective,), pattern=experience.pattern)
    model.learn(key, experience.effective, reward)
