"""Settings of recognise."""

import msgspec


class RecogniseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How alike two onsets must be to be one pattern (1 - cosine of their directions), and how much is remembered.

    Raises `ValueError` with all its errors at once.
    """

    radius: float = 0.16
    merge_radius: float = 0.08
    support: int = 3
    """A pattern recurs from this many occurrences on."""
    fade_us: int = 7 * 24 * 3_600_000_000
    """Loop time without an occurrence after which a pattern fades; it comes back under the same id."""
    pattern_limit: int = 256
    remembered_limit: int = 1_024
    episode_limit: int = 20_000

    def __post_init__(self) -> None:
        names = ("radius", "merge_radius", "support", "fade_us", "pattern_limit", "remembered_limit", "episode_limit")
        errors = [
            f"{name} must be positive, got {getattr(self, name)}" for name in names if not getattr(self, name) > 0
        ]
        if self.merge_radius > self.radius:
            errors.append(f"merge_radius must be at most {self.radius} (radius), got {self.merge_radius}")
        if errors:
            raise ValueError("; ".join(errors))
