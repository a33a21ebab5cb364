"""Settings of recognise."""

import msgspec


class RecogniseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What it takes for an onset to be a pattern again, and how much is remembered.

    Raises `ValueError` with all its errors at once.
    """

    discount: float = 0.5
    """From 0 to 1: how strongly onsets that occurred but once speak against the next being a pattern again."""
    merge_evidence: float = 0.6
    """How much likelier (natural logarithm, per window) a pattern must be under another than by itself to become one.
    """
    support: int = 3
    """A pattern recurs from this many occurrences on, and keeps to it when some are counted elsewhere in the end."""
    fade_us: int = 7 * 24 * 3_600_000_000
    """Loop time without an occurrence after which a pattern fades; it comes back under the same id."""
    sequence_us: int = 300_000_000
    """How much later, in event time, what follows a pattern may begin; a quarter and a sixteenth are looked at too."""
    pattern_limit: int = 256
    remembered_limit: int = 1_024
    episode_limit: int = 20_000

    def __post_init__(self) -> None:
        names = (
            "merge_evidence", "support", "fade_us", "sequence_us", "pattern_limit", "remembered_limit", "episode_limit",
        )  # fmt: skip
        errors = [
            f"{name} must be positive, got {getattr(self, name)}" for name in names if not getattr(self, name) > 0
        ]
        if not 0 <= self.discount < 1:
            errors.append(f"discount must be at least 0 and under 1, got {self.discount}")
        if errors:
            raise ValueError("; ".join(errors))
