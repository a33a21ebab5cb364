"""What the policy learns from experience."""

from collections import OrderedDict

from schemas.events import Experience
from schemas.keyring import LOOP
from streams.learners.reward_model import RewardModel
from streams.loop.remembering import remember

LEARNED = ("observed", "defaulted", "late", "early")
_ROUNDING = 1e-9


def teach(model: RewardModel, experience: Experience, seen: OrderedDict[str, None], *, remembered: int) -> None:
    """Fold a reward in once, for the action that really ran; a late one takes the default's place, and what ends a
    proposal that of an early signal, whether it tells a reward or not. Only as long as the decision is remembered: of
    the loop's own that was forgotten, nothing is learned. Nor is it without an episode: what lives are worth, lives
    tell. What cannot be a reward of its action, as one with the wrong sign, teaches nothing. `seen` are the proposals
    that ended, and the late ends.
    """
    key, reward, has_ended = experience.proposal, experience.reward, experience.proposal in seen
    if experience.state == "early" and has_ended:
        return
    if experience.state != "late" and experience.retracted_reward is not None and not has_ended:
        model.retract(key)
    if not experience.episode or experience.state not in LEARNED:
        return
    if reward is not None and not is_possible(reward, cost=experience.cost):
        return
    if experience.state == "late":
        if f"{key}/late" in seen:
            return
        remember(seen, f"{key}/late", remembered)
        model.retract(key)
    elif experience.by != LOOP and not model.knows(key) and not has_ended:  # a person's own: nobody asked the model
        model.decide(key, experience.features, actions=(experience.effective,), pattern=experience.pattern)
    if reward is not None:
        model.learn(key, experience.effective, reward)


def is_possible(reward: float, *, cost: float) -> bool:
    """Return whether an action of this cost can have earned a reward: rewards are in [0, 1] less the cost."""
    return -_ROUNDING <= reward + cost <= 1.0 + _ROUNDING  # false of NaN
