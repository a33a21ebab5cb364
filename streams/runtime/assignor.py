"""Which worker gets which partition: partition p of all topics of a role goes to one worker."""

from collections.abc import Iterable, Mapping

from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata


class CopartitionAssignor(AbstractPartitionAssignor):  # type: ignore[misc]  # aiokafka has no types
    """Deals partition numbers out to the members in turn.

    Members are ordered by id, which begins with the instance's name: equal members get equal partitions again.
    """

    name = "flyball-copartition"
    version = 0

    @classmethod
    def assign(
        cls, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """Return the partitions of every member."""
        order = sorted(members)
        shares: dict[str, dict[str, list[int]]] = {member: {} for member in order}
        topics = sorted({topic for metadata in members.values() for topic in metadata.subscription})
        for topic in topics:
            for partition in sorted(cluster.partitions_for_topic(topic) or ()):
                shares[order[partition % len(order)]].setdefault(topic, []).append(partition)
        return {
            member: ConsumerProtocolMemberAssignment(cls.version, sorted(share.items()), b"")
            for member, share in shares.items()
        }

    @classmethod
    def metadata(cls, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """Return what a member says when it joins."""
        return ConsumerProtocolMemberMetadata(cls.version, list(topics), b"")

    @classmethod
    def on_assignment(cls, assignment: ConsumerProtocolMemberAssignment) -> None:
        """Nothing to remember: the state of a partition lives in its journal."""
