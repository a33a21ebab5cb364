"""Detected episodes against true ones: which is which, and how well a grouping of them agrees with the truth."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sklearn.metrics import adjusted_rand_score

from tests.bench.pattern_world import TrueEpisode

LEAST_IOU = 0.3
NAMED = 3
"""Episodes from which on a group is a pattern with a name."""


@dataclass(frozen=True, slots=True)
class Detected:
    """One episode as detect saw it, in windows since the start, in the order of the onsets."""

    episode: str
    entity: int
    start: float
    stop: float


@dataclass(frozen=True, slots=True)
class Matching:
    """`detected_of[i]` is the place of the detected episode that true episode i is, or None where it was missed.

    `truth` gives each detected episode its class: the pattern; a class of its own where unrelated or false.
    """

    detected_of: tuple[int | None, ...]
    truth: tuple[str, ...]
    missed: tuple[str, ...]
    """Classes of the true episodes that nothing was detected of."""

    @property
    def found(self) -> float:
        """The share of true episodes that were detected."""
        return sum(place is not None for place in self.detected_of) / len(self.detected_of)

    @property
    def false(self) -> int:
        """How many detected episodes are of nothing."""
        return sum(name.startswith("false") for name in self.truth)


def match(true: Sequence[TrueEpisode], detected: Sequence[Detected]) -> Matching:
    """Match each true episode to the detected one of largest overlap (intersection over union at least 0.3)."""
    places = defaultdict(list)
    for place, one in enumerate(detected):
        places[one.entity].append(place)
    free = set(range(len(detected)))
    detected_of: list[int | None] = []
    for episode in true:
        overlaps = [(_iou(episode, detected[place]), -place) for place in places[episode.entity] if place in free]
        best, place = max(overlaps, default=(0.0, 0))
        detected_of.append(-place if best >= LEAST_IOU else None)
        free.discard(-place if best >= LEAST_IOU else -1)
    truth = [f"false {place}" for place in range(len(detected))]
    missed = []
    for number, (episode, found) in enumerate(zip(true, detected_of, strict=True)):
        name = f"unrelated {number}" if episode.pattern is None else f"pattern {episode.pattern}"
        if found is None:
            missed.append(name)
        else:
            truth[found] = name
    return Matching(tuple(detected_of), tuple(truth), tuple(missed))


def grouping_scores(matching: Matching, labels: Sequence[str]) -> dict[str, float]:
    """Return how well labels of the detected episodes agree with the truth; a missed episode is a group of its own."""
    alone = [f"missed {number}" for number in range(len(matching.missed))]
    sizes = Counter(labels)
    named = [place for place, label in enumerate(labels) if sizes[label] >= NAMED]
    majority = majority_of(matching, labels)
    unrelated = [place for place, name in enumerate(matching.truth) if name.startswith("unrelated")]
    return {
        "ari": float(adjusted_rand_score([*matching.truth, *matching.missed], [*labels, *alone])),
        "ari_found": float(adjusted_rand_score(matching.truth, labels)),
        "purity": _share([matching.truth[place] == majority[labels[place]] for place in named]),
        "unrelated_named": _share([sizes[labels[place]] >= NAMED for place in unrelated]),
        "named_patterns": float(sum(size >= NAMED for size in sizes.values())),
    }


def majority_of(matching: Matching, labels: Sequence[str]) -> dict[str, str]:
    """Return the class that most episodes of each group are of."""
    classes: dict[str, Counter[str]] = defaultdict(Counter)
    for label, name in zip(labels, matching.truth, strict=True):
        classes[label][name] += 1
    return {label: found.most_common(1)[0][0] for label, found in classes.items()}


def recall_third(
    true: Sequence[TrueEpisode],
    matching: Matching,
    labels: Sequence[str],
    recognised: Mapping[int, tuple[str, float]],
) -> float:
    """Return the share of occurrences, from a pattern's third on, that were recognised before they ended.

    `recognised` maps the place of a detected episode to the pattern named at its onset (as it is called at the end) and
    the window of that decision; the named pattern must be one that is mostly this one. Missed episodes count as not
    recognised.
    """
    majority = majority_of(matching, labels)
    seen: Counter[int] = Counter()
    hits = []
    for episode, place in zip(true, matching.detected_of, strict=True):
        if episode.pattern is None:
            continue
        seen[episode.pattern] += 1
        if seen[episode.pattern] >= 3:
            name, window = recognised.get(-1 if place is None else place, ("", 0.0))
            hits.append(majority.get(name) == f"pattern {episode.pattern}" and window < episode.stop)
    return _share(hits)


def _iou(episode: TrueEpisode, detected: Detected) -> float:
    shared = min(episode.stop, detected.stop) - max(episode.start, detected.start)
    return max(shared, 0.0) / (max(episode.stop, detected.stop) - min(episode.start, detected.start))


def _share(flags: Sequence[bool]) -> float:
    return sum(flags) / len(flags) if flags else 0.0
