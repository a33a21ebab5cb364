"""The section `[notify]` of a `loop.toml`: who is told that people are needed. The gate decides nothing by it."""

from typing import Annotated

import msgspec

from connectors.executors.post import Place

Wait = Annotated[int, msgspec.Meta(ge=1_000, le=600_000_000)]


class NotifySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A webhook. Its address is `url`, or in the variable `url_env` where it is a secret itself (as Slack's are).

    With `secret_env` or `secret_file` messages are signed (Standard Webhooks). At most `hourly` in an hour, then one
    that says so. `private` allows addresses that are not public.
    """

    url: str = ""
    url_env: str = ""
    secret_env: str = ""
    secret_file: str = ""
    ca_file: str = ""
    plain_http: bool = False
    private: bool = False
    hourly: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 20
    timeout_us: Wait = 10_000_000
    attempts: Annotated[int, msgspec.Meta(ge=1, le=20)] = 5

    def __post_init__(self) -> None:
        found = []
        if self.url and self.url_env:
            found.append("url_env must not be there beside url")
        if self.secret_env and self.secret_file:
            found.append("secret_file must not be there beside secret_env")
        if self.url:
            try:
                self.place(self.url)
            except ValueError as error:
                found.append(f"url {error}")
        if found:
            raise ValueError("; ".join(found))

    @property
    def wanted(self) -> bool:
        """Whether anybody is to be told at all."""
        return bool(self.url or self.url_env)

    def place(self, url: str) -> Place:
        """Return where the webhook is; raises `ValueError` for what it must not be."""
        place = Place.parse(url)
        if not place.secure and not self.plain_http:
            raise ValueError("must begin with https:// unless plain_http is true")
        return place
