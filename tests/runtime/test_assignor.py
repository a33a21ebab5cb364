"""Partition p of all topics goes to one worker."""

from types import SimpleNamespace

from streams.runtime.assignor import CopartitionAssignor

CLUSTER = SimpleNamespace(partitions_for_topic={"a": {0, 1, 2}, "b": {0, 1, 2}, "gone": None}.get)


def assigned(*members: str, topics: tuple[str, ...] = ("a", "b")) -> dict[str, list[tuple[str, list[int]]]]:
    metadata = {member: CopartitionAssignor.metadata(topics) for member in members}
    return {name: list(share.assignment) for name, share in CopartitionAssignor.assign(CLUSTER, metadata).items()}


def test_topics_of_one_partition_stay_together() -> None:
    assert assigned("w0", "w1") == {
        "w0": [("a", [0, 2]), ("b", [0, 2])],
        "w1": [("a", [1]), ("b", [1])],
    }


def test_one_member_gets_everything() -> None:
    assert assigned("w0") == {"w0": [("a", [0, 1, 2]), ("b", [0, 1, 2])]}


def test_who_comes_late_is_a_standby_and_the_order_of_joining_does_not_matter() -> None:
    shares = assigned("w3", "w1", "w0", "w2")
    assert shares["w3"] == []
    assert shares == assigned("w0", "w1", "w2", "w3")


def test_a_topic_that_is_not_there_yet_is_left_out() -> None:
    assert assigned("w0", topics=("gone",)) == {"w0": []}
