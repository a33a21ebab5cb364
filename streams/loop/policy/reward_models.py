"""The policy's reward models: the one place that says how they are set."""

from collections.abc import Mapping

from schemas.events import ASK, NONE
from streams.learners.reward_model import RewardModel
from streams.learners.reward_settings import RewardModelSettings
from streams.loop.actions import ActionSettings
from streams.loop.policy.choice import OF_EVERY_METRIC, OF_EVERY_MOMENT
from streams.loop.policy.settings import PolicySettings
from streams.loop.policy.values import OTHER, WEIGHT


def reward_model_settings(settings: PolicySettings, *, actions: int) -> RewardModelSettings:
    """Return how rewards are learned of so many actions; there are places for twice as many, as actions come and go,
    and for no more patterns than decisions.
    """
    usual = RewardModelSettings()
    return RewardModelSettings(
        prior=settings.reward_prior,
        first_features=(*OF_EVERY_METRIC, *OF_EVERY_MOMENT),
        declared_features=OF_EVERY_MOMENT,
        faint_features=OTHER,
        faint_weight=WEIGHT,
        actions=2 * actions,
        patterns=min(usual.patterns, settings.remembered),
        remembered=settings.remembered,
    )


def reward_model(settings: PolicySettings, actions: Mapping[str, ActionSettings]) -> RewardModel:
    """Return a model that expects of each declared action the prior less its cost; of asking a person, where that is a
    choice, as much as of the cheapest one, less what it costs.
    """
    prior = settings.reward_prior
    priors = {name: prior - action.cost for name, action in sorted(actions.items()) if name != NONE}
    if settings.ask_cost is not None and priors:
        priors[ASK] = max(priors.values()) - settings.ask_cost
    return RewardModel(reward_model_settings(settings, actions=len(priors) + 1), priors=priors)
