"""What the policy learns from experience."""

from collections import OrderedDict

from schemas.events import Experience
from schemas.keyring import LOOP
from streams.learners.reward_model import RewardModel
from streams.loop.remembering import remember
from streams.loop.rewards import LEARNED, reward_of


def teach(model: RewardModel, experience: Experience, seen: OrderedDict[str, None], *, remembered: int) -> None:
    """Fold a reward in once, for the action that really ran, or for `ask` where that was chosen; a late end takes the
    default's place, and what ends a proposal that of an early signal, whether it tells a reward or not; after a late
    end nothing counts. Only as long as the decision is remembered: of the loop's own that was forgotten, nothing is
    learned. Nor is it without an episode: what lives are worth, lives tell. What cannot be a reward of its action, as
    one with the wrong sign, teaches nothing, but takes back what it corrects. `seen` are the proposals that ended, and
    the late ends.
    """
    key, reward, has_ended = experience.proposal, reward_of(experience), experience.proposal in seen
    if f"{key}/late" in seen or (experience.state == "early" and has_ended):
        return
    if experience.state != "late" and experience.retracted_reward is not None and not has_ended:
        model.retract(key)
    if not experience.episode or experience.state not in LEARNED:
        return
    if experience.state == "late":
        remember(seen, f"{key}/late", remembered)
        model.retract(key)
    elif experience.by != LOOP and not model.knows(key) and not has_ended:  # a person's own: nobody asked the model
        model.decide(key, experience.features, actions=(experience.effective,), pattern=experience.pattern)
    if reward is not None:
        model.learn(key, experience.earned_by, reward)


def teach_again(model: RewardModel, experience: Experience, seen: OrderedDict[str, None], *, remembered: int) -> None:
    """Fold a reward in as `teach` does, into a model that was never asked: the decision, too, is taken from what is
    told of it, whatever came of it. What else could have been chosen then is not told, and nothing hangs on it.
    """
    key = experience.proposal
    is_first = experience.state != "late" and key not in seen and not model.knows(key)
    if experience.by == LOOP and experience.episode and is_first:
        model.decide(key, experience.features, actions=(experience.earned_by,), pattern=experience.pattern)
    teach(model, experience, seen, remembered=remembered)
    if experience.is_outcome and experience.state != "late":
        remember(seen, key, remembered)


__all__ = ["LEARNED", "teach", "teach_again"]
