"""The policy's reward models: the one place that says how they are set."""

from collections.abc import Mapping

from streams.learners.reward_model import RewardModel
from streams.learners.reward_settings import RewardModelSettings
from streams.loop.policy.choice import OF_EVERY_METRIC
from streams.loop.policy.settings import PolicySettings


def reward_model_settings(settings: PolicySettings, *, actions: int) -> RewardModelSettings:
    """Return how rewards are learned of so many actions; there are places for twice as many, as actions come and go,
    and for no more patterns than decisions.
    """
    usual = RewardModelSettings()
    return RewardModelSettings(
        prior=settings.reward_prior,
        first_features=OF_EVERY_METRIC,
        actions=2 * actions,
        patterns=min(usual.patterns, settings.remembered),
        remembered=settings.remembered,
    )


def reward_model(settings: PolicySettings, costs: Mapping[str, float]) -> RewardModel:
    """Return a model that expects of each action the prior less its cost; `costs` has every action but that of doing
    nothing.
    """
    prior = settings.reward_prior
    return RewardModel(
        reward_model_settings(settings, actions=len(costs) + 1),
        priors={name: prior - cost for name, cost in costs.items()},
    )
