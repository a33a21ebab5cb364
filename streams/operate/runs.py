"""Where a run is read from for a replay under other settings: the loop's Kafka, or a folder that holds a copy."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from schemas.connection import KafkaConnection
from schemas.errors import SettingsError
from schemas.events import Event
from schemas.keyfiles import ROOT_PUBLIC, load_root, load_trust
from schemas.keyring import Keyring, Trust
from schemas.order_reading import Beginning
from schemas.raw import RawBatch
from schemas.signing import Audience
from streams.loop.decode import make_decode
from streams.loop.role import Decode
from streams.operate.loop_place import LoopPlace
from streams.operate.recorded_gate import Run
from streams.operate.recorded_run import RecordedRun
from streams.operate.story import Reader
from streams.operate.topic_reader import StoredRecord, TopicReader
from streams.runtime.log_reader import InputReader

_OF_NOBODY = Keyring(version=1, keys=())


class KafkaRun:
    """A run as it lies on Kafka. Use as a context."""

    def __init__(self, connection: KafkaConnection, loop: str) -> None:
        self._reader = TopicReader(connection, loop)
        self._inputs = InputReader(connection, prefix=f"{loop}.")
        self._first: dict[tuple[str, int], int] = {}

    def __enter__(self) -> "KafkaRun":
        return self

    def __exit__(self, *_: object) -> None:
        self._inputs.__exit__()

    def records(self, topics: Sequence[str]) -> Iterator[StoredRecord]:
        """Yield the records of some topics, up to the present end."""
        return (record for record in self._reader.records(topics) if record is not None)

    def events(self, *topics: str) -> Iterator[tuple[StoredRecord, Event]]:
        """Yield every decodable event of some topics; each partition in offset order."""
        return self._reader.events(*topics)

    def read_range(self, topic: str, partition: int, start: int, stop: int) -> RawBatch | None:
        """Return the committed records of the offsets `start` (included) to `stop`; ranges come in rising order."""
        batch = self._inputs.batch(topic, partition, start, stop)
        return batch if len(batch) else None

    def first_offset(self, topic: str, partition: int) -> int:
        """Return from which offset on the records of a partition are still there, as of when it was first asked."""
        place = topic, partition
        if place not in self._first:
            self._first[place] = self._reader.first_offset(topic, partition)
        return self._first[place]


@contextmanager
def open_run(place: LoopPlace, folder: Path | None) -> Iterator[tuple[Run, Callable[[], Decode]]]:
    """Open a loop's run on its Kafka, or the copy in a folder; with what makes its decoders.

    Raises `BrokerError`, or `SettingsError` where keys are missing or the folder holds another loop's run.
    """
    if folder is None:
        connection = place.connection()
        with KafkaRun(connection, place.loop) as run:
            audience = place.audience()
            trust = first_trust(run, today=load_trust(place.keys), audience=audience)
            yield run, _decoders(place, trust, audience)
        return
    copy = RecordedRun(folder)
    if copy.about.loop != place.loop:
        raise SettingsError([f"{folder} holds a run of loop {copy.about.loop}, expected one of {place.loop}"])
    whose = copy.about.audience
    yield copy, _decoders(place, None if whose is None else _trust_of(copy, folder, place.keys, whose), whose)


def _trust_of(copy: RecordedRun, folder: Path, keys: Path, audience: Audience) -> Trust:
    """Return the trust that a copied run began with. Where this machine pins a root key, it must be the run's own."""
    root = load_root(folder)
    if (keys / ROOT_PUBLIC).exists() and load_root(keys) != root:
        raise SettingsError([f"{folder / ROOT_PUBLIC}: expected the root key that {keys / ROOT_PUBLIC} pins"])
    beginning = _looked_through(copy, Beginning(Trust(root=root, keyring=_OF_NOBODY), audience))
    if not beginning.known:
        raise SettingsError([f"{folder}: expected a keyring among the orders, signed by the root key beside them"])
    return beginning.trust()


def first_trust(reader: Reader, *, today: Trust, audience: Audience) -> Trust:
    """Return the trust that a run began with; later keyrings are adopted on the way (`Beginning`).

    Today's file would refuse what keys signed that were rotated since.
    """
    return _looked_through(reader, Beginning(today, audience)).trust()


def _looked_through(reader: Reader, beginning: Beginning) -> Beginning:
    for record, _ in reader.events("control"):
        beginning.look_at(record)
        if beginning.known:
            break
    return beginning


def _decoders(place: LoopPlace, trust: Trust | None, audience: Audience | None) -> Callable[[], Decode]:
    return lambda: make_decode(trust=trust, audience=audience, telemetry=place.settings.telemetry)
