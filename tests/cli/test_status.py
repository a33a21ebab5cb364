"""What `flyball status` and `limits` print."""

import pytest

from streams.cli.status import print_breakers


def test_open_breakers_are_shown_with_their_time_and_what_closes_each(capsys: pytest.CaptureFixture[str]) -> None:
    print_breakers({"action:restart": 1_700_000_000_000_000, "loop": 1_700_000_060_000_000})
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in shown[2:]] == ["action:restart", "loop"]
    assert shown[2].endswith("flyball rearm action:restart")
    assert "2023-11-14 22:13:20" in shown[2]
    print_breakers({})
    assert capsys.readouterr().out == "breakers that are open: none\n"
