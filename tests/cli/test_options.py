"""How results are printed."""

import pytest

from streams.cli.options import print_table


def test_a_table_prints_what_it_is_given_and_cuts_nothing_where_no_terminal_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    long = "e" * 300
    print_table("what [bold]entities[/] did", ["entity", "what"], [["[/red] :smile:", long], ["web-1", "none"]])
    title, head, *rows = capsys.readouterr().out.splitlines()
    assert title == "what [bold]entities[/] did"
    assert head.split() == ["entity", "what"]
    assert [row.rstrip() for row in rows] == [f"[/red] :smile:  {long}", "web-1           none"]
