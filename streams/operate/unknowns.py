"""What a log cannot tell about other settings, in words: said beside every estimate."""

from collections.abc import Sequence

from streams.operate.what_if import WhatIf


def unknowns(found: Sequence[WhatIf]) -> list[str]:
    """Return a line for each thing that the estimates leave open, as far as it matters to these; none without any
    difference.
    """
    if not any(one.differs for one in found):
        return []
    untold = max(one.effect.unknown for one in found)
    asked = max(one.asked_after for one in found)
    masked = max(one.masked for one in found)
    again = max(one.again for one in found)
    assumed = max(one.assumed for one in found)
    lines = {
        f"what up to {untold} actions would have changed: too few rewards of them, or of none, on a pattern": untold,
        f"what people would have said to up to {asked} questions: who was not asked counts as silent": asked,
        f"what {masked} proposals would have been, had limits in force not masked an action": masked,
        f"whether up to {again} removed actions would have come later: they were denied for a time only": again,
        f"how up to {assumed} actions that never ran would have ended: as succeeded, after the usual time": assumed,
        "what the loop would have learned, proposed and measured otherwise after the first difference": 1,
    }
    return [line for line, matters in lines.items() if matters]
