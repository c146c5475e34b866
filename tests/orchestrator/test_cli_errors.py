"""Whatever goes wrong in a command ends in one clear failure and its exit code."""

from __future__ import annotations

import json

import pytest
from sqlalchemy.exc import OperationalError

from guardrails.errors import (
    AuditBroken,
    ConfigError,
    ServerUnavailable,
    Stopped,
    StoreUnavailable,
    SwarmError,
)
from orchestrator.cli_common import guarded

SECRET = "ana@firm.example"
CASES: list[tuple[BaseException, int, str]] = [
    (ConfigError("x"), 2, "config_invalid"),
    (Stopped("x"), 3, "stopped"),
    (StoreUnavailable("x"), 1, "store_unavailable"),
    (KeyError(SECRET), 1, "internal"),
    (OSError(28, "No space left on device", SECRET), 1, "disk_trouble"),
    (OperationalError("INSERT", {"to": SECRET}, Exception("disk I/O error")), 1,
     "store_unavailable"),
    (ExceptionGroup("g", [KeyError(SECRET), StoreUnavailable("x")]), 1, "store_unavailable"),
    (ExceptionGroup("g", [ExceptionGroup("h", [AuditBroken("x")])]), 1, "audit_broken"),
    (ExceptionGroup("g", [ValueError(SECRET)]), 1, "internal"),
    (KeyboardInterrupt(), 1, "interrupted"),
]  # fmt: skip


@pytest.mark.parametrize(("error", "code", "name"), CASES)
@pytest.mark.parametrize("as_json", [True, False])
def test_every_error_is_one_failure_with_its_exit_code(
    error: BaseException, code: int, name: str, as_json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    def work() -> int:
        raise error

    with pytest.raises(SystemExit) as ended:
        guarded(as_json, work)
    assert ended.value.code == code
    said = capsys.readouterr()
    assert SECRET not in said.out + said.err
    assert "Traceback" not in said.out + said.err
    if as_json:
        assert json.loads(said.out)["error"]["code"] == name
        assert json.loads(said.out)["error"]["remedy"]
        assert said.err == ""
    elif name != "interrupted":
        assert name in said.err
        assert said.out == ""


def test_the_first_of_our_own_errors_speaks_for_a_group(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def work() -> int:
        raise ExceptionGroup("g", [SwarmError("defect"), ServerUnavailable("dead server")])

    with pytest.raises(SystemExit):
        guarded(True, work)
    assert json.loads(capsys.readouterr().out)["error"]["message"] == "dead server"
