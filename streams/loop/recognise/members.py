"""The episodes that may be of a storm."""

from collections import OrderedDict
from collections.abc import Iterator

import msgspec

from schemas.events import Episode


class Member(msgspec.Struct, array_like=True):
    """An episode as a storm sees it."""

    entity: str
    opened_us: int
    worse_us: int
    """When it last got much worse: when it opened, or later."""
    severity: float
    onset: bool = False
    closed: bool = False
    storm: str = ""


class _State(msgspec.Struct, array_like=True):
    members: list[tuple[str, Member]]
    latest: list[tuple[str, str]]


class Members:
    """Keeps episodes by name, in the order of admission, and which of an entity's is the latest that is open."""

    def __init__(self) -> None:
        self._members: OrderedDict[str, Member] = OrderedDict()
        self._latest: dict[str, str] = {}
        """Entity to episode."""

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, episode: str) -> bool:
        return episode in self._members

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __getitem__(self, episode: str) -> Member:
        return self._members[episode]

    def get(self, episode: str) -> Member | None:
        """Return a member; None for an episode that is not one."""
        return self._members.get(episode)

    def newest(self) -> Iterator[tuple[str, Member]]:
        """Yield episodes and members, the one admitted last first."""
        return reversed(self._members.items())

    def latest(self, entity: str) -> str | None:
        """Return the latest open episode of an entity, if there is one among the members."""
        return self._latest.get(entity)

    def admit(self, episode: Episode) -> Member:
        """Add an episode that is not a member yet."""
        member = Member(
            entity=episode.entity,
            opened_us=episode.opened_us,
            worse_us=episode.opened_us,
            severity=episode.severity,
        )
        self._members[episode.episode] = member
        self._latest[episode.entity] = episode.episode
        return member

    def prefer(self, episode: str) -> None:
        """Let an entity's latest episode be this one."""
        self._latest[self._members[episode].entity] = episode

    def release(self, episode: str) -> None:
        """Let an entity's latest episode be none, if it is this one."""
        entity = self._members[episode].entity
        if self._latest.get(entity) == episode:
            del self._latest[entity]

    def drop(self, episode: str) -> None:
        """Forget an episode, if it is a member."""
        if episode in self._members:
            self.release(episode)
            del self._members[episode]

    def snapshot(self) -> bytes:
        """Return all members; equal states give equal bytes."""
        return msgspec.msgpack.encode(_State(list(self._members.items()), sorted(self._latest.items())))

    def restore(self, snapshot: bytes) -> None:
        """Replace all members by those that `snapshot` returned."""
        state = msgspec.msgpack.decode(snapshot, type=_State)
        self._members, self._latest = OrderedDict(state.members), dict(state.latest)
