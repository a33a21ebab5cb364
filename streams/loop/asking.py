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


def unasked(experience: Experience) -> Experience:
    """Return what became of the action, as if a level had made the gate ask about it: without what choosing to ask
    cost, and what was lost while the answer was waited for.
    """
    if not experience.asked:
        return experience
    return replace(experience, reward=experience.unasked_reward, cost=experience.cost - (experience.look_cost or 0.0))
