"""What a log cannot tell about other settings, in words: said beside every estimate."""

from collections.abc import Iterator, Sequence

from streams.operate.what_if import WhatIf

_BROKEN = ("deny (abnormal)", "deny (failures)")
"""As what a change counts that an open breaker made."""


def unknowns(found: Sequence[WhatIf]) -> list[str]:
    """Return a line for each thing that the estimates leave open, as far as it matters to these; none where nothing
    differs.
    """
    lines = _about_verdicts(found) if any(one.differs for one in found) else {}
    return [*(line for line, matters in lines.items() if matters), *_done_otherwise(found)]


def _about_verdicts(found: Sequence[WhatIf]) -> dict[str, int]:
    untold = max(one.effect.unknown for one in found)
    silent = max(one.silent for one in found)
    masked = max(one.masked for one in found)
    again = max(one.again for one in found)
    moved = max(one.moved for one in found)
    assumed = max(one.assumed for one in found)
    broken = max(sum(number for _, after, number in one.kinds if after in _BROKEN) for one in found)
    return {
        f"what up to {untold} actions would have changed: too few rewards of them, or of none, on a pattern": untold,
        f"what people would have said to up to {silent} questions: who was not asked counts as silent": silent,
        f"what {masked} proposals would have been, had limits in force not masked an action": masked,
        f"whether up to {again} removed actions would have come later: they were denied for a time only": again,
        f"what up to {moved} actions would have earned at another time: they count as if they earned the same": moved,
        f"how up to {assumed} actions that never ran would have ended: as succeeded, after the usual time": assumed,
        f"when people would have re-armed the breakers that kept back up to {broken} proposals: nobody did": broken,
        "what the loop would have learned, proposed and measured otherwise after the first difference, levels that "
        "actions earn included": 1,
    }


def _done_otherwise(found: Sequence[WhatIf]) -> Iterator[str]:
    names = sorted({name for one in found for name in one.done_otherwise})
    if names:
        yield (
            f"what {', '.join(names)} would have done and earned: parameters, dry run or cost differ, and ends and "
            "rewards are those that were recorded"
        )
