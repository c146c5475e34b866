"""When a mode is put on record: by what was looked at now, or by a person in their own name."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from guardrails.audit import AuditLog
from guardrails.config import load_config
from guardrails.errors import BadInput, Refused
from guardrails.hive import Hive
from guardrails.model import Mode
from guardrails.readiness_model import Standing
from guardrails.store import Store
from guardrails.versions import versions_of, with_mode
from orchestrator.cli_status import needs_somebody
from orchestrator.earned import about, mode_in_force, tell
from orchestrator.environment import Environment
from orchestrator.preflight.command import Person, Wanted, preflight, record
from orchestrator.preflight.ground import Ground
from orchestrator.preflight.model import SPECS, Findings, fail, ok
from orchestrator.preflight.run import Asked, Looked
from orchestrator.report import render
from orchestrator.report_run import render_run
from orchestrator.status import Status
from tests.conftest import SteppableClock
from tests.guardrails.approval_samples import people

pytestmark = pytest.mark.anyio
LIVE = with_mode(load_config(), Mode.LIVE)
SURE = Person(at_terminal=lambda: True, ask=lambda _question: "override")


@pytest.fixture
def hive(tmp_path: Path) -> Hive:
    return Hive.open(tmp_path / "hive", sandbox=False)


@pytest.fixture
def ground(hive: Hive, sqlite_store: Store, clock: SteppableClock) -> Iterator[Ground]:
    found = Ground(hive, LIVE, Environment({}), sqlite_store, clock, versions_of(LIVE))
    yield found
    found.audit.close()


def looked(ground: Ground, *shut: str, must_earn: bool = True) -> Looked:
    """A preflight at which everything held but these."""
    checks = [fail(name, "no", "mend it") if name in shut else ok(name, "yes") for name in SPECS]
    findings = Findings.of(checks, ground.versions)
    standing = mode_in_force(
        ground.hive, ground.store, LIVE, None, ground.clock, must_earn=must_earn
    )
    return Looked(ground, findings, standing, people(ground.hive.salt()))


def in_force(ground: Ground) -> Mode:
    return looked(ground).standing.mode


async def test_what_holds_is_earned_and_no_more(ground: Ground) -> None:
    assert in_force(ground) is Mode.SHADOW
    found = looked(ground, "approvals")
    said, held = await record(found, Wanted(Mode.LIVE), SURE)
    assert (held, "live is NOT earned: 1 check is open" in said) == (None, True)
    assert in_force(ground) is Mode.SHADOW
    said, held = await record(found, Wanted(Mode.ASSISTED), SURE)
    assert held is not None
    assert held.statement.checks["approvers"] == "ok"
    assert "approvals" not in held.statement.checks  # not asked for by this mode
    assert in_force(ground) is Mode.ASSISTED
    again, _ = await record(looked(ground), Wanted(Mode.ASSISTED), SURE)
    assert "on record already" in again


async def test_looking_records_nothing(ground: Ground) -> None:
    assert await record(looked(ground), Wanted(), SURE) == ("", None)
    assert ground.audit.head().seq == 0


@pytest.mark.parametrize("must_earn", [True, False])
def test_a_higher_mode_on_the_command_line_is_told_to_be_in_vain(
    ground: Ground, *, must_earn: bool
) -> None:
    def standing(wanted: Mode | None) -> Standing:
        config = load_config()  # shadow
        return mode_in_force(
            ground.hive, ground.store, config, wanted, ground.clock, must_earn=must_earn
        )

    assert standing(Mode.LIVE).mode is Mode.SHADOW
    assert "NOT live" in standing(Mode.LIVE).notes()[0]
    assert standing(Mode.SHADOW).notes() == standing(None).notes() == ()


async def test_in_the_sandbox_nothing_is_recorded(ground: Ground) -> None:
    said, held = await record(looked(ground, must_earn=False), Wanted(Mode.LIVE), SURE)
    assert (held, said) == (
        None, "In the sandbox modes need not be earned: nothing was recorded.",
    )  # fmt: skip


async def test_an_override_is_an_approvers_and_confirmed(ground: Ground) -> None:
    found = looked(ground, "dkim", "chaos")
    wanted = Wanted(Mode.ASSISTED, override=True, reason="DNS moves on Monday", name="ada")
    with pytest.raises(BadInput, match="not on the list"):
        await record(found, Wanted(Mode.ASSISTED, True, "because", "Mallory"), SURE)
    with pytest.raises(Refused, match="not confirmed"):
        await record(found, wanted, Person(lambda: True, lambda _question: "yes"))
    assert ground.audit.head().seq == 0
    _, held = await record(found, wanted, SURE)
    assert held is not None
    assert (held.statement.kind, held.statement.by) == ("override", "person:Ada")
    assert held.statement.checks["dkim"] == "fail"
    assert in_force(ground) is Mode.ASSISTED
    assert "OVERRIDE in force" in looked(ground).standing.notes()[-1]


async def test_an_override_of_nothing_is_earned(ground: Ground) -> None:
    wanted = Wanted(Mode.LIVE, override=True, reason="just in case", name="Ada")
    _, held = await record(looked(ground), wanted, SURE)
    assert held is not None
    assert held.statement.kind == "earned"


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (Wanted(None, override=True, reason="r", name="n"), "of what"),
        (Wanted(Mode.LIVE, override=True, reason=" ", name="n"), "reason and a name"),
        (Wanted(Mode.LIVE, override=True, reason="r"), "reason and a name"),
        (Wanted(Mode.LIVE, reason="r"), "belong to --override"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_starts(
    wanted: Wanted, why: str, tmp_path: Path
) -> None:
    asked = Asked(tmp_path / "hive", sandbox=True)
    with pytest.raises(BadInput, match=why):
        preflight(asked, wanted, Environment({}), as_json=False, person=SURE)
    assert not (tmp_path / "hive").exists()


def test_an_override_needs_a_person_at_a_terminal(tmp_path: Path) -> None:
    asked = Asked(tmp_path / "hive", sandbox=True)
    wanted = Wanted(Mode.LIVE, override=True, reason="r", name="Ada")
    for as_json, person in ((False, Person(at_terminal=lambda: False)), (True, SURE)):
        with pytest.raises(Refused, match="terminal"):
            preflight(asked, wanted, Environment({}), as_json=as_json, person=person)
    assert not (tmp_path / "hive").exists()


async def test_a_lowered_mode_is_told_loudly_everywhere(
    ground: Ground, capsys: pytest.CaptureFixture[str], tmp_path: Path, clock: SteppableClock
) -> None:
    standing = looked(ground).standing
    tell(standing)
    assert "swarm: MODE LOWERED to shadow (configured: live)" in capsys.readouterr().err
    said = about(standing, sandbox=False)
    assert (said["mode"], len(said["mode_notes"])) == ("shadow", 1)

    live = tmp_path / "production.json"
    live.write_text(LIVE.production.model_dump_json())
    reader = Status(ground.hive, live, None, clock=clock, now=clock)
    told = reader.read()
    reader.close()
    assert told["mode"]["configured"] == "live"
    assert (told["mode"]["earned"], told["mode"]["lowered"]) == ("shadow", True)
    assert needs_somebody(told)


async def test_what_is_as_it_looks_is_not_told(
    ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    audit = AuditLog(ground.hive, ground.store, ground.clock)
    await record(looked(ground), Wanted(Mode.LIVE), SURE)
    audit.close()
    standing = looked(ground).standing
    tell(standing)
    assert capsys.readouterr().err == ""
    assert about(standing, sandbox=False) == {"mode": "live", "sandbox": False}


def test_every_runs_report_tells_what_is_not_as_it_looks() -> None:
    notes = ["OVERRIDE on record: assisted by override of person:Ada on 2026-03-10T14:00Z: DNS"]
    leads = {"processed": 1, "total": 1, "crashed": 0, "by_state": {"review": 1}}
    report: dict[str, Any] = {
        "run_id": "R-1", "resumed": False, "mode": "shadow", "leads": leads, "items": [],
        "vendor_writes": 0, "spend": {"estimated_micros": 0}, "mode_notes": notes,
        "deliveries": {"unknown_writes": 0, "items": [], "by_channel": {}, "caps": {}},
    }  # fmt: skip
    for page in (render(report, "emails.json", "audit"), render_run(report, "audit")):
        out = StringIO()
        Console(file=out, width=200, color_system=None).print(page)
        assert notes[0] in out.getvalue()
