"""From bytes to inputs: events with their signatures checked, telemetry as columns, every fault with its reason."""

from itertools import groupby
from typing import Literal

import msgspec
import numpy as np

from schemas import wire
from schemas.events import Event, Telemetry, TelemetryFrame
from schemas.keyring import Keyring, Trust
from schemas.raw import Headers, RawBatch
from schemas.reading import read_event
from schemas.signing import Audience
from streams.loop.decode.arrow_rows import arrow_blocks
from streams.loop.decode.columns import Block, to_batch
from streams.loop.decode.json_rows import json_blocks, mapped_block
from streams.loop.decode.mapping import mapped
from streams.loop.decode.rows import Faults, Messages, Reading
from streams.loop.decode.samples import Checks
from streams.loop.decode.settings import TelemetrySettings
from streams.loop.processor import Now
from streams.loop.role import BadRow, Decode
from streams.loop.telemetry import TelemetryBatch

Kind = Literal["json", "arrow", "bad"]


class LoopDecode(Decode):
    """The decoder of one role instance. Its `trust` is state: it follows the keyrings on `control`, in log order."""

    def __init__(self, *, trust: Trust | None, audience: Audience | None, telemetry: TelemetrySettings) -> None:
        self.trust = trust
        self._audience = audience
        self._settings = telemetry
        self._checks = Checks(past_us=telemetry.past_us, future_us=telemetry.future_us)
        self._parse_foreign = mapped(telemetry.fields)
        super().__init__(event=self._event, telemetry=self._telemetry)

    def snapshot(self) -> bytes:
        """Return the keyring in force: what a record is worth depends on those that `control` brought before it."""
        return b"" if self.trust is None else msgspec.msgpack.encode(self.trust.keyring)

    def restore(self, snapshot: bytes) -> None:
        if self.trust is not None and snapshot:
            self.trust.keyring = msgspec.msgpack.decode(snapshot, type=Keyring)

    def _event(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers, now: Now) -> Event:
        if self.trust is None or self._audience is None:
            return wire.decode(topic, value, headers)
        return read_event(topic, key, value, headers, trust=self.trust, audience=self._audience, now_us=now.us)

    def _telemetry(self, raw: RawBatch, now: Now) -> tuple[TelemetryBatch | None, list[BadRow]]:
        reading = Reading(self._checks, now.us, Faults())
        offsets = np.fromiter(raw.offsets, dtype=np.int64, count=len(raw))
        messages = Messages(raw.values, range(len(raw)), offsets)
        return to_batch(raw, self._blocks(raw, messages, reading)), reading.faults.told()

    def _blocks(self, raw: RawBatch, messages: Messages, reading: Reading) -> list[Block]:
        """Decode runs of messages that are written alike; without headers all are JSON."""
        if not any(raw.headers):
            return self._json(raw.topic, messages, reading)
        blocks: list[Block] = []
        kinds = [_kind(index, headers, reading.faults) for index, headers in enumerate(raw.headers)]
        for kind, group in groupby(range(len(raw)), key=kinds.__getitem__):
            places = list(group)
            part = messages.cut(places[0], places[-1] + 1)
            if kind == "json":
                blocks += self._json(raw.topic, part, reading)
            elif kind == "arrow":
                blocks += arrow_blocks(part, reading)
        return blocks

    def _json(self, topic: str, messages: Messages, reading: Reading) -> list[Block]:
        if topic == "raw" and self._settings.format == "fields":
            return [mapped_block(messages, self._parse_foreign, reading)]
        return json_blocks(messages, reading)


def make_decode(
    *, trust: Trust | None = None, audience: Audience | None = None, telemetry: TelemetrySettings | None = None
) -> LoopDecode:
    """Return a decoder for one role instance (each needs its own: it adopts keyrings as it reads them).

    Without `trust` and `audience` (simulations, backtests) no signature is looked at.
    """
    if (trust is None) != (audience is None):
        raise ValueError("expected trust and audience together, or neither")
    own = None if trust is None else Trust(root=trust.root, keyring=trust.keyring)
    return LoopDecode(trust=own, audience=audience, telemetry=telemetry or TelemetrySettings())


def _kind(index: int, headers: Headers, faults: Faults) -> Kind:
    """Tell how a message of telemetry is written; what it cannot be is a fault."""
    fields = dict(headers)
    name = (fields.get("ce_type") or b"").decode("utf-8", "replace")
    content = fields.get("content-type")
    if name not in ("", Telemetry.TYPE, TelemetryFrame.TYPE):
        error = wire.unfit_type(Telemetry.TOPIC, name)
        faults.add(index, error.reason, error.detail)
        return "bad"
    if content is None:
        return "arrow" if name == TelemetryFrame.TYPE else "json"
    if content.startswith(wire.ARROW_TYPE):
        return "arrow"
    if b"json" in content or content.startswith(b"text/plain"):
        return "json"
    faults.add(index, "unknown-content", f"expected JSON or an Arrow stream, got {content[:80]!r}")
    return "bad"
