"""To ask a person as a way to act: what is asked about, what blocks it, and what became of the action itself."""

from collections.abc import Mapping

from msgspec.structs import replace

from schemas.events import ASK, NONE, Experience

ASK_SCOPE = f"action:{ASK}"
"""What the gate says is blocked where nobody can be asked, and people pause so that nobody is."""


def asked_about(probabilities: Mapping[str, float]) -> str:
    """Return the action that a person would be asked about: the likeliest one, of equals the first by name; `none`
    where there is none. So of a hold-out, too, it is known what the loop would have asked.
    """
    actions = [name for name in sorted(probabilities) if name not in (ASK, NONE)]
    return max(actions, key=lambda name: probabilities[name], default=NONE)


def priced(experience: Experience, ask_cost: float | None) -> Experience:
    """Return what a decision came to if a person's look cost so much; None: as much as it did."""
    if experience.look_cost is None or experience.reward is None or ask_cost is None:
        return experience
    more = ask_cost - experience.look_cost
    return replace(experience, reward=experience.reward - more, cost=experience.cost + more, look_cost=ask_cost)


def unasked(experience: Experience) -> Experience:
    """Return what became of the action, as if a level had made the gate ask about it: without what choosing to ask
    cost, and what was lost while the answer was waited for.
    """
    if not experience.asked:
        return experience
    return replace(experience, reward=experience.unasked_reward, cost=experience.cost - (experience.look_cost or 0.0))
