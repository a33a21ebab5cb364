"""How the fleet is, by its censuses: what share is abnormal, and how many of each group are left."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from schemas.events import Census
from streams.loop.gate.ends import open_text
from streams.loop.gate.settings import GateSettings
from streams.loop.gate.state import Share


@dataclass(frozen=True, slots=True)
class Count:
    """Entities of a group, or of all: how many live, and how many of these are abnormal."""

    live: int = 0
    abnormal: int = 0


@dataclass(frozen=True, slots=True)
class _Sums:
    """What the censuses come to within [from_us, until_us)."""

    from_us: int
    until_us: int
    all: Count
    groups: Mapping[str, Count]
    stormy: bool
    text: str


class Health:
    """Keeps the latest census per partition and group; one older than `census_age` no longer counts.

    A storm (`stormy_us`: since when) holds until a person re-arms the loop, whatever censuses say by then. Where
    `rearm` is `auto`, a fresh one that says otherwise ends it too, together with the last of partitions that are
    silent: silence ends none.
    """

    def __init__(self, settings: GateSettings) -> None:
        self._settings = settings
        self.shares: dict[str, Share] = {}
        self.stormy_us: int | None = None
        self._sums: _Sums | None = None

    def see(self, census: Census, now_us: int) -> None:
        """Note a census, unless a later one of the same partition and group is known."""
        known = self.shares.get(census.key())
        if known is None or known.time_us < census.time_us:
            self.shares[census.key()] = Share(census.live, census.abnormal, census.time_us, census.group)
            is_fresh = census.time_us + self._settings.census_age_us >= now_us
            if self.stormy_us is not None and self._settings.rearm == "auto" and is_fresh:
                self._leave_out_gone(census)
                if not self._is_stormy(_count(self.shares.values())):
                    self.stormy_us = None
        if len(self.shares) > self._settings.tracked:
            del self.shares[min(self.shares, key=lambda key: (self.shares[key].time_us, key))]
        self._sums = None

    def adopt(self, shares: dict[str, Share], *, stormy_us: int | None) -> None:
        """Replace all censuses."""
        self.shares, self.stormy_us, self._sums = shares, stormy_us, None

    def rearm(self) -> None:
        """End a storm; one that censuses still show that are young enough begins again at once."""
        self.stormy_us = None

    def all(self, now_us: int) -> Count:
        """Return the sums over all groups."""
        return self._fresh(now_us).all

    def group(self, name: str, now_us: int) -> Count | None:
        """Return the sums of one group, or None without a fresh census of it."""
        return self._fresh(now_us).groups.get(name)

    def storming(self, now_us: int) -> tuple[bool, str]:
        """Return whether so many entities are abnormal that acting on each of them is wrong, and how many are."""
        sums = self._fresh(now_us)
        if sums.stormy and self.stormy_us is None:
            self.stormy_us = now_us
        if self.stormy_us is None:
            return False, sums.text
        if self._settings.rearm == "signed":
            return True, f"{sums.text}; {open_text(self.stormy_us, now_us)}"
        return True, sums.text if sums.stormy else f"{sums.text}: a storm, until a census says otherwise"

    def _leave_out_gone(self, census: Census) -> None:
        """Leave out groups that a partition no longer counts, though it is heard."""
        partition, oldest_us = f"/{census.partition}", census.time_us - self._settings.census_age_us
        gone = [key for key, one in self.shares.items() if one.time_us < oldest_us and key.endswith(partition)]
        for key in gone:
            del self.shares[key]

    def _is_stormy(self, count: Count) -> bool:
        settings = self._settings
        return count.abnormal >= settings.abnormal_least and count.abnormal > settings.abnormal_share * count.live

    def _fresh(self, now_us: int) -> _Sums:
        if self._sums is None or not self._sums.from_us <= now_us < self._sums.until_us:
            self._sums = self._summed(now_us)
        return self._sums

    def _summed(self, now_us: int) -> _Sums:
        age_us = self._settings.census_age_us
        fresh = [share for share in self.shares.values() if share.time_us + age_us >= now_us]
        groups: dict[str, Count] = {}
        for share in fresh:
            known = groups.get(share.group, Count())
            groups[share.group] = Count(known.live + share.live, known.abnormal + share.abnormal)
        count = _count(groups.values())
        return _Sums(
            from_us=now_us,
            until_us=min((share.time_us + age_us + 1 for share in fresh), default=1 << 62),
            all=count,
            groups=groups,
            stormy=self._is_stormy(count),
            text=f"{count.abnormal} of {count.live} entities are abnormal",
        )


def _count(parts: Iterable[Count | Share]) -> Count:
    known = list(parts)
    return Count(sum(one.live for one in known), sum(one.abnormal for one in known))
