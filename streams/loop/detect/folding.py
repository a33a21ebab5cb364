"""Folding closed windows, in order: judge, open and close episodes, learn."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.ids import Cause
from streams.loop.detect.drift import DriftWatches
from streams.loop.detect.entities import Entities
from streams.loop.detect.episodes import Draft, Episodes, Window
from streams.loop.detect.lead import NO_LEAD, Lead, LeadIn
from streams.loop.detect.normal import Normal
from streams.loop.detect.said import Said
from streams.loop.detect.settings import DetectSettings
from streams.loop.detect.surprise import Surprise
from streams.loop.detect.windows import Closed

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

CELLS = 2_000
"""So many numbers are judged at a time: with more, what is computed on the way would not stay in the cache."""
_BITS = np.array([bits.bit_count() for bits in range(256)], np.int64)


class Folding:
    """Windows are judged many at a time: a round takes the next window of every entity, so that each entity's windows
    are folded one after another. Events come out in the order of the windows all the same.
    """

    def __init__(
        self,
        settings: DetectSettings,
        *,
        entities: Entities,
        normal: Normal,
        surprise: Surprise,
        episodes: Episodes,
        drifts: DriftWatches,
    ) -> None:
        self._settings = settings
        self._entities = entities
        self._normal = normal
        self._surprise = surprise
        self._episodes = episodes
        self._drifts = drifts
        self._recent = np.zeros(0, np.uint8)
        self._needed, self._latest = settings.opening
        self._mask = (1 << self._latest) - 1
        self._lead = Lead(windows=self._latest - 1)
        self._learns_episodes = settings.learns_episodes
        self._said = Said(limit=settings.token_limit)

    def grow(self, slots: int, metrics: int) -> None:
        """Make room for so many entities and metrics."""
        self._recent = np.concatenate([self._recent, np.zeros(max(0, slots - len(self._recent)), np.uint8)])
        self._lead.grow(slots, metrics)

    def forget(self, slot: int) -> None:
        """Give the slot to another entity."""
        self._recent[slot] = 0
        self._lead.clear(slot)
        self._said.forget(slot)

    def forget_metric(self, slots: Ints, metric: int) -> None:
        """Forget one metric (column) of some entities."""
        self._lead.clear_metric(slots, metric)

    def expire(self, latest_us: Callable[[int], int]) -> None:
        """Forget what was said too long before the latest event time of its entity to be of any use."""
        self._said.expire(lambda slot: latest_us(slot) - self._settings.token_us)

    def row(self, slot: int) -> list[npt.NDArray[Any]]:
        """Return all that is known of an entity, as views, but what it said: that is of use for `token_us` only."""
        return [self._recent[slot : slot + 1], *self._lead.row(slot)]

    def fold(self, closed: Closed, cause: Callable[[int], Cause], metrics: list[str]) -> list[Draft]:
        """Fold windows in order and return their events in order. `cause` names what closed the window at an index."""
        drafts: list[Draft] = []
        start = 0
        while start < len(closed):
            ahead = slice(start, start + 2 * self._settings.forest_windows)
            slots = closed.slots[ahead]
            rounds = _occurrences(slots)
            warm = self._normal.warm(slots, rounds)
            size = min(self._normal.until_pivot(warm), len(slots))
            drafts += self._fold_chunk(closed, start, rounds[:size], cause, metrics, warm=warm[:size])
            start += size
        return drafts

    def snapshot(self) -> bytes:
        """Return what the latest windows of each entity were like."""
        return msgspec.msgpack.encode((self._recent.tobytes(), self._lead.snapshot(), self._said.snapshot()))

    def restore(self, snapshot: bytes) -> None:
        """Replace it by what `snapshot` returned."""
        recent, lead, said = msgspec.msgpack.decode(snapshot, type=tuple[bytes, bytes, bytes])
        self._recent = np.frombuffer(recent, np.uint8).copy()
        self._lead.restore(lead)
        self._said.restore(said)

    def _fold_chunk(
        self,
        closed: Closed,
        start: int,
        rounds: Ints,
        cause: Callable[[int], Cause],
        metrics: list[str],
        *,
        warm: Flags,
    ) -> list[Draft]:
        """Fold windows during which nothing changes that entities share; then let them change it."""
        all_z = np.zeros((len(rounds), closed.values.shape[1]))
        all_forest, all_scores = np.zeros(len(rounds)), np.zeros(len(rounds))
        calm = np.zeros(len(rounds), bool)
        placed: list[tuple[int, Draft]] = []
        for chosen in _rounds_of(rounds, max(1, CELLS // max(1, len(metrics)))):
            places = start + chosen
            mine, values, times = closed.slots[places], closed.values.take(places, axis=0), closed.start_us[places]
            z, score, all_forest[chosen] = self._normal.judge(mine, values)
            judged = self._surprise.judge(mine, values, times, score)
            all_z[chosen], all_scores[chosen] = z, score
            again = self._lead.again(mine, times)
            opens, share = self._watch(mine, judged.abnormal, judged.armed, again)
            self._note_tokens(closed, places)
            learning = np.ones(len(chosen), bool)
            for index in self._of_interest(mine, opens):
                place = int(places[index])
                abnormal = bool(judged.abnormal[index])
                window = self._window(
                    closed, place, cause(place), abnormal=abnormal, score=float(score[index]), z=z[index]
                )
                opening = float(share[index]) if opens[index] else None
                lead = NO_LEAD
                if opens[index]:
                    lead = self._before(int(mine[index]), int(times[index]), again=bool(again[index]))
                found, learning[index] = self._follow(window, int(mine[index]), opening, lead, metrics)
                placed += [(place, draft) for draft in found]
            self._lead.push(mine, times, z)
            self._normal.learn(mine, values, _places(learning))
            calm[chosen] = quiet = learning & ~judged.abnormal
            self._surprise.learn(mine, values, times, judged, None if self._learns_episodes else _places(quiet))
        self._normal.learn_shared(all_z, all_forest, warm)
        self._drifts.note(closed.values[start : start + len(rounds)], all_scores, calm=calm, warm=warm)
        return [draft for _, draft in sorted(placed, key=lambda item: item[0])]

    def _before(self, slot: int, time_us: int, *, again: bool) -> LeadIn:
        """Return what led to a window; what lies before a silence in which an entity would be gone did not. To the
        second part of a window the first one did.
        """
        recent = int(self._recent[slot]) << again
        lead = self._lead.before(slot, recent, since_us=time_us - self._settings.gone_us)
        return replace(lead, tokens=self._said.take(slot, since_us=time_us - self._settings.token_us))

    def _note_tokens(self, closed: Closed, places: Ints) -> None:
        """Note what was said in windows that no open episode will hear: one that opens with such a window takes it."""
        for place in sorted(closed.tokens.keys() & set(places.tolist())) if closed.tokens else ():
            slot = int(closed.slots[place])
            if not self._episodes.is_open(self._entities.names[slot]):
                self._said.note(slot, int(closed.start_us[place]), closed.tokens[place])

    def _follow(
        self, window: Window, slot: int, opening: float | None, lead: LeadIn, metrics: list[str]
    ) -> tuple[list[Draft], bool]:
        """Fold a window into its episode. What an entity does in an episode is not learned as its normal."""
        if opening is not None and not self._episodes.is_open(window.entity):
            self._surprise.spend(np.array([slot]))
        drafts, accepted = self._episodes.follow(window, metrics, opening, lead)
        if accepted:
            self._normal.learn_afresh(slot)
            if not self._learns_episodes:
                self._surprise.learn_afresh(slot)
        if not self._episodes.is_open(window.entity):
            return drafts, True
        self._recent[slot] = 0
        return drafts, False

    def _watch(self, slots: Ints, abnormal: Flags, armed: Flags, again: Flags) -> tuple[Flags, npt.NDArray[np.float64]]:
        """Note one window of each entity; return where an episode would open, and the share of abnormal windows. Parts
        of one window (`again`) count as one, which is abnormal if any of them is.
        """
        before = self._recent[slots]
        recent = (np.where(again, before, before << 1) | abnormal) & self._mask
        self._recent[slots] = recent
        count = _BITS[recent]
        return abnormal & armed & (count >= self._needed), count / self._latest

    def _of_interest(self, slots: Ints, opens: Flags) -> list[int]:
        if self._episodes.measures_all:
            return list(range(len(slots)))
        if not self._episodes.any():
            return opens.nonzero()[0].tolist()
        names = self._entities.names
        return [
            index
            for index, (slot, opening) in enumerate(zip(slots.tolist(), opens.tolist(), strict=True))
            if opening or self._episodes.is_measured(names[slot])
        ]

    def _window(
        self, closed: Closed, index: int, cause: Cause, *, abnormal: bool, score: float, z: npt.NDArray[np.float64]
    ) -> Window:
        slot, start_us = int(closed.slots[index]), int(closed.start_us[index])
        return Window(
            entity=self._entities.names[slot],
            group=self._entities.groups[slot],
            cause=cause,
            start_us=start_us,
            end_us=start_us + self._settings.window_us,
            samples=int(closed.samples[index]),
            abnormal=abnormal,
            score=score,
            z=z,
            values=closed.values[index],
            tokens=closed.tokens.get(index, ()),
        )


def _places(flags: Flags) -> Ints | None:
    """Return where flags are set, or None where all are."""
    return None if np.count_nonzero(flags) == len(flags) else flags.nonzero()[0]


def _rounds_of(rounds: Ints, size: int) -> Iterator[Ints]:
    """Yield the places of the windows of each round, at most `size` at a time."""
    last = int(rounds.max())
    for number in range(last + 1):
        places = (rounds == number).nonzero()[0] if last else np.arange(len(rounds))
        yield from (places[start : start + size] for start in range(0, len(places), size))


def _occurrences(slots: Ints) -> Ints:
    """Return how often each slot occurred before, e.g. 7 3 7 7 -> 0 0 1 2."""
    order = slots.argsort(kind="stable")
    ordered = slots[order]
    again = ordered[1:] == ordered[:-1]
    occurrences = np.zeros(len(slots), np.int64)
    if np.count_nonzero(again):
        place = np.arange(len(slots))
        first = place.copy()
        first[1:][again] = 0
        occurrences[order] = place - np.maximum.accumulate(first)
    return occurrences
