"""How many partitions each topic of a loop gets: the registry's numbers, and what the operator may change."""

from collections.abc import Mapping

from schemas.errors import SettingsError
from schemas.topics import GROUP_SOURCES, TOPICS


def planned_partitions(wanted: Mapping[str, int]) -> dict[str, int]:
    """Return the partitions of every topic by registry name.

    A role's journal and state have those of its sources: partition p of all of them is one unit of work. Raises
    `SettingsError` with every wish that cannot be met.
    """
    problems = [problem for name, count in wanted.items() for problem in _problems(name, count)]
    if problems:
        raise SettingsError(problems)
    planned = {name: wanted.get(name, topic.partitions) for name, topic in TOPICS.items()}
    for role, sources in GROUP_SOURCES.items():
        counts = {planned[source] for source in sources}
        for name in (f"journal-{role}", f"state-{role}"):
            if name not in wanted:
                planned[name] = planned[sources[0]]
            counts.add(planned[name])
        if len(counts) > 1:
            together = ", ".join(f"{name}={planned[name]}" for name in (*sources, f"journal-{role}", f"state-{role}"))
            problems.append(f"expected the same partitions for all topics of the role {role}, got {together}")
    if problems:
        raise SettingsError(problems)
    return planned


def _problems(name: str, count: int) -> list[str]:
    topic = TOPICS.get(name)
    if topic is None:
        return [f"expected a topic of the registry, got {name!r}"]
    if count < 1:
        return [f"{name}: expected at least 1 partition, got {count}"]
    if not topic.scales and count != topic.partitions:
        return [f"{name}: expected {topic.partitions} partition (one total order per loop), got {count}"]
    return []
