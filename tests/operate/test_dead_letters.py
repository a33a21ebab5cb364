import pytest

from schemas.errors import SettingsError
from schemas.events import DeadLetter
from streams.operate.dead_letters import NEVER_RETRIED, retry_message


def letter_from(topic: str, reason: str = "broken-json") -> DeadLetter:
    return DeadLetter(
        id="a",
        time_us=1,
        origin_topic=topic,
        origin_partition=2,
        origin_offset=3,
        reason=reason,
        detail="",
        role="detect",
        original_key=b"web-1",
        original_value=b"\xff{",
        original_headers=(("x", None),),
    )


def test_a_retry_writes_the_original_bytes_where_they_came_from() -> None:
    message = retry_message(letter_from("telemetry"))
    assert (message.topic, message.partition) == ("telemetry", 2)
    assert (message.key, message.value, message.headers) == (b"web-1", b"\xff{", (("x", None),))


def test_what_came_too_late_is_not_sent_again() -> None:
    with pytest.raises(SettingsError, match=r"raise detect\.lateness"):
        retry_message(letter_from("telemetry", "late"))


@pytest.mark.parametrize("topic", NEVER_RETRIED)
def test_records_that_carry_authority_are_never_retried(topic: str) -> None:
    with pytest.raises(SettingsError, match="ask for it anew"):
        retry_message(letter_from(topic))
