"""How ingest cuts its frames."""

import msgspec


class IngestSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A frame goes out with `rows_per_frame` rows, or `linger_us` (at least 1) after its first row came."""

    rows_per_frame: int = 1000
    linger_us: int = 50_000
