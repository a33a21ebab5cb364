"""An executor's memory: the first claim wins, a restart forgets nothing, and two processes never share one."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.client.duplicates import FORGET_AFTER_US, DuplicateStore
from schemas.errors import FencedError, SettingsError, StorageError
from schemas.events import Outcome


def memory(folder: Path, *, now_us: int = 100, group: str = "ops", cluster: str = "k1") -> DuplicateStore:
    return DuplicateStore(folder, loop="lab", group=group, cluster=cluster, now_us=now_us)


def outcome(name: str, *, action: str = "a1", **members: Any) -> Outcome:
    base: dict[str, Any] = {"time_us": 100, "entity": "e", "group": "ops", "executor": "x1", "state": "claimed"}
    return Outcome(id=name, action=action, **(base | members))


def test_the_first_claim_wins(tmp_path: Path) -> None:
    store = memory(tmp_path)
    store.fold(0, outcome("c1"))
    store.fold(1, outcome("c2", executor="x2"))
    assert store.winner("a1") == "c1"
    assert store.winner("a2") is None


def test_a_claim_of_another_group_does_not_count(tmp_path: Path) -> None:
    store = memory(tmp_path)
    store.fold(0, outcome("c1", group="others"))
    store.fold(1, None)
    assert store.winner("a1") is None
    assert store.next_offset == 2


def test_only_the_winners_end_ends_a_claim(tmp_path: Path) -> None:
    store = memory(tmp_path)
    store.fold(0, outcome("c1"))
    store.fold(1, outcome("e2", executor="x2", state="refused"))
    assert store.unfinished("x1") == [("a1", "e")]
    store.fold(2, outcome("e1", state="succeeded"))
    assert store.unfinished("x1") == []


def test_a_restart_forgets_nothing(tmp_path: Path) -> None:
    first = memory(tmp_path, now_us=100)
    first.fold(6, outcome("c1"))
    first.start(150)
    first.close()
    second = memory(tmp_path, now_us=999)
    assert (second.born_us, second.next_offset, second.winner("a1")) == (100, 7, "c1")
    assert (second.starts_since(149), second.starts_since(150)) == (1, 0)


def test_on_another_cluster_it_begins_anew_but_the_cap_still_holds(tmp_path: Path) -> None:
    first = memory(tmp_path, now_us=100)
    first.fold(6, outcome("c1"))
    first.start(150)
    first.close()
    for now_us in (999, 1_200):  # the second time it is at home there
        moved = memory(tmp_path, now_us=now_us, cluster="k2")
        assert (moved.born_us, moved.next_offset, moved.winner("a1")) == (999, 0, None)
        assert (moved.unfinished("x1"), moved.starts_since(0)) == ([], 1)
        moved.close()


def test_what_is_older_than_any_topic_is_forgotten(tmp_path: Path) -> None:
    first = memory(tmp_path)
    first.fold(0, outcome("c1"))
    first.close()
    assert memory(tmp_path, now_us=101 + FORGET_AFTER_US).winner("a1") is None


def test_a_block_of_changes_is_kept_whole_or_not_at_all(tmp_path: Path) -> None:
    store = memory(tmp_path)
    with pytest.raises(KeyError), store.together():
        fold_and_fail(store)
    assert (store.winner("a1"), store.next_offset) == (None, 0)


def fold_and_fail(store: DuplicateStore) -> None:
    store.fold(0, outcome("c1"))
    raise KeyError


def test_two_processes_never_share_a_memory(tmp_path: Path) -> None:
    first = memory(tmp_path)
    with pytest.raises(FencedError, match="another process has it"):
        memory(tmp_path)
    first.close()
    memory(tmp_path).close()


def test_a_file_of_another_loop_is_refused(tmp_path: Path) -> None:
    memory(tmp_path).close()
    (tmp_path / "lab.ops.sqlite").rename(tmp_path / "lab.other.sqlite")
    with pytest.raises(SettingsError, match="expected the memory of lab/other"):
        memory(tmp_path, group="other")


PROGRAM = f"{sys.executable} -m tests.schemas.full_disk"
MOUNT = "mount -t tmpfs -o size={size} none {folder}"


def shell(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-ec", text],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """Give a folder over which a small disk can be mounted, where this machine lets us."""
    if shutil.which("unshare") is None or shell(MOUNT.format(size="64k", folder=tmp_path)).returncode != 0:
        pytest.skip("needs user namespaces: a disk of our own that may be full")
    return tmp_path


def test_a_full_disk_is_told_as_such_and_what_was_claimed_stays_known(small_disk: Path) -> None:
    """The last start that was not remembered was not made, so with room again nothing is started twice."""
    mount = MOUNT.format(size="512k", folder=small_disk)
    room = f"mount -o remount,size=8m {small_disk}"
    ran = shell(f"{mount}; {PROGRAM} fill {small_disk}; {room}; {PROGRAM} go-on {small_disk}")
    assert ran.returncode == 0, ran.stderr
    filled, went_on = (msgspec.json.decode(line) for line in ran.stdout.splitlines())
    assert filled["error"] == "StorageError"
    assert "cannot be remembered (database or disk is full): make room on the disk" in filled["said"]
    assert filled["told"] == filled["known"] > 10
    assert went_on == {"begun": filled["told"], "known": filled["told"] + 1}


def test_a_disk_that_is_full_before_is_not_taken_for_another_process(small_disk: Path) -> None:
    crammed = f"{MOUNT.format(size='64k', folder=small_disk)}; head -c 100000 /dev/zero > {small_disk}/x || true"
    ran = shell(f"{crammed}; {PROGRAM} fill {small_disk}")
    assert ran.returncode == 0, ran.stderr
    found = msgspec.json.decode(ran.stdout)
    assert found["error"] == "StorageError"
    assert "until then nothing is started" in found["said"]


def test_a_memory_that_is_no_database_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "lab.ops.sqlite").write_text("not a database, " * 100)
    with pytest.raises(StorageError, match="file is not a database"):
        memory(tmp_path)
