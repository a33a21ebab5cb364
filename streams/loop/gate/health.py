"""How the fleet is, by its censuses: what share is abnormal, and how many of each group are left."""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.events import Census
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
    """Keeps the latest census per partition and group; one older than `census_age` no longer counts."""

    def __init__(self, settings: GateSettings) -> None:
        self._settings = settings
        self.shares: dict[str, Share] = {}
        self._sums: _Sums | None = None

    def see(self, census: Census) -> None:
        """Note a census, unless a later one of the same partition and group is known."""
        known = self.shares.get(census.key())
        if known is None or known.time_us < census.time_us:
            self.shares[census.key()] = Share(census.live, census.abnormal, census.time_us, census.group)
        if len(self.shares) > self._settings.tracked:
            del self.shares[min(self.shares, key=lambda key: (self.shares[key].time_us, key))]
        self._sums = None

    def adopt(self, shares: dict[str, Share]) -> None:
        """Replace all censuses."""
        self.shares, self._sums = shares, None

    def all(self, now_us: int) -> Count:
        """Return the sums over all groups."""
        return self._fresh(now_us).all

    def group(self, name: str, now_us: int) -> Count | None:
        """Return the sums of one group, or None without a fresh census of it."""
        return self._fresh(now_us).groups.get(name)

    def storming(self, now_us: int) -> tuple[bool, str]:
        """Return whether so many entities are abnormal that acting on each of them is wrong, and how many are."""
        sums = self._fresh(now_us)
        return sums.stormy, sums.text

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
        live, abnormal = sum(one.live for one in groups.values()), sum(one.abnormal for one in groups.values())
        enough = abnormal >= self._settings.abnormal_least
        return _Sums(
            from_us=now_us,
            until_us=min((share.time_us + age_us + 1 for share in fresh), default=1 << 62),
            all=Count(live, abnormal),
            groups=groups,
            stormy=enough and abnormal > self._settings.abnormal_share * live,
            text=f"{abnormal} of {live} entities are abnormal",
        )
