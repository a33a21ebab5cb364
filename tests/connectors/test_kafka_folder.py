"""The data folder of a cluster: one owner, one identity, whole files."""

from pathlib import Path

import pytest

from connectors.kafka.folder import ClusterState, DataFolder, new_cluster_id
from schemas.errors import BrokerError


def test_a_folder_has_one_owner_at_a_time(tmp_path: Path) -> None:
    first, second = DataFolder(tmp_path), DataFolder(tmp_path)
    first.hold()
    with pytest.raises(BrokerError, match="in use by another cluster"):
        second.hold(patience_s=0.2)
    second.let_go()
    first.let_go()
    second.hold(patience_s=0)
    second.let_go()


def test_a_cluster_is_recalled_as_it_was_remembered(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    assert folder.recall() is None
    state = ClusterState(cluster_id=new_cluster_id(), ports=[1, 2, 3], controller_ports=[4, 5, 6])
    folder.remember(state)
    assert folder.recall() == state
    assert state.brokers == 3


def test_a_broken_state_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "cluster.json").write_text("{")
    with pytest.raises(BrokerError, match=r"cluster\.json"):
        DataFolder(tmp_path).recall()


def test_cluster_ids_differ_and_never_begin_with_a_dash() -> None:
    names = {new_cluster_id() for _ in range(2_000)}
    assert len(names) == 2_000
    assert all(len(name) == 22 and not name.startswith("-") for name in names)
