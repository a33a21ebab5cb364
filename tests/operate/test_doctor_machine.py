"""What the doctor says of a machine: keys, disk, and what executors remember."""

import sqlite3
from pathlib import Path

import pytest

from connectors.notify.notices import Notice
from schemas.errors import FlyballError
from schemas.keyfiles import add_key, create_keys, revoke_key, rotate_key
from schemas.stop_file import StopFile, StopNote
from streams.operate.doctor.finding import Finding
from streams.operate.doctor.machine import check_disk, check_keys, check_memories, check_notices, check_stop_file
from streams.operate.notifying import Place

NOW_US = 1_700_000_000_000_000


def levels(found: list[Finding]) -> list[str]:
    return [one.level for one in found]


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    create_keys(tmp_path / "keys")
    return tmp_path / "keys"


def test_keys_as_init_makes_them_are_well(keys: Path) -> None:
    (found,) = check_keys(keys, {}, now_us=NOW_US)
    assert found.level == "ok"
    assert "version 1" in found.found


def test_a_private_key_that_others_can_read_is_told_once_with_the_command(keys: Path) -> None:
    (keys / "actions.key").chmod(0o640)
    (keys / "ada.outcomes.key").write_text("any")
    (keys / "ada.outcomes.key").chmod(0o604)
    found = list(check_keys(keys, {}, now_us=NOW_US))
    assert levels(found) == ["fail", "fail"]
    assert f"chmod 600 {keys / 'actions.key'}" in found[0].remedy
    assert "keys rotate actions" in found[0].remedy
    assert "keys revoke" in found[1].remedy  # that one is no purpose's own: it cannot be rotated
    (keys / "root.key").chmod(0o640)
    assert "keys init" in list(check_keys(keys, {}, now_us=NOW_US))[-1].remedy


def test_a_key_that_the_keyring_does_not_trust_is_told_without_its_text(keys: Path) -> None:
    former = (keys / "audit.key").read_bytes()
    keyring = rotate_key(keys, "audit")
    (keys / "audit.key").write_bytes(former)
    (found,) = check_keys(keys, {}, now_us=NOW_US)
    assert (found.level, "revoked" in found.found) == ("fail", True)
    assert former.decode().splitlines()[1] not in found.found + found.remedy
    assert "keys rotate audit" in found.remedy
    revoke_key(keys, keyring.keys[0].id)
    assert levels(list(check_keys(keys, {}, now_us=NOW_US))) == ["fail", "fail"]


def test_a_key_from_the_environment_is_checked_and_what_is_none_is_not_printed(keys: Path) -> None:
    (found,) = check_keys(keys, {"FLYBALL_KEY_CONTROL": "hunter2"}, now_us=NOW_US)
    assert found.level == "fail"
    assert "FLYBALL_KEY_CONTROL" in found.found
    assert "hunter2" not in found.found + found.remedy


def test_an_altered_keyring_is_no_keyring(keys: Path) -> None:
    text = (keys / "keyring.json").read_text()
    (keys / "keyring.json").write_text(text.replace('"version":1', '"version":2'))
    (found,) = check_keys(keys, {}, now_us=NOW_US)
    assert (found.level, "signed by the pinned root key" in found.found) == ("fail", True)


def test_room_on_the_disk_is_told_of_the_nearest_folder_that_exists(tmp_path: Path) -> None:
    found = check_disk(tmp_path / "not" / "made" / "yet")
    assert str(tmp_path) in found.found
    assert "not/made" not in found.found


def test_a_stop_file_is_told_with_who_wrote_it_and_why(tmp_path: Path) -> None:
    stop_file = StopFile(tmp_path / "STOP")
    assert check_stop_file(stop_file, stop_file.why()).level == "ok"
    stop_file.write(StopNote(by="ada", time_us=1, reason="smoke"))
    told = check_stop_file(stop_file, stop_file.why())
    assert (told.level, told.found) == ("warn", f"stop file {stop_file.path} by ada: smoke; nothing is started here")
    stop_file.path.write_text("by hand")
    assert check_stop_file(stop_file, stop_file.why()).found == f"stop file {stop_file.path}: nothing is started here"


def test_memories_of_executors_are_well_held_or_broken(tmp_path: Path) -> None:
    assert levels(list(check_memories(tmp_path / "executor"))) == ["ok"]
    folder = tmp_path / "executor" / "hand-1"
    folder.mkdir(parents=True)
    store = folder / "x.log.sqlite"
    holder = sqlite3.connect(store)
    holder.execute("CREATE TABLE t (a)")
    holder.commit()
    (well,) = check_memories(tmp_path / "executor")
    assert (well.level, "no executor holds it" in well.found) == ("ok", True)
    holder.execute("BEGIN EXCLUSIVE")
    (held,) = check_memories(tmp_path / "executor")
    assert (held.level, "held by an executor" in held.found) == ("ok", True)
    holder.close()
    store.write_bytes(b"no database at all" * 100)
    (broken,) = check_memories(tmp_path / "executor")
    assert broken.level == "fail"


def test_what_is_no_key_or_unknown_cannot_be_rotated_and_the_advice_is_another_key(keys: Path) -> None:
    create_keys(keys.parent / "others")
    (keys / "audit.key").write_bytes((keys.parent / "others" / "audit.key").read_bytes())
    (keys / "models.key").write_text("no key at all")
    found = list(check_keys(keys, {}, now_us=NOW_US))
    assert levels(found) == ["fail", "fail"]
    for purpose, one in zip(("models", "audit"), found, strict=True):
        with pytest.raises(FlyballError):
            rotate_key(keys, purpose)  # type: ignore[arg-type]
        assert f"keys add NAME --purpose {purpose}" in one.remedy
        assert f"to be {keys / purpose}.key here" in one.remedy
    assert [key.stem for key in [add_key(keys, "models", "gate-2")]] == ["gate-2.models"]


def test_a_revoked_key_of_the_environment_is_replaced_there(keys: Path) -> None:
    former = (keys / "audit.key").read_text()
    rotate_key(keys, "audit")
    (found,) = check_keys(keys, {"FLYBALL_KEY_AUDIT": former}, now_us=NOW_US)
    assert "to be FLYBALL_KEY_AUDIT here" in found.remedy


def test_messages_that_did_not_arrive_and_are_not_over_are_told(tmp_path: Path) -> None:
    file = tmp_path / "place.json"
    assert list(check_notices(file, now_us=NOW_US)) == []
    notices = [Notice(id=f"v{n}", text=f"lab asks {n}?\nmore", until_us=NOW_US + n) for n in range(3)]
    Place(cluster="c", loop="lab", next_offset=1, waiting=notices).save(file)
    (found,) = check_notices(file, now_us=NOW_US)
    assert (found.level, found.found) == ("warn", "2 messages of [notify] did not arrive yet, such as: lab asks 1?")
    assert list(check_notices(file, now_us=NOW_US + 2)) == []
    file.write_text("{")
    assert list(check_notices(file, now_us=NOW_US)) == []
