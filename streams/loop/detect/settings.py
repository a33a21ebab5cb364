"""Settings of detect."""

from collections.abc import Sequence

import msgspec

from streams.loop.limits import Limit, parse_limits


class DetectSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How windows are cut, what is abnormal, and when an episode opens and closes. Times in us.

    What opens an episode is how surprising a window is by the entity's own past. What closes it are windows that
    neither surprise nor score, in robust deviations beyond the `slack` that every metric is allowed; a change that
    lasts, however small, is accepted after `accept_windows`. Raises `ValueError` with all its errors at once.
    """

    window_us: int = 1_000_000
    """0 makes every sample a window."""
    lateness_us: int = 0
    """How long, in event time, a window waits for rows that come out of order."""
    idle_us: int = 5_000_000
    """Loop time after an entity's last row at which its windows close without waiting for the next row."""
    gone_us: int = 60_000_000
    """Loop time after its last row at which an entity counts as gone: its episode is closed."""
    aside_us: int = 3_600_000_000
    """Loop time after its last row at which an entity that is gone is put aside: packed, out of the tables, until it
    comes back."""
    census_us: int = 5_000_000
    measure_after_us: int = 30_000_000
    """How long, in event time, windows are measured after an episode closed."""

    false_alarms: str = "1/day"
    """How many episodes without a cause are acceptable per entity; the threshold of surprise steers itself to that."""
    false_alarms_in_all: str | None = None
    """How many are acceptable in all, whatever the number of entities; each gets an equal part, where that is less."""
    p_floor: float | None = None
    """A window no rarer than this share of its entity's past is never abnormal, however many alarms are acceptable;
    0.001 for one-sample windows, of whose past what followed an alarm is left out, else 0.01."""
    p_per_alarm: float = 2.0
    """Windows this rare at first are let through per acceptable alarm: those that follow one another count as one."""
    rearm_windows: int | None = None
    """So many windows after an episode opened the next one may open; 100 for one-sample windows, else at once."""
    smooth_windows: int | None = None
    """Surprise counts together with its average over so many windows; 12 for one-sample windows, else 1."""
    learn_episodes: bool | None = None
    """Whether what an entity does in an episode counts as its past; for one-sample windows, else not: a fault that
    recurs must not become normal."""
    threshold: float = 3.0
    """While an entity's past is too short to rank a window in, one of this score (with a slack of 2: one metric 5
    deviations off) is abnormal too."""
    least_threshold: float = 2.0
    """So is one of this score that is also rarer than `p_floor` by what past there is, where one abnormal window does
    not open an episode."""
    close_threshold: float = 1.5
    """While an episode is open, windows below this score that do not surprise either are normal."""
    open_windows: int = 2
    """An episode opens at the k-th abnormal window ..."""
    open_of: int = 3
    """... of the last n; one-sample windows open at the first."""
    close_windows: int = 3
    """An episode closes after so many normal windows in a row."""
    onset_windows: int | None = None
    """The windows of an episode, from the one that opened it, which its signature is taken over; 3, or 1 for one-sample
    windows. With windows, the one just before goes with them, so 4 in all: it is most often the first abnormal one, and
    shows what was there first."""
    accept_windows: int = 60
    """An episode of so many windows is a new normal: it closes and the entity is learned afresh."""

    warmup_windows: int = 10
    fast_windows: float | None = None
    """Over how many windows the quicker of two averages is taken; 60, or 20 for one-sample windows."""
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
    """What is within so many spreads, or floors, is never unusual."""
    z_limit: float = 10.0
    forest_windows: int = 250
    forest_weight: float = 0.5
    """Score per deviation of the forest's score beyond 3 of its own; at most `threshold` / 2 in all."""

    entity_limit: int = 10_000
    aside_limit: int = 10_000
    """How many entities put aside are remembered, ..."""
    aside_bytes: int = 32_000_000
    """... and how many bytes they take, packed."""
    metric_limit: int = 64
    metric_gone_us: int = 172_800_000_000
    """Loop time without a value after which a metric makes room for another, where none is left."""
    window_rows_limit: int = 1_000
    letter_limit: int = 60
    """So many records a minute (of loop time) become dead letters because samples in them came too late, ..."""
    letter_bytes: int = 2_000_000
    """... and so many bytes of them, as they came: as base64 they take a third more."""
    token_limit: int = 8
    token_us: int = 60_000_000
    """What an entity said, as event tokens, so long before an episode opened belongs to it."""
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
        if not self.close_threshold <= self.least_threshold <= self.threshold:
            errors.append(
                f"least_threshold must be between {self.close_threshold} (close_threshold) and {self.threshold} "
                f"(threshold), got {self.least_threshold}"
            )
        if self.p_floor is not None and not 0 < self.p_floor <= 1:
            errors.append(f"p_floor must be above 0 and at most 1, got {self.p_floor}")
        errors += _rate_errors("false_alarms", self.false_alarms)
        if self.false_alarms_in_all is not None:
            errors += _rate_errors("false_alarms_in_all", self.false_alarms_in_all)
        if self.fast_windows is not None and not self.fast_windows > 0:
            errors.append(f"fast_windows must be positive, got {self.fast_windows}")
        if self.rearm_windows is not None and not self.rearm_windows >= 0:
            errors.append(f"rearm_windows must not be negative, got {self.rearm_windows}")
        if self.smooth_windows is not None and not self.smooth_windows >= 1:
            errors.append(f"smooth_windows must be at least 1, got {self.smooth_windows}")
        errors += [
            f"floors.{name} must be positive, got {floor}" for name, floor in self.floors.items() if not floor > 0
        ]
        if self.onset_windows is not None and not 1 <= self.onset_windows <= self.accept_windows:
            errors.append(f"onset_windows must be between 1 and {self.accept_windows}, got {self.onset_windows}")
        if not self.idle_us <= self.gone_us:
            errors.append(f"idle must be at most {self.gone_us} us (gone), got {self.idle_us} us")
        if errors:
            raise ValueError("; ".join(errors))

    @property
    def alarm_limit(self) -> Limit:
        """The acceptable false alarms as a count and an interval."""
        return parse_limits(self.false_alarms)[0]

    @property
    def floor(self) -> float:
        """The share of its past than which an abnormal window is rarer."""
        return self.p_floor or (0.01 if self.window_us else 0.001)

    @property
    def alarm_limit_in_all(self) -> Limit | None:
        """The acceptable false alarms of all entities together, where that is stated."""
        return None if self.false_alarms_in_all is None else parse_limits(self.false_alarms_in_all)[0]

    @property
    def rearm(self) -> int:
        """How many windows after an opening the next one may follow."""
        return (0 if self.window_us else 100) if self.rearm_windows is None else self.rearm_windows

    @property
    def smooth(self) -> int:
        """Over how many windows surprise is averaged."""
        return self.smooth_windows or (1 if self.window_us else 12)

    @property
    def fast(self) -> float:
        """Over how many windows the quicker average is taken."""
        return self.fast_windows or (60.0 if self.window_us else 20.0)

    @property
    def rare_threshold(self) -> float:
        """The score from which on a rare window is abnormal."""
        return self.threshold if self.opening[1] == 1 else self.least_threshold

    @property
    def learns_episodes(self) -> bool:
        """Whether windows of episodes are learned."""
        return not self.window_us if self.learn_episodes is None else self.learn_episodes

    @property
    def onset(self) -> int:
        """How many windows the onset takes."""
        return self.onset_windows or (3 if self.window_us else 1)

    @property
    def opening(self) -> tuple[int, int]:
        """The k and n of "k abnormal windows of the last n open an episode"."""
        return (self.open_windows, self.open_of) if self.window_us else (1, 1)

    def floors_of(self, metrics: Sequence[str]) -> list[float]:
        """Return the least spread of each metric, in its own unit."""
        return [self.floors.get(name, self.floor_absolute) for name in metrics]


def _rate_errors(name: str, stated: str) -> list[str]:
    try:
        limits = parse_limits(stated)
    except ValueError as error:
        return [f"{name}: {error}"]
    if len(limits) > 1 or not limits[0].count:
        return [f'{name} must be one rate such as "1/day", got "{stated}"']
    return []


_POSITIVE = (
    "idle_us", "gone_us", "census_us", "threshold", "p_per_alarm", "open_windows", "close_windows", "accept_windows",
    "metric_gone_us", "warmup_windows", "slow_windows", "prior_windows", "floor_absolute", "z_limit", "forest_windows",
    "entity_limit", "metric_limit", "window_rows_limit", "token_limit", "signature_limit",
)  # fmt: skip
_NOT_NEGATIVE = (
    "window_us", "lateness_us", "aside_us", "aside_limit", "aside_bytes", "letter_limit", "letter_bytes", "token_us",
    "measure_after_us", "close_threshold", "floor_relative", "slack", "forest_weight",
)  # fmt: skip
