"""The processor recognise: onsets of episodes in; recurrences, patterns and storms out."""

from collections import OrderedDict
from collections.abc import Iterator
from collections.abc import Sequence as Items
from typing import Any

import msgspec

from schemas.events import NOVEL, Drift, Episode, Event, Pattern, Recurrence, Sequence, Storm, Verdict
from schemas.ids import Cause, Mint
from streams.learners.cluster import Cluster
from streams.learners.match import Match
from streams.learners.registry import PatternRegistry
from streams.learners.signature import signature_of
from streams.loop.processor import Input, Now, Record
from streams.loop.recognise.drift import PatternDrift
from streams.loop.recognise.graph_settings import GraphSettings
from streams.loop.recognise.onset import onset_of
from streams.loop.recognise.sequence_book import SequenceBook
from streams.loop.recognise.settings import RecogniseSettings
from streams.loop.recognise.storms import Storms, StormView
from streams.loop.remembering import remember
from streams.loop.versions import refuse_other_version

STATE_VERSION = 7
ANY_GRAPH = GraphSettings()
PAIRS_PER_PATTERN = 16
ENTITIES_PER_EPISODE = 0.1
"""How much is known of what follows what, for what is known of patterns and episodes."""
RELATIONS = {"same": "", "other": "elsewhere in the group "}


class _State(msgspec.Struct):
    version: int
    registry: bytes
    patterns: list[tuple[str, str]]
    seen_us: list[tuple[str, int]]
    acted: list[str]
    storms: bytes
    drift: bytes
    sequences: bytes


class Recognise:
    """Decides once per episode, at its onset, which pattern it is.

    Every onset gives one `Recurrence` and the `Pattern` as it is now; what merged, split or faded is written too. When
    an episode is over in which nothing was done, its whole shape may show that it is counted elsewhere: what it was
    decided under stays, but the patterns are written as they are then, the episode's as one that split off, and may
    have become part of another.

    Before it comes the `Storm` that the episode belongs to, if it does, with the likely origin of all its members.
    """

    name = "recognise"

    def __init__(self, settings: RecogniseSettings, *, loop: str, graph: GraphSettings = ANY_GRAPH) -> None:
        self._settings = settings
        self._graph = graph
        self._loop = loop
        self._registry = PatternRegistry(
            discount=settings.discount,
            merge_evidence=settings.merge_evidence,
            limit=settings.pattern_limit,
            remembered_limit=settings.remembered_limit,
        )
        self._storms = Storms(graph, loop=loop)
        self._drift = PatternDrift()
        self._sequences = SequenceBook(
            within_us=settings.sequence_us,
            scope_limit=max(1, round(ENTITIES_PER_EPISODE * settings.episode_limit)),
            pair_limit=PAIRS_PER_PATTERN * settings.pattern_limit,
        )
        self._patterns: OrderedDict[str, str] = OrderedDict()
        """Episode to the pattern it was recognised as, latest last."""
        self._seen_us: dict[str, int] = {}
        """Active pattern to the loop time of its last occurrence."""
        self._acted: OrderedDict[str, None] = OrderedDict()
        """Episodes in which an action was allowed, latest last."""

    def on_batch(self, inputs: Items[Input], now: Now) -> list[Event]:
        """Recognise onsets, and learn from the end of episodes how long a pattern takes and what it looks like."""
        mint = Mint(loop=self._loop, processor=self.name)
        storm_mint = Mint(loop=self._loop, processor=f"{self.name}:storms")
        events: list[Event] = []
        for record in inputs:
            if not isinstance(record, Record):
                continue
            events += [self._storm(found, record.cause, storm_mint, now) for found in self._storms.fold(record.event)]
            events += self._fold(record.event, record.cause, mint, now)
        return events

    def on_time(self, now: Now) -> list[Event]:
        """Fade the patterns that did not occur for long."""
        mint = Mint(loop=self._loop, processor=self.name)
        events: list[Event] = []
        old = sorted((time_us, pattern) for pattern, time_us in self._seen_us.items())
        for time_us, pattern in old:
            due_us = time_us + self._settings.fade_us
            if due_us > now.us:
                break
            del self._seen_us[pattern]
            cluster = self._registry.fade(pattern)
            cause = Cause(f"timer:{self.name}:fade/{pattern}", 0, due_us)
            events.append(self._pattern(cluster, cause, mint, now))
            events += self._forget(cluster, cause, mint, now)
        return events

    def next_time(self) -> int | None:
        """Return when the next pattern fades."""
        return min(self._seen_us.values()) + self._settings.fade_us if self._seen_us else None

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(
            _State(
                version=STATE_VERSION,
                registry=self._registry.snapshot(),
                patterns=list(self._patterns.items()),
                seen_us=sorted(self._seen_us.items()),
                acted=list(self._acted),
                storms=self._storms.snapshot(),
                drift=self._drift.snapshot(),
                sequences=self._sequences.snapshot(),
            )
        )

    def restore(self, snapshot: bytes) -> None:
        """Replace the state; raises `RecoveryError` when the snapshot is of another version."""
        refuse_other_version(snapshot, of=self.name, version=STATE_VERSION)
        state = msgspec.msgpack.decode(snapshot, type=_State)
        self._registry.restore(state.registry)
        self._patterns = OrderedDict(state.patterns)
        self._seen_us = dict(state.seen_us)
        self._acted = OrderedDict.fromkeys(state.acted)
        self._storms.restore(state.storms)
        self._drift.restore(state.drift)
        self._sequences.restore(state.sequences)

    def _fold(self, event: Event, cause: Cause, mint: Mint, now: Now) -> list[Event]:
        match event:
            case Episode(phase="onset") if event.episode not in self._patterns:
                return self._recognise(event, cause, mint, now)
            case Episode(phase="closed"):
                self._learn_duration(event)
                return self._revise(event, cause, mint, now)
            case Verdict() if event.acts and event.proposal.episode:
                remember(self._acted, event.proposal.episode, self._settings.episode_limit)
            case _:
                pass
        return []

    def _recognise(self, episode: Episode, cause: Cause, mint: Mint, now: Now) -> list[Event]:
        match = self._registry.learn(onset_of(episode), episode=episode.episode, time_us=episode.opened_us)
        self._patterns[episode.episode] = match.cluster.id
        while len(self._patterns) > self._settings.episode_limit:
            self._patterns.popitem(last=False)
        self._seen_us[match.joined.id] = now.us
        for cluster in match.split:
            self._seen_us[cluster.id] = now.us
        self._follow(match.split)
        for cluster in (*match.merged, *match.faded):
            self._seen_us.pop(cluster.id, None)
        events: list[Event] = []
        events += [self._pattern(cluster, cause, mint, now, alias_of=match.joined.id) for cluster in match.merged]
        events += [self._pattern(cluster, cause, mint, now) for cluster in (*match.faded, *match.split, match.joined)]
        events.append(self._recurrence(episode, match, cause, mint, now))
        for cluster in (*match.merged, *match.faded):
            events += self._forget(cluster, cause, mint, now)
        return [*events, *self._compare(episode, match, cause, mint, now)]

    def _revise(self, episode: Episode, cause: Cause, mint: Mint, now: Now) -> list[Event]:
        """Count an episode that is over where its whole shape belongs; what an action made of it tells nothing."""
        pattern = self._patterns.get(episode.episode)
        if pattern is None or not episode.signature or episode.episode in self._acted:
            return []
        revision = self._registry.revise(pattern, episode=episode.episode, series=onset_of(episode))
        if revision is None:
            return []
        self._patterns[episode.episode] = revision.cluster.id
        self._follow(revision.split)
        for cluster in revision.changed:
            self._seen_us.setdefault(cluster.id, now.us)
        for cluster in (*revision.merged, *revision.faded):
            self._seen_us.pop(cluster.id, None)
        if not revision.regroups:
            return []
        taken_in = revision.merged if revision.gone is None else (revision.gone,)
        events: list[Event] = []
        events += [self._pattern(cluster, cause, mint, now, alias_of=revision.cluster.id) for cluster in taken_in]
        events += [self._pattern(cluster, cause, mint, now) for cluster in (*revision.faded, *revision.changed)]
        for cluster in (*revision.merged, *revision.faded):
            events += self._forget(cluster, cause, mint, now)
        return events

    def _follow(self, split: Items[Cluster]) -> None:
        """Note which episodes belong to what split off."""
        for cluster in split:
            self._patterns |= {known: cluster.id for known in cluster.episodes if known in self._patterns}

    def _compare(self, episode: Episode, match: Match, cause: Cause, mint: Mint, now: Now) -> Iterator[Event]:
        """Hold an occurrence against those before it: what has changed for good, and what it follows."""
        pattern = match.cluster.id
        shifts = self._drift.follow(pattern, distance=match.distance, time_us=episode.opened_us)
        for subject, shift in shifts.items():
            yield Drift(
                id=mint(cause),
                time_us=now.us,
                causes=(str(cause),),
                subject=subject,
                before=shift.before,
                after=shift.after,
            )
        for fields in self._sequences.follow(episode, pattern):
            yield self._sequence(fields, cause, mint, now)

    def _forget(self, cluster: Cluster, cause: Cause, mint: Mint, now: Now) -> list[Event]:
        """Watch a pattern no longer that merged or faded; what it led to fades with it."""
        self._drift.forget(cluster.id)
        return [self._sequence(fields, cause, mint, now) for fields in self._sequences.forget(cluster.id)]

    def _sequence(self, fields: dict[str, Any], cause: Cause, mint: Mint, now: Now) -> Sequence:
        name = f"{self._name(fields['first'])}, then {RELATIONS[fields['relation']]}{self._name(fields['second'])}"
        return Sequence(id=mint(cause), time_us=now.us, causes=(str(cause),), name=name, **fields)

    def _name(self, item: str) -> str:
        cluster = self._registry.resolve(item)
        return cluster.name if cluster else item

    def _learn_duration(self, episode: Episode) -> None:
        pattern = self._patterns.get(episode.episode)
        cluster = self._registry.resolve(pattern) if pattern else None
        if cluster is not None and episode.closed_us is not None:
            cluster.learn_duration(episode.episode, episode.closed_us - episode.opened_us)

    def _storm(self, found: StormView, cause: Cause, mint: Mint, now: Now) -> Storm:
        return Storm(
            id=mint(cause),
            time_us=now.us,
            causes=(str(cause),),
            storm=found.storm,
            phase="closed" if found.closed else "open",
            opened_us=found.opened_us,
            size=found.size,
            alias_of=found.alias_of,
            calls="declared" if self._graph.calls else "learned",
            members=found.members,
        )

    def _is_recurring(self, cluster: Cluster) -> bool:
        """Whether a pattern occurred often enough at any time: it stays what it was acted on as."""
        return cluster.most >= self._settings.support

    def _recurrence(self, episode: Episode, match: Match, cause: Cause, mint: Mint, now: Now) -> Recurrence:
        cluster = match.cluster
        return Recurrence(
            id=mint(cause),
            time_us=now.us,
            causes=(str(cause),),
            entity=episode.entity,
            episode=episode.episode,
            pattern=cluster.id if self._is_recurring(cluster) else NOVEL,
            candidate=cluster.id,
            support=cluster.support,
            distance=match.distance,
            novelty=match.novelty,
            severity=episode.severity,
            group=episode.group,
            opened_us=episode.opened_us,
            signature=episode.signature,
            state=episode.state,
        )

    def _pattern(self, cluster: Cluster, cause: Cause, mint: Mint, now: Now, *, alias_of: str | None = None) -> Pattern:
        recurring = self._is_recurring(cluster)
        period_us = cluster.period_us()
        return Pattern(
            id=mint(cause),
            time_us=now.us,
            causes=(str(cause),),
            pattern=cluster.id,
            name=cluster.name,
            status="merged" if alias_of else "faded" if cluster.faded else "recurring" if recurring else "candidate",
            support=cluster.support,
            signature=signature_of(self._registry.series_of(cluster)),
            first_us=cluster.first_us,
            last_us=cluster.last_us,
            episodes=tuple(cluster.episodes),
            alias_of=alias_of,
            period_us=period_us,
            next_us=cluster.last_us + period_us if period_us else None,
            duration_us=cluster.duration_us(),
            split_from=cluster.split_from,
        )
