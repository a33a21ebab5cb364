"""`flyball doctor` as its own process, where no broker answers."""

import json
from pathlib import Path

from tests.cli.test_commands import flyball


def test_without_a_broker_the_machine_is_looked_at_and_the_exit_code_says_so(tmp_path: Path) -> None:
    flyball("init", ".", "--name", "mine", folder=tmp_path)
    (tmp_path / "keys" / "actions.key").chmod(0o644)
    result = flyball("doctor", folder=tmp_path)
    assert result.returncode == 1, result.stderr
    words = [line.split()[:2] for line in result.stdout.splitlines() if not line.startswith(" ")]
    assert words[:6] == [
        ["ok", "file"],
        ["ok", "stop"],
        ["fail", "keys"],
        ["ok", "disk"],
        ["ok", "memory"],
        ["fail", "broker"],
    ]
    assert "-> chmod 600" in result.stdout
    assert "6 checks: 2 failed" in result.stdout
    assert "\x1b" not in result.stdout
    assert "PRIVATE KEY" not in result.stdout


def test_a_file_that_is_wrong_is_a_finding_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "loop.toml").write_text('[loop]\nname = "x"\nsede = 3\n')
    result = flyball("doctor", "--json", folder=tmp_path)
    assert result.returncode == 1
    found = json.loads(result.stdout)
    assert {one["level"] for one in found} == {"fail"}
    assert any("loop.toml:3: loop.sede" in one["found"] for one in found)
