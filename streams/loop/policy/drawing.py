"""How an episode is decided: the loop's arm leaves out what would not run, as long as another action may."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from schemas.events import ASK, LEVEL, NONE, REFUSED, Proposal, Why
from streams.learners.bandit import pick
from streams.learners.reward_model import RewardModel
from streams.loop.asking import asked_about
from streams.loop.occasion import Occasion
from streams.loop.policy.choice import Choice, chances_of, choose, hold_out_of, uniform
from streams.loop.policy.settings import PolicySettings
from streams.loop.policy.state import Waiting
from streams.loop.policy.why import why_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What was drawn and why; the scopes of what was left out or refused before, and what its level alone keeps from
    being drawn (`wanted`).
    """

    choice: Choice
    why: Why
    left_out: tuple[str, ...] = ()
    wanted: str | None = None


class Drawing:
    """Draws for the arm of an episode."""

    def __init__(self, settings: PolicySettings, *, seed: int, dry: Collection[str]) -> None:
        self._settings = settings
        self._seed = seed
        self._dry = dry

    def propose(
        self,
        model: RewardModel,
        waiting: Waiting,
        on: Occasion,
        *,
        blocked: tuple[str, ...],
        features: dict[str, float],
        names: Sequence[str],
        held_back: Collection[str],
    ) -> Proposal:
        """Return what is proposed about an episode, by what the model expects. `blocked` are the scopes that limits
        mask, `names` what they leave, in order; of them `held_back` would only be shown.
        """
        recurrence, proposal_id = waiting.recurrence, on.id()
        drawn = self._draw(model, proposal_id, waiting, features=features, names=names, held_back=held_back)
        choice = drawn.choice
        return Proposal(
            id=proposal_id,
            time_us=on.now.us,
            causes=on.causes,
            entity=recurrence.entity,
            episode=recurrence.episode,
            pattern=recurrence.pattern,
            action=asked_about(choice.probabilities) if choice.action == ASK else choice.action,
            propensity=choice.propensity,
            probabilities=choice.probabilities,
            expires_us=on.now.us + self._settings.expires_us,
            model=f"ridges/{model.updates}",
            features=features,
            blocked=tuple(sorted((*blocked, *drawn.left_out))),
            hold_out=choice.hold_out,
            group=recurrence.group,
            why=drawn.why,
            asked=choice.action == ASK,
            wanted=drawn.wanted,
        )

    def _draw(
        self,
        model: RewardModel,
        key: str,
        waiting: Waiting,
        *,
        features: dict[str, float],
        names: Sequence[str],
        held_back: Collection[str],
    ) -> Drawn:
        recurrence, refused = waiting.recurrence, waiting.refused
        outlook = model.decide(key, features, actions=names, pattern=recurrence.pattern)
        left = without(names, {*held_back, *refused})
        among = outlook if len(left) == len(names) else model.outlook(key, left)
        draw = uniform("choice", self._seed, recurrence.episode, waiting.attempt)
        choice = choose(
            left,
            among,
            hold_out=hold_out_of(recurrence.episode, seed=self._seed, shares=self._settings.hold_out),
            draw=draw,
            settings=self._settings,
            dry=self._dry,
            left_out=[name for name in names if name not in left],
        )
        is_loop = choice.hold_out.arm == "loop"
        before = [f"{REFUSED}:{name}" for name in refused if is_loop]
        if len(left) == len(names):
            why = why_of(model, key, names, outlook, choice)
            return Drawn(choice=choice, why=why, left_out=tuple(before))
        told = list(choice.probabilities)
        wanted = None
        if is_loop:
            wanted = self._wanted(model, key, without(names, refused), draw)
        return Drawn(
            choice=choice,
            why=why_of(model, key, told, model.outlook(key, told), choice),
            left_out=(*(f"{LEVEL}:{name}" for name in names if name not in left and name in held_back), *before),
            wanted=wanted if wanted in held_back else None,
        )

    def _wanted(self, model: RewardModel, key: str, names: Sequence[str], draw: float) -> str:
        """Return what would have been drawn among all these, or asked about, by the same draw."""
        chances = chances_of(names, model.outlook(key, names), self._settings, dry=self._dry)
        drawn = pick(chances, draw)
        return asked_about(chances) if drawn == ASK else drawn


def without(names: Sequence[str], left_out: Collection[str]) -> list[str]:
    """Return the names but those to be left out; all of them where no action would be left."""
    left = [name for name in names if name not in left_out]
    return left if any(name not in (NONE, ASK) for name in left) else list(names)
