"""What the registry is told of an episode."""

from schemas.events import Episode, MetricSignature
from streams.loop.recognise.onset import TOKEN_Z, onset_of


def episode(signature: dict[str, MetricSignature], tokens: tuple[str, ...] = ()) -> Episode:
    return Episode(
        id="e", time_us=1, episode="e", entity="pump", phase="onset", opened_us=1, windows=2, severity=4.0,
        confidence=1.0, signature=signature, tokens=tokens,
    )  # fmt: skip


def test_the_series_and_the_event_tokens_are_what_is_learned():
    found = onset_of(episode({"cpu": MetricSignature(mean=5, peak=6, trend=2, series=(4.0, 6.0))}, ("deploy",)))
    assert found == {"cpu": (4.0, 6.0), "event deploy": (TOKEN_Z, TOKEN_Z)}


def test_a_signature_without_series_counts_with_its_mean():
    assert onset_of(episode({"cpu": MetricSignature(mean=5, peak=6, trend=2)})) == {"cpu": (5,)}
