"""Who is unwell by now: entities with an open episode, by group. A census tells it only now and then."""

from collections.abc import Iterable

from streams.loop.gate.state import Opened


class OpenByGroup:
    """Counts entities with an open episode, of each group; one with several counts once."""

    def __init__(self, episodes: Iterable[Opened] = ()) -> None:
        self._groups: dict[str, dict[str, int]] = {}
        for episode in episodes:
            self.add(episode)

    def add(self, episode: Opened) -> None:
        """Note that an episode is open."""
        entities = self._groups.setdefault(episode.group, {})
        entities[episode.entity] = entities.get(episode.entity, 0) + 1

    def remove(self, episode: Opened | None) -> None:
        """Note that an episode that was open is so no more; None: it was not."""
        if episode is None:
            return
        entities = self._groups[episode.group]
        entities[episode.entity] -= 1
        if not entities[episode.entity]:
            del entities[episode.entity]
        if not entities:
            del self._groups[episode.group]

    def count(self, group: str) -> int:
        """Return how many entities of a group have an open episode."""
        return len(self._groups.get(group, ()))

    def has(self, group: str, entity: str) -> bool:
        """Return whether an entity of a group has one."""
        return entity in self._groups.get(group, ())
