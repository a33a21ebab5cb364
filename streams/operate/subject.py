"""What a person proposes something about: an entity, and its open episode where it has one."""

import msgspec

from schemas.events import NOVEL, Episode, Recurrence
from streams.operate.topic_reader import TopicReader

LOOK_BACK_US = 3_600_000_000
"""An episode that is open for longer is not looked for."""


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """An entity with its open episode (empty: none) and the pattern that the episode is."""

    entity: str
    episode: str = ""
    pattern: str = NOVEL
    group: str = ""


def subject_of(reader: TopicReader, entity: str, *, now_us: int) -> Subject:
    """Return what is known of an entity by now; raises `BrokerError`."""
    since_us = now_us - LOOK_BACK_US
    found = Subject(entity=entity)
    for _, event in reader.events("insights", since_us=since_us, kinds=(Episode,)):
        if isinstance(event, Episode) and event.entity == entity:
            episode = "" if event.phase == "closed" else event.episode
            found = Subject(entity=entity, episode=episode, group=event.group)
    if not found.episode:
        return found
    for _, event in reader.events("patterns", since_us=since_us, kinds=(Recurrence,)):
        if isinstance(event, Recurrence) and event.episode == found.episode:
            found = msgspec.structs.replace(found, pattern=event.pattern)
    return found
