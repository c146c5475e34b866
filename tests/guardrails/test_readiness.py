"""Modes are earned: which mode a hive may run in, whatever is written into its record."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from guardrails.audit import AuditEntry, AuditLog
from guardrails.config import Config, load_config
from guardrails.errors import BadInput
from guardrails.hive import Hive
from guardrails.keys import rotate
from guardrails.model import Mode
from guardrails.readiness import decision_of, standing_at, standing_of, statements
from guardrails.readiness_model import KIND, Standing, Statement
from guardrails.readiness_record import Registrar, signed_body
from guardrails.store import Store, open_store
from guardrails.versions import sources_digest, versions_of, with_mode
from tests.conftest import SteppableClock

pytestmark = pytest.mark.anyio
LIVE = with_mode(load_config(), Mode.LIVE)
ASSISTED = with_mode(LIVE, Mode.ASSISTED)
GOOD: dict[str, Any] = {"shadow_run": "ok", "dkim": "warn"}


@pytest.fixture
def hive(tmp_path: Path) -> Hive:
    return Hive.open(tmp_path / "hive", sandbox=False)


@dataclass
class Office:
    """A real hive's record, and whoever writes into it."""

    hive: Hive
    store: Store
    audit: AuditLog
    clock: SteppableClock

    def standing(self, config: Config = LIVE, wanted: Mode | None = None) -> Standing:
        return standing_of(self.hive, self.audit, config, wanted, self.clock)

    def registrar(self, config: Config = LIVE) -> Registrar:
        return Registrar(self.hive, self.audit, config, self.clock)

    async def earn(self, mode: Mode, config: Config = LIVE) -> None:
        await self.registrar(config).state("earned", mode, GOOD, "person:ops")

    def statement(self, **changes: Any) -> Statement:
        """One that would carry live, but for the changes."""
        said: dict[str, Any] = {
            "number": 1, "kind": "earned", "mode": Mode.LIVE, "versions": versions_of(LIVE),
            "chain": self.hive.chain_id(), "sandbox": False, "issued_at": self.clock(),
            "by": "person:ops", "checks": GOOD,
        }  # fmt: skip
        return Statement(**(said | changes))

    async def put(self, body: dict[str, object], number: int = 1) -> None:
        """Whatever it is, into the place of a statement."""
        name = decision_of(self.hive.chain_id(), number)
        await self.audit.record([AuditEntry(KIND, "person:ops", body, decision_id=name)])


@pytest.fixture
def office(hive: Hive, sqlite_store: Store, clock: SteppableClock) -> Iterator[Office]:
    audit = AuditLog(hive, sqlite_store, clock)
    yield Office(hive, sqlite_store, audit, clock)
    audit.close()


async def test_without_a_record_everything_is_shadow_and_it_is_said_what_to_do(
    office: Office,
) -> None:
    found = office.standing()
    assert (found.configured, found.mode, found.lowered) == (Mode.LIVE, Mode.SHADOW, True)
    assert "never earned" in found.lowered_because
    assert "swarm preflight --for live" in found.notes()[0]


async def test_an_earned_mode_carries_itself_and_what_is_below_it(office: Office) -> None:
    await office.earn(Mode.ASSISTED)
    assert office.standing(ASSISTED).mode is Mode.ASSISTED
    assert office.standing(LIVE).mode is Mode.ASSISTED
    assert "live was not earned for these versions yet" in office.standing(LIVE).lowered_because
    await office.earn(Mode.LIVE)
    assert office.standing(LIVE).mode is Mode.LIVE
    assert office.standing(ASSISTED).mode is Mode.ASSISTED
    assert office.standing(LIVE).notes() == ()


async def test_lowering_is_immediate_and_asks_nobody(office: Office) -> None:
    await office.earn(Mode.LIVE)
    assert office.standing(LIVE, Mode.SHADOW).mode is Mode.SHADOW
    assert not office.standing(LIVE, Mode.SHADOW).lowered
    assert office.standing(with_mode(LIVE, Mode.SHADOW), Mode.LIVE).mode is Mode.SHADOW


async def test_another_policy_asks_again_and_the_former_one_does_not(office: Office) -> None:
    await office.earn(Mode.LIVE)
    who = LIVE.policy.who.model_copy(update={"recent_contact_days": 1})
    policy = LIVE.policy.model_copy(update={"who": who})
    edited = LIVE.model_copy(update={"policy": policy})
    found = office.standing(edited)
    assert found.mode is Mode.SHADOW
    assert found.lowered_because.startswith("policy changed since it was earned on 2026-03-10")
    assert office.standing(LIVE).mode is Mode.LIVE


@pytest.mark.parametrize(
    ("part", "value", "word"),
    [("code", "0.1.0+000000000000", "code"), ("bank_schema", 7, "bank schema")],
)
async def test_other_code_or_another_form_of_the_bank_asks_again(
    office: Office, part: str, value: Any, word: str
) -> None:
    before = versions_of(LIVE).model_copy(update={part: value})
    await office.put(signed_body(office.statement(versions=before), office.hive))
    found = office.standing()
    assert found.mode is Mode.SHADOW
    assert found.lowered_because.startswith(f"{word} changed")


async def test_a_signature_holds_for_what_was_signed_and_nothing_else(office: Office) -> None:
    body = signed_body(office.statement(mode=Mode.ASSISTED), office.hive)
    said = body["statement"]
    assert isinstance(said, dict)
    await office.put(body | {"statement": said | {"mode": "live"}})
    assert office.standing().mode is Mode.SHADOW


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"statement": None, "signature": None},
        {"statement": {"mode": "live"}, "signature": "AAAA"},
        {"statement": [], "signature": "no base64!"},
    ],
)
async def test_what_is_no_statement_carries_nothing(
    office: Office, body: dict[str, object]
) -> None:
    await office.put(body)
    assert office.standing().mode is Mode.SHADOW


async def test_another_hives_statement_carries_nothing_here(office: Office, tmp_path: Path) -> None:
    other = Hive.open(tmp_path / "other", sandbox=False)
    theirs = office.statement(chain=other.chain_id())
    await office.put(signed_body(theirs, other))
    # Nor does ours with their name in it, or theirs with our name.
    await office.put(signed_body(theirs.model_copy(update={"number": 2}), office.hive), 2)
    await office.put(signed_body(office.statement(number=3), other), 3)
    assert list(statements(office.hive, office.audit, office.clock)) == []
    assert office.standing().mode is Mode.SHADOW


async def test_what_the_sandbox_earned_is_worth_nothing_for_real(office: Office) -> None:
    await office.put(signed_body(office.statement(sandbox=True), office.hive))
    assert office.standing().mode is Mode.SHADOW


async def test_a_statement_counts_in_its_own_place_alone(office: Office) -> None:
    await office.put({})
    await office.put(signed_body(office.statement(number=1), office.hive), 2)
    assert office.standing().mode is Mode.SHADOW


async def test_a_statement_from_the_future_counts_when_its_time_has_come(office: Office) -> None:
    await office.earn(Mode.LIVE)
    office.clock.step(-3600)
    assert office.standing().mode is Mode.SHADOW
    office.clock.step(3600)
    assert office.standing().mode is Mode.LIVE


async def test_a_rotated_key_asks_again(office: Office) -> None:
    await office.earn(Mode.LIVE)
    await rotate(office.hive, office.store, office.audit, "person:ops", "the laptop was stolen")
    assert office.standing().mode is Mode.SHADOW
    await office.earn(Mode.LIVE)
    assert office.standing().mode is Mode.LIVE


async def test_an_edited_file_is_shadow(office: Office) -> None:
    await office.earn(Mode.ASSISTED)
    [file] = office.hive.audit_dir.glob("*.jsonl")
    file.write_bytes(file.read_bytes().replace(b'"mode":"assisted"', b'"mode":"live"    '))
    found = office.standing(ASSISTED)
    assert found.mode is Mode.SHADOW
    assert "cannot be read" in found.lowered_because


async def test_without_keys_nothing_carries(office: Office) -> None:
    await office.earn(Mode.LIVE)
    (office.hive.keys_dir / "permit.pub").unlink()
    assert office.standing().mode is Mode.SHADOW


async def test_an_override_carries_and_is_told_ever_after(office: Office) -> None:
    await office.registrar().state(
        "override", Mode.ASSISTED, {"dkim": "fail"}, "person:ana",
        "DNS moves on Monday; ask ana@ourside.example",
    )  # fmt: skip
    found = office.standing(ASSISTED)
    assert found.mode is Mode.ASSISTED
    [note] = found.notes()
    assert note.startswith("OVERRIDE in force: assisted by override of person:ana on 2026-03-10")
    assert "[address]" in note
    await office.earn(Mode.ASSISTED)
    [later] = office.standing(ASSISTED).notes()
    assert later.startswith("OVERRIDE on record: assisted by override of person:ana")
    assert (
        office.standing(with_mode(LIVE, Mode.SHADOW)).notes() == office.standing(ASSISTED).notes()
    )


async def test_an_override_needs_a_reason_and_nothing_is_earned_by_what_does_not_hold(
    office: Office,
) -> None:
    registrar = office.registrar()
    with pytest.raises(BadInput, match="reason"):
        await registrar.state("override", Mode.LIVE, GOOD, "person:ops", "  ")
    for checks in ({}, GOOD | {"spf": "fail"}, GOOD | {"spf": "unknown"}, {"spf": "warn"}):
        with pytest.raises(BadInput, match="do not hold"):
            await registrar.state("earned", Mode.LIVE, checks, "person:ops")
    with pytest.raises(BadInput, match="shadow"):
        await registrar.state("earned", Mode.SHADOW, GOOD, "person:ops")
    assert office.audit.head().seq == 0


async def test_the_same_is_said_once_also_by_two_at_a_time(office: Office) -> None:
    await asyncio.gather(office.earn(Mode.ASSISTED), office.earn(Mode.ASSISTED))
    _, fresh = await office.registrar().state("earned", Mode.ASSISTED, GOOD, "person:ops")
    assert not fresh
    assert len(list(statements(office.hive, office.audit, office.clock))) == 1
    # What was earned is more than an override could add.
    held, fresh = await office.registrar().state("override", Mode.ASSISTED, GOOD, "ops", "why not")
    assert (held.statement.kind, fresh) == ("earned", False)


def test_a_process_that_cannot_read_the_record_is_in_shadow(
    tmp_path: Path, clock: SteppableClock
) -> None:
    nowhere = standing_at(tmp_path / "none", LIVE, None, None, clock)
    assert nowhere.mode is Mode.SHADOW
    assert not (tmp_path / "none").exists()

    hive = Hive.open(tmp_path / "hive", sandbox=False)
    assert standing_at(hive.path, LIVE, None, None, clock).mode is Mode.SHADOW
    hive.database_file.write_bytes(b"not a database at all, and long enough to be looked at" * 9)
    assert standing_at(hive.path, LIVE, None, None, clock).mode is Mode.SHADOW
    assert standing_at(hive.path, LIVE, None, "mysql://elsewhere", clock).mode is Mode.SHADOW


async def test_a_process_that_was_just_started_finds_what_was_earned(
    hive: Hive, store_url: str | None, clock: SteppableClock
) -> None:
    store = open_store(hive, store_url)
    audit = AuditLog(hive, store, clock)
    await Registrar(hive, audit, LIVE, clock).state("earned", Mode.LIVE, GOOD, "person:ops")
    audit.close()
    store.close()
    assert standing_at(hive.path, LIVE, None, store_url, clock).mode is Mode.LIVE
    assert standing_at(hive.path, LIVE, Mode.ASSISTED, store_url, clock).mode is Mode.ASSISTED


def test_code_is_the_same_when_its_sources_are_wherever_they_lie(tmp_path: Path) -> None:
    def installed(where: str, text: str) -> str:
        for package in ("guardrails", "servers", "orchestrator"):
            folder = tmp_path / where / package
            (folder / "__pycache__").mkdir(parents=True)
            (folder / "gate.py").write_text(text)
            (folder / "__pycache__" / "gate.pyc").write_text(where)
        return sources_digest(tmp_path / where)

    here = installed("checkout", "SAFE = True\n")
    assert installed("wheel", "SAFE = True\n") == here
    assert installed("patched", "SAFE = False\n") != here
