"""Dead letters: look at them, and send mended causes on their way again."""

from schemas.errors import SettingsError
from schemas.events import DeadLetter
from schemas.raw import Message
from streams.operate.topic_reader import TopicReader

NEVER_RETRIED = ("actions", "approvals", "control")
"""Topics whose records carry authority: what was refused there is asked for anew, never replayed."""


def list_dead_letters(reader: TopicReader) -> list[DeadLetter]:
    """Return every dead letter that the topic still holds, oldest first."""
    return [event for _, event in reader.events("dead-letters") if isinstance(event, DeadLetter)]


def find_dead_letter(reader: TopicReader, wanted: str) -> DeadLetter:
    """Return the dead letter whose id begins so; raises `SettingsError` when not exactly one fits."""
    found = [letter for letter in list_dead_letters(reader) if letter.id.startswith(wanted)]
    if len(found) != 1:
        raise SettingsError([f"expected the id of one dead letter, {wanted!r} fits {len(found)}"])
    return found[0]


def retry_message(letter: DeadLetter) -> Message:
    """Return the original record, to be written to its topic again; raises `SettingsError` where that is forbidden."""
    if letter.origin_topic in NEVER_RETRIED:
        raise SettingsError([f"a record of {letter.origin_topic} cannot be retried: ask for it anew"])
    if letter.reason == "late":
        raise SettingsError(
            ["samples of closed windows would come too late again: raise detect.lateness, so that later ones do not"]
        )
    return Message(
        topic=letter.origin_topic,
        key=letter.original_key,
        value=letter.original_value,
        headers=letter.original_headers,
        partition=letter.origin_partition if letter.origin_topic in ("telemetry", "raw") else None,
    )
