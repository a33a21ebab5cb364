"""Which answers of people are counted: one rule for the ledger and for the report of what the loop was worth."""

from schemas.events import Verdict
from schemas.keyring import LOOP


def answer_in(verdict: Verdict) -> str | None:
    """Return the id of the answer of a person that led to a verdict about an episode, where the loop had asked.

    The gate answers each signed answer that it takes with one verdict, whatever order topics are read in. One that it
    does not take (to nothing open, out of date, to another text) is not counted.
    """
    asked = verdict.proposal.by == LOOP and bool(verdict.proposal.episode)
    return verdict.approval if asked else None
