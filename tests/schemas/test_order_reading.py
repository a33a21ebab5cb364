"""An order counts by the keyring and the clock of when it was written, for whoever reads it later."""

from pathlib import Path
from typing import Any

import pytest

from schemas import order_reading, wire
from schemas.client.tail import LogRecord
from schemas.events import Control
from schemas.keyfiles import create_keys, keyring_text, load_signer, load_trust, revoke_key, rotate_key
from schemas.keyring import Trust
from schemas.order_reading import OrderReading
from schemas.raw import Message
from schemas.signing import Audience, Signer
from tests.schemas.people import Person

HERE = Audience(cluster="c", loop="lab")
DAY_US = 86_400_000_000


class Log:
    """What lies on `control`, a record per second, and the keys of the loop."""

    def __init__(self, folder: Path) -> None:
        self.keys = folder / "keys"
        create_keys(self.keys)
        self.records: list[LogRecord] = []
        self.us = 0

    def signer(self) -> Signer:
        return load_signer(self.keys, "control", HERE)

    def order(self, kind: Any, target: str = "loop", *, by: Signer | None = None, claims_us: int | None = None) -> None:
        """Write an order, signed by the machine's key of today unless `by` another one."""
        value = {"pause": "paused", "stop": "stopped", "rearm": "rearmed"}.get(kind, "hash")
        self.us += 1_000_000
        time_us = self.us if claims_us is None else claims_us
        event = Control(id=f"{self.us}", time_us=time_us, kind=kind, target=target, value=value, by="ada")
        self._write((by or self.signer()).sign(wire.encode(event, loop="lab")))

    def publish(self, text: str | None = None) -> str:
        """Write a keyring, that of today unless another one, and return it."""
        text = text or keyring_text(self.keys)
        self.us += 1_000_000
        event = Control(id=f"{self.us}", time_us=self.us, kind="keyring", target="loop", value=text, by="ada")
        self._write(wire.encode(event, loop="lab"))
        return text

    def _write(self, message: Any) -> None:
        self.records.append(
            LogRecord(
                partition=0,
                offset=len(self.records),
                key=message.key,
                value=message.value,
                headers=message.headers,
                written_us=self.us,
            )
        )

    def reading(self) -> OrderReading[LogRecord]:
        """Return a reader that starts now, with the keyring file of today."""
        return OrderReading(trust=load_trust(self.keys), audience=HERE)

    def counting(self, reading: OrderReading[LogRecord] | None = None) -> list[str]:
        """Return the orders that count for a reader of everything up to the end, in their order."""
        reading = reading or self.reading()
        found = [pair for record in self.records for pair in reading.read(record, written_us=record.written_us)]
        found += reading.at_end()
        offsets = [record.offset for record, _ in found]
        assert offsets == sorted(set(offsets))
        return [f"{order.kind}/{order.target}" for _, order in found if order.kind != "keyring"]


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


@pytest.mark.parametrize("withdraw", ["rotated", "revoked"])
def test_what_a_key_signed_that_is_withdrawn_since_is_still_an_order(log: Log, withdraw: str) -> None:
    log.publish()
    log.order("settings")
    log.order("stop", "action:wipe")
    if withdraw == "rotated":
        rotate_key(log.keys, "control")
    else:
        revoke_key(log.keys, log.signer().key_id)
    log.publish()
    assert log.counting() == ["settings/loop", "stop/action:wipe"]


def test_a_stolen_key_orders_nothing_behind_the_keyring_that_revoked_it_whatever_time_it_claims(log: Log) -> None:
    first = log.publish()
    stolen = log.signer()
    log.order("stop")
    before_us = log.us
    rotate_key(log.keys, "control")
    log.publish()
    log.order("rearm", by=stolen, claims_us=before_us)
    log.publish(first)  # who has the key may have the keyring of then, too
    log.order("rearm", by=stolen, claims_us=before_us)
    reading = log.reading()
    assert log.counting(reading) == ["stop/loop"]
    assert reading.ignored == 2


def test_what_a_key_signed_that_has_run_out_since_is_still_an_order_and_it_signs_no_other(log: Log) -> None:
    ada = Person("ada").join(log.keys, "operator", not_after_us=90 * DAY_US)
    log.publish()
    log.order("stop", by=ada.signer("control", HERE))
    log.us = 91 * DAY_US
    log.order("rearm", by=ada.signer("control", HERE), claims_us=89 * DAY_US)
    assert log.counting() == ["stop/loop"]


def test_what_lies_before_the_first_keyring_counts_by_it(log: Log) -> None:
    log.order("level", "*/restart")
    log.publish()
    log.order("settings")
    rotate_key(log.keys, "control")
    log.publish()
    assert log.counting() == ["level/*/restart", "settings/loop"]


def test_where_no_keyring_lies_todays_file_counts(log: Log) -> None:
    log.order("stop")
    rotate_key(log.keys, "control")
    log.order("pause")
    assert log.counting() == ["pause/loop"]


def test_an_old_keyring_behind_settings_that_no_keyring_lay_before_brings_no_revoked_key_back(log: Log) -> None:
    old, stolen = keyring_text(log.keys), log.signer()
    log.order("settings")
    rotate_key(log.keys, "control")
    log.publish(old)
    log.order("rearm", by=stolen)
    assert log.counting() == []
    rotate_key(log.keys, "control")
    log.publish()
    log.order("pause")
    assert log.counting() == ["pause/loop"]


def test_settings_that_nobody_signed_do_not_tell_what_control_begins_with(log: Log, tmp_path: Path) -> None:
    create_keys(tmp_path / "other")
    log.order("settings", by=load_signer(tmp_path / "other", "control", HERE))
    log.publish()
    log.order("stop")
    rotate_key(log.keys, "control")
    log.publish()
    assert log.counting() == ["stop/loop"]


def test_a_keyring_of_another_root_key_is_no_beginning(log: Log, tmp_path: Path) -> None:
    create_keys(tmp_path / "other")
    log.publish(keyring_text(tmp_path / "other"))
    log.order("stop")
    assert log.counting() == ["stop/loop"]


def test_what_is_written_after_all_was_read_counts_by_todays_file_too(log: Log) -> None:
    """Else a key that was revoked while Kafka did not answer would count until somebody publishes the keyring."""
    log.publish()
    stolen = log.signer()
    log.order("stop")
    rotate_key(log.keys, "control")
    reading = log.reading()
    assert log.counting(reading) == ["stop/loop"]
    log.order("rearm", by=stolen)
    assert reading.read(log.records[-1], written_us=log.us) == []


def test_the_newest_keyring_counts_for_all_else_from_the_beginning(log: Log) -> None:
    log.publish()
    rotate_key(log.keys, "actions")
    trust = load_trust(log.keys)
    older = Trust(root=trust.root, keyring=trust.keyring)
    reading: OrderReading[LogRecord] = OrderReading(trust=trust, audience=HERE)
    log.counting(reading)
    assert trust == older
    rotate_key(log.keys, "actions")
    log.publish()
    reading.read(log.records[-1], written_us=log.us)
    assert trust.keyring.version == older.keyring.version + 2


def test_no_more_than_so_many_records_wait_for_a_keyring(log: Log) -> None:
    log.order("stop")
    reading = log.reading()
    for _ in range(order_reading.HELD_LIMIT - 1):
        assert reading.read(log.records[0], written_us=1) == ()
    assert len(reading.read(log.records[0], written_us=1)) == order_reading.HELD_LIMIT


@pytest.mark.parametrize("junk", [order_reading.HELD_LIMIT, 3 * order_reading.HELD_LIMIT])
def test_what_nobody_signed_pushes_out_no_order_before_the_first_keyring(log: Log, junk: int) -> None:
    """Else who may write to `control` could make executors forget a stop by a key that was rotated since."""

    def write_junk() -> None:
        for _ in range(junk // 2):
            log._write(Message(topic="control", key=b"loop", value=b"{}", headers=()))

    write_junk()
    log.order("stop", "action:wipe")
    write_junk()
    log.order("pause")
    log.publish()
    rotate_key(log.keys, "control")
    log.publish()
    reading = log.reading()
    assert log.counting(reading) == ["stop/action:wipe", "pause/loop"]
    assert reading.ignored == junk
