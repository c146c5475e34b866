"""The sandbox's clock: ahead by what it is told, and nowhere but in the sandbox."""

import pytest
from pydantic import ValidationError

from guardrails.clock import shifted, utc_now
from guardrails.errors import ConfigError
from orchestrator.twins import sandbox_offset
from servers.common.settings import ServerSettings

OFFSET = "SWARM_SANDBOX_OFFSET_S"


def settings(monkeypatch: pytest.MonkeyPatch, **values: str) -> ServerSettings:
    for name in (OFFSET, "SWARM_SANDBOX"):
        monkeypatch.delenv(name, raising=False)
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return ServerSettings()


def test_without_an_offset_it_is_the_wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings(monkeypatch).clock is utc_now
    assert shifted(0) is utc_now


def test_in_the_sandbox_it_is_ahead_by_so_many_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = settings(monkeypatch, **{"SWARM_SANDBOX": "1", OFFSET: "86400.5"}).clock
    before, there, after = utc_now(), clock(), utc_now()
    assert before.timestamp() <= there.timestamp() - 86400.5 <= after.timestamp()


@pytest.mark.parametrize(
    "given",
    [
        {"SWARM_SANDBOX": "0", OFFSET: "1"},
        {OFFSET: "-3600"},
        {"SWARM_SANDBOX": "1", OFFSET: "nan"},
        {"SWARM_SANDBOX": "1", OFFSET: "soon"},
    ],
)
def test_outside_the_sandbox_or_without_a_number_no_server_starts(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str]
) -> None:
    with pytest.raises(ValidationError):
        settings(monkeypatch, **given)


def test_the_queen_takes_the_same_offset_and_refuses_the_same() -> None:
    assert sandbox_offset({}, sandbox=False) == 0
    assert sandbox_offset({OFFSET: "60"}, sandbox=True) == 60
    for values, sandbox in (
        ({OFFSET: "60"}, False),
        ({OFFSET: "inf"}, True),
        ({OFFSET: "x"}, True),
    ):
        with pytest.raises(ConfigError):
            sandbox_offset(values, sandbox=sandbox)
