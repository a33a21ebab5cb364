"""Episodes: when an entity left its normal, what its onset looked like, and when it was back."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.events import Episode, Event, Measurement
from schemas.ids import Cause, derive
from streams.learners.signature import signature_of
from streams.loop.detect.lead import LeadIn
from streams.loop.detect.settings import DetectSettings
from streams.loop.detect.shape import Shape

Floats = npt.NDArray[np.float64]


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """One judged window of one entity."""

    entity: str
    group: str
    cause: Cause
    start_us: int
    end_us: int
    samples: int
    abnormal: bool
    """Whether it surprises: what opens an episode."""
    score: float
    z: Floats
    values: Floats
    tokens: tuple[str, ...]


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """An event that lacks its id, which depends on the order in which all events of a step are written."""

    type: type[Event]
    cause: Cause
    fields: dict[str, Any]


class _Open(msgspec.Struct, array_like=True):
    """An open episode. `onset` holds z by metric (0 where absent) per window, those just before it
    opened included, until the onset is written.
    """

    episode: str
    opened_us: int
    windows: int
    abnormal: int
    normal_run: int
    score_sum: float
    peak: float
    confidence: float
    onset: list[dict[str, float]]
    onset_written: bool
    tokens: tuple[str, ...]
    shares: dict[str, float]
    state: dict[str, float]
    shape: Shape


class _State(msgspec.Struct, array_like=True):
    open: list[tuple[str, _Open]]
    after: list[tuple[str, str, int]]


class Episodes:
    """The open episodes, and those closed so recently that their entity is still measured; by entity."""

    def __init__(self, settings: DetectSettings, *, loop: str, measures_all: bool = False) -> None:
        self.measures_all = measures_all
        self._settings = settings
        self._loop = loop
        self._open: dict[str, _Open] = {}
        self._after: dict[str, tuple[str, int]] = {}

    def any(self) -> bool:
        """Whether any entity is in an episode, or measured after one."""
        return bool(self._open or self._after)

    def open_by_group(self, group_of: Callable[[str], str]) -> Counter[str]:
        """Return how many entities of each group are in an episode."""
        return Counter(group_of(entity) for entity in self._open)

    def is_open(self, entity: str) -> bool:
        """Whether the entity has an open episode."""
        return entity in self._open

    def is_measured(self, entity: str) -> bool:
        """Whether the next window of the entity may be of interest."""
        return entity in self._open or entity in self._after

    def follow(
        self, window: Window, metrics: list[str], opening_share: float | None, lead: LeadIn
    ) -> tuple[list[Draft], bool]:
        """Fold a window of an entity whose episode opens with it (then `opening_share` is the share of abnormal ones
        among the latest windows, and `lead` what came before), is open, or closed recently. Returns events, and whether
        its normal has changed.
        """
        opens = opening_share is not None and window.entity not in self._open
        if opens:
            self._start(window, opening_share or 0.0, lead, metrics)
        elif window.entity not in self._open:
            return self._measure_after(window, metrics), False
        episode, values = self._open[window.entity], _present(window.values, metrics)
        if not opens and not values:  # what was said says nothing of whether it is normal again
            self._hear(episode, window.tokens)
            return [], False
        episode.state |= values
        self._extend(episode, window, metrics)
        drafts = [self._episode(window.entity, window.group, window.cause, "opened")] if opens else []
        drafts.append(self._measurement(window, episode.episode, values))
        if not episode.onset_written and episode.windows >= self._settings.onset:
            drafts.append(self._onset(window.entity, window.group, window.cause))
        accepted = episode.windows >= self._settings.accept_windows
        if accepted or episode.normal_run >= self._settings.close_windows:
            drafts += self.close(window.entity, window.group, window.cause, window.end_us)
        return drafts, accepted

    def close(self, entity: str, group: str, cause: Cause, closed_us: int) -> list[Draft]:
        """Close an episode, after its onset (with the windows there are) if that is still to be written."""
        drafts = []
        if not self._open[entity].onset_written:
            drafts.append(self._onset(entity, group, cause))
        signature = signature_of(self._strongest(self._open[entity].shape.series()))
        drafts.append(self._episode(entity, group, cause, "closed", closed_us=closed_us, signature=signature))
        self._after[entity] = (self._open.pop(entity).episode, closed_us + self._settings.measure_after_us)
        return drafts

    def forget(self, entity: str) -> None:
        """Measure a gone entity no longer; its episode is closed already."""
        self._after.pop(entity, None)

    def snapshot(self) -> bytes:
        """Return all episodes; equal states give equal bytes."""
        after = [(entity, episode, until_us) for entity, (episode, until_us) in sorted(self._after.items())]
        return msgspec.msgpack.encode(_State(open=sorted(self._open.items(), key=lambda item: item[0]), after=after))

    def restore(self, snapshot: bytes) -> None:
        """Replace all episodes by those that `snapshot` returned."""
        state = msgspec.msgpack.decode(snapshot, type=_State)
        self._open = dict(state.open)
        self._after = {entity: (episode, until_us) for entity, episode, until_us in state.after}

    def _start(self, window: Window, share: float, lead: LeadIn, metrics: list[str]) -> None:
        self._after.pop(window.entity, None)
        before = [_moved(z, metrics) for z in lead.z]
        shape = Shape()
        for row in before:
            shape.add(row, normal=False)
        self._open[window.entity] = _Open(
            episode=derive(self._loop, "episode", window.entity, str(window.cause), window.start_us),
            opened_us=window.start_us if lead.began_us is None else lead.began_us,
            windows=0,
            abnormal=0,
            normal_run=0,
            score_sum=0.0,
            peak=0.0,
            confidence=share,
            onset=before,
            onset_written=False,
            tokens=lead.tokens[: self._settings.token_limit],
            shares={},
            state={},
            shape=shape,
        )

    def _extend(self, episode: _Open, window: Window, metrics: list[str]) -> None:
        # what would open an episode does not close one: nothing is learned meanwhile, so a small change that lasts
        # would open one after another, and never come to be accepted
        normal = not window.abnormal and window.score < self._settings.close_threshold
        episode.windows += 1
        episode.normal_run = episode.normal_run + 1 if normal else 0
        episode.abnormal += not normal
        episode.score_sum += window.score
        episode.peak = max(episode.peak, window.score)
        self._hear(episode, window.tokens)
        row = _moved(window.z, metrics)
        episode.shape.add(row, normal=normal)
        if not episode.onset_written:
            episode.onset.append(row)
            episode.shares = self._shares(episode.onset)

    def _hear(self, episode: _Open, tokens: tuple[str, ...]) -> None:
        new = [token for token in dict.fromkeys(tokens) if token not in episode.tokens]
        episode.tokens = (*episode.tokens, *new)[: self._settings.token_limit]

    def _measure_after(self, window: Window, metrics: list[str]) -> list[Draft]:
        episode, until_us = self._after.get(window.entity, ("", window.end_us))
        if window.end_us > until_us:
            del self._after[window.entity]
            if not self.measures_all:
                return []
            episode = ""
        return [self._measurement(window, episode, _present(window.values, metrics))]

    def _onset(self, entity: str, group: str, cause: Cause) -> Draft:
        episode = self._open[entity]
        signature = signature_of(self._strongest(episode.onset))
        episode.confidence = episode.abnormal / episode.windows
        episode.onset_written = True
        episode.onset = []
        return self._episode(entity, group, cause, "onset", signature=signature)

    def _episode(self, entity: str, group: str, cause: Cause, phase: str, **fields: object) -> Draft:
        """`severity` is the mean score so far; of a closed episode, the highest."""
        episode = self._open[entity]
        mean = episode.score_sum / max(episode.windows, 1)
        known: dict[str, Any] = {
            "episode": episode.episode,
            "entity": entity,
            "group": group,
            "phase": phase,
            "opened_us": episode.opened_us,
            "windows": episode.windows,
            "severity": episode.peak if phase == "closed" else mean,
            "confidence": episode.confidence,
            "shares": dict(episode.shares),
            "tokens": episode.tokens,
            "state": dict(episode.state),
        }
        return Draft(type=Episode, cause=cause, fields=known | fields)

    def _measurement(self, window: Window, episode: str, values: dict[str, float]) -> Draft:
        fields: dict[str, Any] = {
            "entity": window.entity,
            "episode": episode,
            "start_us": window.start_us,
            "end_us": window.end_us,
            "samples": window.samples,
            # a repaired entity is not quite what it was: a recovery is measured within the score's wider bounds
            "abnormal": window.score >= self._settings.close_threshold,
            "score": window.score,
            "values": values,
        }
        if self.measures_all:
            fields["group"] = window.group
        return Draft(type=Measurement, cause=window.cause, fields=fields)

    def _strongest(self, onset: list[dict[str, float]]) -> dict[str, list[float]]:
        """Return z over the onset of the metrics that moved most, by name."""
        peaks: dict[str, float] = {}
        for row in onset:
            for name, z in row.items():
                peaks[name] = max(peaks.get(name, 0.0), abs(z))
        strongest = sorted(peaks, key=lambda name: (-peaks[name], name))[: self._settings.signature_limit]
        return {name: [row.get(name, 0.0) for row in onset] for name in sorted(strongest)}

    def _shares(self, onset: list[dict[str, float]]) -> dict[str, float]:
        """Return each metric's part of the score; where only the combination is unusual, its part of |z|."""
        series = self._strongest(onset)
        parts = {name: sum(max(abs(z) - self._settings.slack, 0.0) ** 2 for z in zs) for name, zs in series.items()}
        if not any(parts.values()):
            parts = {name: sum(map(abs, zs)) for name, zs in series.items()}
        total = sum(parts.values())
        return {name: part / total for name, part in parts.items() if part > 0}


def _moved(z: Floats, metrics: list[str]) -> dict[str, float]:
    return {name: value for name, value in zip(metrics, z.tolist(), strict=False) if value}


def _present(values: Floats, metrics: list[str]) -> dict[str, float]:
    return {name: value for name, value in zip(metrics, values.tolist(), strict=False) if value == value}  # noqa: PLR0124  # NaN
