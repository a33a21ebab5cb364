"""Outcomes that are heard ahead of the verdict on their action: they travel on another topic."""

from collections.abc import Sequence

from schemas.events import Outcome
from streams.loop.groups import GROUPS_MAX


def counts_ahead(heard: Sequence[Outcome], outcome: Outcome) -> bool:
    """Return whether what is heard ahead of the verdict may count, beside what was `heard` so: of a group the first
    claim, before that one refusal and one other end, and after that the claimer's end.
    """
    groups = {other.group for other in heard}
    if outcome.group not in groups:
        return len(groups) < GROUPS_MAX
    said = [other for other in heard if other.group == outcome.group]
    claims = [number for number, other in enumerate(said) if other.state == "claimed"]
    if not claims:
        is_refusal = outcome.state == "refused"
        return outcome.state == "claimed" or all((other.state == "refused") != is_refusal for other in said)
    (claim,) = claims
    is_ended = claim < len(said) - 1
    return outcome.state != "claimed" and outcome.executor == said[claim].executor and not is_ended
