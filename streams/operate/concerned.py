"""Which limits and pauses keep the loop from acting on an entity."""

from collections.abc import Collection, Iterable

from schemas.events import Recurrence
from streams.loop.asking import ASK_SCOPE
from streams.operate.story import Reader


def concerned_scopes(reader: Reader, entity: str, episodes: Collection[str], *, actions: Iterable[str]) -> set[str]:
    """Return the scopes that the policy waits for before it proposes anything in some episodes of an entity: the loop,
    the entity, every declared action (and to ask), and the pattern of each episode, as it was last recognised.

    Raises `BrokerError`.
    """
    patterns = {
        event.episode: event.pattern
        for _, event in reader.events("patterns")
        if isinstance(event, Recurrence) and event.episode in episodes
    }
    own = {"loop", f"entity:{entity}", ASK_SCOPE, *(f"action:{name}" for name in actions)}
    return own.union(f"pattern:{pattern}" for pattern in patterns.values())
