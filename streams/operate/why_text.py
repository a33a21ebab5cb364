"""Why the loop proposed an action, in a sentence."""

from schemas.events import Proposal, Why

_NAMES = {"constant": "on average"}
_ARMS = {"baseline": "the baseline's arm", "none": "the arm that does nothing"}
TWO = 2
"""Of so many eligible actions it is known which is the best; of more, the means of two are told."""
_LEAST = 0.005
"""What is less is 0.00 in a sentence."""


def why_text(proposal: Proposal) -> str:
    """Return why an action was chosen over the runner-up, by how much and how sure; "" where nobody told."""
    why = proposal.why
    if why is None:
        return ""
    how = _how(proposal, why)
    if why.expected is None:
        return f"{how}, over {why.runner_up}" if why.runner_up else how
    if why.runner_up_expected is None:
        return f"{how}: nothing else was eligible, {why.expected:.2f} expected"
    apart = why.expected - why.runner_up_expected
    sure = f"; {abs(apart) / why.spread:.1f} sd apart" if why.spread else ""
    numbers = f"{why.expected:.2f} expected, not {why.runner_up_expected:.2f}{sure}"
    return f"{how}: {_compared(proposal.choice, why.runner_up, apart)} ({numbers}){_sides(why)}"


def _how(proposal: Proposal, why: Why) -> str:
    """Return how the action came to be chosen. The likeliest is the best one with the benefit of the doubt, and so not
    always the one that most is expected of.
    """
    if why.mode == "held-out":
        arm = "" if proposal.hold_out is None else f", {_ARMS.get(proposal.hold_out.arm, proposal.hold_out.arm)}"
        return f"held out{arm}"
    if why.expected is None:
        return "by the rule on lives"
    is_more = why.runner_up_expected is None or why.expected >= why.runner_up_expected
    if why.mode == "best":
        drawn = sum(chance > 0.0 for chance in proposal.probabilities.values())
        best = "the best known" if drawn <= TWO else "the likeliest"
        return best if is_more else "given the benefit of the doubt"
    return "tried, not the likeliest" if is_more else "tried, not the best known"


def _compared(action: str, runner_up: str, apart: float) -> str:
    if abs(apart) < _LEAST:
        return f"{action} like {runner_up}"
    return f"{action} {'over' if apart > 0.0 else 'under'} {runner_up} by {abs(apart):.2f}"


def _sides(why: Why) -> str:
    """Return what spoke for the action, then what spoke against it, the largest first."""
    told = [(name, part) for name, part in why.parts.items() if abs(part) >= _LEAST]
    ranked = sorted(told, key=lambda pair: (-abs(pair[1]), pair[0]))
    sides = ([pair for pair in ranked if pair[1] > 0.0], [pair for pair in ranked if pair[1] < 0.0])
    texts = (", ".join(f"{_NAMES.get(name, name)} {part:+.2f}" for name, part in side) for side in sides)
    return "".join(f"; {word}: {text}" for word, text in zip(("for it", "against it"), texts, strict=True) if text)
