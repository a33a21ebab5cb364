"""Settings of detect."""

import msgspec


class DetectSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How windows are cut, what is abnormal, and when an episode opens and closes. Times in us.

    Scores are in robust standard deviations beyond the `slack` that every metric is allowed. Raises `ValueError` with
    all its errors at once.
    """

    window_us: int = 1_000_000
    """0 makes every sample a window."""
    lateness_us: int = 0
    """How long, in event time, a window waits for rows that come out of order."""
    idle_us: int = 5_000_000
    """Loop time after an entity's last row at which its windows close without waiting for the next row."""
    gone_us: int = 60_000_000
    """Loop time after its last row at which an entity counts as gone: put aside, its episode closed."""
    census_us: int = 5_000_000
    measure_after_us: int = 30_000_000
    """How long, in event time, windows are measured after an episode closed."""

    threshold: float = 3.0
    """An abnormal window opens an episode at this score (with a slack of 2: one metric 5 deviations off)."""
    close_threshold: float = 1.5
    """While an episode is open, windows below this score are normal."""
    open_windows: int = 2
    """An episode opens at the k-th abnormal window ..."""
    open_of: int = 3
    """... of the last n; one-sample windows open at the first."""
    close_windows: int = 3
    """An episode closes after so many normal windows in a row."""
    onset_windows: int | None = None
    """The first windows of an episode, which its signature is taken over; 4, or 1 for one-sample windows."""
    accept_windows: int = 60
    """An episode of so many windows is a new normal: it closes and the entity is learned afresh."""

    warmup_windows: int = 10
    fast_windows: float = 20.0
    slow_windows: float = 240.0
    prior_windows: float = 10.0
    """How many windows the borrowed spread of its peers weighs for a new entity."""
    floor_relative: float = 0.05
    """The least spread of a metric, as a share of its mean."""
    floor_absolute: float = 0.001
    """The least spread of a metric, in its own unit."""
    floors: dict[str, float] = {}
    """The least spread of the metrics named, instead of `floor_absolute`."""
    slack: float = 2.0
    z_limit: float = 10.0
    forest_windows: int = 250
    forest_weight: float = 0.5
    """Score per deviation of the forest's score beyond 3 of its own; at most `threshold` / 2 in all."""

    entity_limit: int = 10_000
    metric_limit: int = 64
    window_rows_limit: int = 1_000
    token_limit: int = 8
    signature_limit: int = 32

    def __post_init__(self) -> None:
        errors = [
            f"{name} must be positive, got {getattr(self, name)}" for name in _POSITIVE if not getattr(self, name) > 0
        ]
        errors += [
            f"{name} must not be negative, got {getattr(self, name)}"
            for name in _NOT_NEGATIVE
            if not getattr(self, name) >= 0
        ]
        if not self.open_windows <= self.open_of <= 8:
            errors.append(f"open_windows <= open_of <= 8 must hold, got {self.open_windows} of {self.open_of}")
        if not self.close_threshold <= self.threshold:
            errors.append(f"close_threshold must be at most {self.threshold} (threshold), got {self.close_threshold}")
        if self.onset_windows is not None and not 1 <= self.onset_windows <= self.accept_windows:
            errors.append(f"onset_windows must be between 1 and {self.accept_windows}, got {self.onset_windows}")
        if not self.idle_us <= self.gone_us:
            errors.append(f"idle must be at most {self.gone_us} us (gone), got {self.idle_us} us")
        if errors:
            raise ValueError("; ".join(errors))

    @property
    def onset(self) -> int:
        """How many windows the onset takes."""
        return self.onset_windows or (4 if self.window_us else 1)

    @property
    def opening(self) -> tuple[int, int]:
        """The k and n of "k abnormal windows of the last n open an episode"."""
        return (self.open_windows, self.open_of) if self.window_us else (1, 1)


_POSITIVE = (
    "idle_us", "gone_us", "census_us", "threshold", "open_windows", "close_windows", "accept_windows",
    "warmup_windows", "fast_windows", "slow_windows", "prior_windows", "floor_absolute", "z_limit", "forest_windows",
    "entity_limit", "metric_limit", "window_rows_limit", "token_limit", "signature_limit",
)  # fmt: skip
_NOT_NEGATIVE = (
    "window_us", "lateness_us", "measure_after_us", "close_threshold", "floor_relative", "slack", "forest_weight",
)  # fmt: skip
