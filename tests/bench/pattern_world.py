"""Telemetry in which 12 patterns recur among episodes that never do, drawn from a seed, with the truth beside it.

200 entities send 8 metrics once a second: AR(0.5) noise of standard deviation 1 about a level of their own. 800
episodes add shapes to 2 to 4 metrics; 30 % of them are drawn afresh from the distribution that the patterns were drawn
from, and so belong to nothing.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from schemas.events import Action, Outcome, Telemetry

Floats = npt.NDArray[np.float64]

SECOND_US = 1_000_000
METRICS = ("cpu", "disk", "errors", "files", "latency", "memory", "queue", "traffic")
ENTITIES = 200
EPISODES = 800
PATTERNS = 12
LEAST_SUPPORT = 15
UNRELATED_SHARE = 0.3
LAGS = (0.0, 0.25, 0.5)
"""When a metric begins to move, as a share of the episode."""
LENGTHS = (8.0, 12.0)
"""Windows: between these the usual length of a pattern is drawn."""
QUIET_BEFORE = 120
"""Windows until the first episode of an entity; later ones follow after 40 to 80 quiet windows."""
QUIET_AFTER = (40, 80)
MEAN_HEIGHTS = {
    "step": 1.0,
    "ramp": (2 / 3) ** 0.5,
    "decay": ((1 - np.exp(-4.0)) / 4) ** 0.5,
    "bump": 0.5**0.5,
    "wave": 0.375**0.5,
    "steps": 0.625**0.5,
}
"""Shape to its root mean square where its highest point is 1."""
SHAPES = tuple(MEAN_HEIGHTS)


def shape_of(name: str, phase: Floats) -> Floats:
    """Return the height of a shape at phases of 0 to 1 of its own length; its root mean square is 1.

    So a move of so many deviations is as strong whatever its shape.
    """
    heights = {
        "step": np.ones_like(phase),
        "ramp": np.minimum(2 * phase, 1.0),
        "decay": np.exp(-2 * phase),
        "bump": np.sin(np.pi * phase),
        "wave": (1 + np.cos(4 * np.pi * phase)) / 2,
        "steps": np.where(phase < 0.5, 0.5, 1.0),
    }
    return heights[name] / MEAN_HEIGHTS[name]


@dataclass(frozen=True, slots=True)
class Move:
    """How one metric takes part: `height` (root mean square) in deviations, signed; `lag` as a share of the episode."""

    metric: int
    shape: str
    height: float
    lag: float


@dataclass(frozen=True, slots=True)
class Template:
    """What recurs: moves, and the usual length in windows."""

    moves: tuple[Move, ...]
    length: float


@dataclass(frozen=True, slots=True)
class TrueEpisode:
    """What was done to one entity over windows `start` to `stop` (excluded); `pattern` is None for an unrelated one."""

    entity: int
    start: int
    stop: int
    pattern: int | None
    moves: tuple[Move, ...]


@dataclass(frozen=True, slots=True)
class Variant:
    """How alike the occurrences of a pattern are."""

    name: str
    heights: tuple[float, float]
    height_log_sd: float
    length_log_sd: float
    twins: int = 0
    """Patterns that differ from another only in order or in one shape."""
    drifting: int = 0
    """Patterns of which one metric loses half its height over the run, and another gains 2 deviations."""
    stopping: int = 0
    """Patterns that do not occur in the second half."""
    lost_metric_share: float = 0.0
    """Occurrences in which one metric stays at its normal."""


PLAIN = Variant(name="plain", heights=(4.0, 8.0), height_log_sd=0.15, length_log_sd=0.15)
HARD = Variant(
    name="hard",
    heights=(3.0, 7.0),
    height_log_sd=0.2,
    length_log_sd=0.4,
    twins=4,
    drifting=4,
    stopping=1,
    lost_metric_share=0.1,
)
VARIANTS = {variant.name: variant for variant in (PLAIN, HARD)}


class PatternWorld:
    """The whole run, drawn at once; actions leave it as it is."""

    def __init__(self, variant: Variant, *, seed: int, start_us: int) -> None:
        rng = np.random.default_rng([seed, *variant.name.encode()])
        self.start_us = start_us
        self.templates = _templates(rng, variant)
        self.episodes = _episodes(rng, variant, self.templates)
        self.windows = max(episode.stop for episode in self.episodes) + QUIET_AFTER[0]
        self._values = _noise(rng, self.windows) + rng.uniform(5, 15, (ENTITIES, 1, len(METRICS)))
        for episode in self.episodes:
            _add(self._values[episode.entity], episode)
        self._next = 0

    @property
    def samples(self) -> int:
        """How many samples the whole run has."""
        return ENTITIES * self.windows

    def next_time(self) -> int:
        """Return when the next samples are due, a window after another (us)."""
        return self.start_us + (self._next + 1) * SECOND_US if self._next < self.windows else 1 << 62

    def telemetry(self, now_us: int) -> list[Telemetry]:
        """Return the samples due, oldest first."""
        samples: list[Telemetry] = []
        while self.next_time() <= now_us:
            time_us = self.next_time()
            for entity, values in enumerate(self._values[:, self._next].tolist()):
                named = dict(zip(METRICS, values, strict=True))
                samples.append(Telemetry(entity=name_of(entity), time=time_us, values=named))
            self._next += 1
        return samples

    def act(self, action: Action, now_us: int) -> None:
        """Leave the past as it was."""

    def outcomes(self, now_us: int) -> list[Outcome]:
        """Return nothing: nobody acts."""
        del now_us
        return []

    def window_at(self, time_us: int) -> float:
        """Return a time in windows since the start."""
        return (time_us - self.start_us) / SECOND_US - 1


def name_of(entity: int) -> str:
    """Return an entity's name."""
    return f"node-{entity:03d}"


def _templates(rng: np.random.Generator, variant: Variant) -> list[Template]:
    """Return the patterns; the last `twins` of them are near-twins of the first ones."""
    own = [_template(rng, variant) for _ in range(PATTERNS - variant.twins)]
    return own + [_twin(rng, own[number]) for number in range(variant.twins)]


def _template(rng: np.random.Generator, variant: Variant) -> Template:
    """Draw what a pattern, and an unrelated episode, is; its first metric begins at once."""
    metrics = rng.permutation(len(METRICS))[: rng.integers(2, 5)].tolist()
    lags = [0.0, *rng.choice(LAGS, len(metrics) - 1).tolist()]
    moves = tuple(
        Move(metric, str(rng.choice(SHAPES)), float(rng.choice([-1, 1]) * rng.uniform(*variant.heights)), lag)
        for metric, lag in zip(metrics, lags, strict=True)
    )
    return Template(moves, float(rng.uniform(*LENGTHS)))


def _twin(rng: np.random.Generator, template: Template) -> Template:
    """Return another pattern of the same metrics and signs: in another order, or with other shapes."""
    moves = list(template.moves)
    lags = {move.lag for move in moves}
    if len(lags) > 1 and rng.random() < 0.5:
        turned = [move.lag for move in moves]
        turned = turned[1:] + turned[:1]
        while turned == [move.lag for move in moves]:
            turned = turned[1:] + turned[:1]
        moves = [replace(move, lag=lag) for move, lag in zip(moves, turned, strict=True)]
    else:
        moves = [replace(m, shape=str(rng.choice([shape for shape in SHAPES if shape != m.shape]))) for m in moves]
    return Template(tuple(moves), template.length)


def _episodes(rng: np.random.Generator, variant: Variant, templates: list[Template]) -> list[TrueEpisode]:
    """Draw when and where, then what, and last how it turns out this time."""
    places = _places(rng)
    run = max(start for start, _ in places)
    occurrences = _occurrences(rng, variant, [start / run for start, _ in places])
    drifts = {number: rng.permutation(len(templates[number].moves))[:2] for number in range(variant.drifting)}
    episodes = []
    for (start, entity), pattern in zip(places, occurrences, strict=True):
        template = _template(rng, variant) if pattern is None else templates[pattern]
        if pattern in drifts:
            template = _drifted(template, drifts[pattern], start / run)
        moves = tuple(_scaled(template.moves, float(rng.lognormal(0, variant.height_log_sd))))
        if pattern is not None and rng.random() < variant.lost_metric_share:
            lost = int(rng.integers(len(moves)))
            moves = moves[:lost] + moves[lost + 1 :]
        length = round(template.length * float(rng.lognormal(0, variant.length_log_sd)))
        episodes.append(TrueEpisode(entity, start, start + min(max(length, 4), 48), pattern, moves))
    return episodes


def _places(rng: np.random.Generator) -> list[tuple[int, int]]:
    """Return (start, entity) of every episode, by start; an entity's own are far apart."""
    each = EPISODES // ENTITIES
    gaps = rng.integers(QUIET_AFTER[0] + 30, QUIET_AFTER[1] + 30, (ENTITIES, each))
    gaps[:, 0] += QUIET_BEFORE - QUIET_AFTER[0] - 30
    starts = np.cumsum(gaps, axis=1)
    return sorted((int(starts[entity, number]), entity) for entity in range(ENTITIES) for number in range(each))


def _occurrences(rng: np.random.Generator, variant: Variant, times: list[float]) -> list[int | None]:
    """Return the pattern of every place: each at least 15 times, the last `stopping` ones only in the first half."""
    unrelated = round(UNRELATED_SHARE * EPISODES)
    spare = EPISODES - unrelated - PATTERNS * LEAST_SUPPORT
    counts = LEAST_SUPPORT + rng.multinomial(spare, rng.dirichlet(np.full(PATTERNS, 3.0)))
    occurrences: list[int | None] = [None] * EPISODES
    free = list(range(EPISODES))
    for pattern in reversed(range(PATTERNS)):
        stops = pattern >= PATTERNS - variant.stopping
        allowed = [place for place in free if not stops or times[place] < 0.5]
        for place in rng.choice(allowed, counts[pattern], replace=False).tolist():
            occurrences[place] = pattern
        free = [place for place in free if occurrences[place] is None]
    return occurrences


def _drifted(template: Template, drift: npt.NDArray[np.int64], time: float) -> Template:
    """Return the template at a time of 0 to 1 of the run: one move loses half its height, another gains 2."""
    moves = list(template.moves)
    falling, rising = (int(index) for index in drift)
    moves[falling] = replace(moves[falling], height=moves[falling].height * (1 - 0.5 * time))
    moves[rising] = replace(moves[rising], height=moves[rising].height + 2 * time * np.sign(moves[rising].height))
    return replace(template, moves=tuple(moves))


def _scaled(moves: tuple[Move, ...], factor: float) -> list[Move]:
    return [replace(move, height=move.height * factor) for move in moves]


def _noise(rng: np.random.Generator, windows: int) -> Floats:
    """Return AR(0.5) noise of standard deviation 1, shape (entities, windows, metrics)."""
    noise = rng.normal(size=(ENTITIES, windows, len(METRICS)))
    for window in range(1, windows):
        noise[:, window] = 0.5 * noise[:, window - 1] + np.sqrt(0.75) * noise[:, window]
    return noise


def _add(values: Floats, episode: TrueEpisode) -> None:
    """Add an episode to its entity's values, shape (windows, metrics), in place."""
    length = episode.stop - episode.start
    for move in episode.moves:
        begins = int(move.lag * length)
        phase = (np.arange(length - begins) + 0.5) / (length - begins)
        values[episode.start + begins : episode.stop, move.metric] += move.height * shape_of(move.shape, phase)
