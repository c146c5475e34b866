"""P6: what cannot be read ends in a refusal that says why, never in "no failures found"."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from guardrails.approvers import ApproverList
from guardrails.audit import AuditLog
from guardrails.authorize import Authorizer
from guardrails.bank import Bank
from guardrails.bootstrap_hive import ensure_hive
from guardrails.brakes.stop import StopSwitch
from guardrails.clock import Clock
from guardrails.config import load_config
from guardrails.errors import (
    AuditBroken,
    BankUnreadable,
    ConfigError,
    Stopped,
    StoreUnavailable,
    SwarmError,
    VendorSchemaDrift,
)
from guardrails.gate import Gate
from guardrails.hive import Hive
from guardrails.ledger import Ledger
from guardrails.model import Decision, Dossier, Draft, Qualification, Reason, Verdict
from guardrails.policy.evaluate import verdict_of
from guardrails.store import Store, open_store
from guardrails.store.tables import stop_state
from servers.ghl import vendor as ghl
from servers.guardrails.contract import GetStatus
from servers.guardrails.service import GuardrailsService
from servers.instantly import vendor as instantly
from tests.conftest import SteppableClock
from tests.decision_samples import CONFIG, DOSSIER, DRAFT, QUALIFICATION, SENDER, dossier
from tests.servers.wires import sandbox, twin_client

pytestmark = pytest.mark.anyio


@dataclass(frozen=True)
class Request:
    run_id: str = "run-1"
    dossier: Dossier = DOSSIER
    qualification: Qualification | None = QUALIFICATION
    draft: Draft | None = DRAFT
    notes: tuple[Reason, ...] = ()


@dataclass
class Parts:
    """One opened hive; `gate` is made anew, as a restarted process would."""

    hive: Hive
    store: Store
    audit: AuditLog
    clock: Clock

    def gate(self) -> Gate:
        config = load_config(CONFIG)
        bank = Bank(self.hive.bank_file, config.policy.bank, self.clock)
        stop = StopSwitch(self.hive, self.store)
        return Gate(
            config, self.hive, self.store, self.audit, bank, stop, self.clock, sender=SENDER
        )

    def service(self) -> GuardrailsService:
        config = load_config(CONFIG)
        bank = Bank(self.hive.bank_file, config.policy.bank, self.clock)
        stop = StopSwitch(self.hive, self.store)
        parts = (config, self.hive, self.store, self.audit, bank, stop)
        ledger = Ledger.of(config.production, self.store, self.clock, self.hive.salt())
        authorizer = Authorizer(
            *parts, self.clock, ledger, sender=SENDER, approvers=ApproverList(())
        )
        return GuardrailsService(*parts, self.gate(), authorizer)

    def records(self) -> int:
        files = self.hive.audit_dir.glob("*.jsonl")
        return sum(len(file.read_bytes().splitlines()) for file in files)


@pytest.fixture
def parts(tmp_path: Path, clock: SteppableClock) -> Iterator[Parts]:
    hive = ensure_hive(tmp_path / "hive", True, load_config(CONFIG), clock)
    store = open_store(hive)
    audit = AuditLog(hive, store, clock)
    yield Parts(hive, store, audit, clock)
    audit.close()
    store.close()


async def decided(parts: Parts) -> Decision:
    """A decision of an intact hive passes: what the others lose is what made it pass."""
    decision = await parts.gate().review(Request())
    assert decision.verdict is Verdict.PASS
    return decision


async def refused(parts: Parts, gate: Gate, kind: type[SwarmError], run: str) -> None:
    before = parts.records()
    with pytest.raises(kind) as caught:
        await gate.review(Request(run_id=run))
    assert caught.value.message
    assert caught.value.as_failure().remedy
    assert parts.records() == before


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"{}", b'{"schema_version": 99, "items": []}', b"\xff\xfe\x00"],
    ids=["empty", "torn", "list", "bare", "newer", "binary"],
)
async def test_a_torn_or_foreign_bank_decides_nothing(parts: Parts, content: bytes) -> None:
    gate = parts.gate()
    await decided(parts)
    parts.hive.bank_file.write_bytes(content)
    await refused(parts, gate, BankUnreadable, "run-2")
    await refused(parts, parts.gate(), BankUnreadable, "run-3")


async def test_a_bank_cut_at_any_length_decides_nothing(parts: Parts) -> None:
    whole = parts.hive.bank_file.read_bytes()
    for share in range(0, 100, 9):
        parts.hive.bank_file.write_bytes(whole[: len(whole) * share // 100])
        await refused(parts, parts.gate(), BankUnreadable, f"run-{share}")


async def test_a_lost_bank_is_not_made_anew(parts: Parts, clock: SteppableClock) -> None:
    await decided(parts)
    parts.hive.bank_file.unlink()
    ensure_hive(parts.hive.path, True, load_config(CONFIG), clock)
    await refused(parts, parts.gate(), BankUnreadable, "run-2")


async def test_a_lead_without_a_draft_needs_the_bank_all_the_same(parts: Parts) -> None:
    parts.hive.bank_file.unlink()
    with pytest.raises(BankUnreadable):
        await parts.gate().review(Request(draft=None))


async def test_an_audit_that_cannot_be_written_decides_nothing(parts: Parts) -> None:
    gate = parts.gate()
    await decided(parts)
    shutil.rmtree(parts.hive.audit_dir)
    parts.hive.audit_dir.write_text("a file where the directory was")
    with pytest.raises(SwarmError):
        await gate.review(Request(run_id="run-2"))


async def test_an_audit_that_was_cut_short_decides_nothing(parts: Parts) -> None:
    gate = parts.gate()
    await decided(parts)
    next(parts.hive.audit_dir.glob("*.jsonl")).write_bytes(b"")
    with pytest.raises(AuditBroken):
        await gate.review(Request(run_id="run-2"))


async def test_a_database_that_is_gone_decides_nothing(parts: Parts) -> None:
    gate = parts.gate()
    await decided(parts)
    with parts.store.transaction() as conn:
        conn.exec_driver_sql("DROP TABLE suppressions")
    await refused(parts, gate, StoreUnavailable, "run-2")


async def test_inputs_that_cannot_be_kept_decide_nothing(parts: Parts) -> None:
    gate = parts.gate()
    with parts.store.transaction() as conn:
        conn.exec_driver_sql("DROP TABLE documents")
    await refused(parts, gate, StoreUnavailable, "run-1")


async def test_a_stop_state_that_is_missing_counts_as_stopped(parts: Parts) -> None:
    with parts.store.transaction() as conn:
        conn.execute(stop_state.delete())
    await refused(parts, parts.gate(), Stopped, "run-1")


async def test_the_record_of_a_decision_that_is_gone_is_not_replaced(parts: Parts) -> None:
    gate = parts.gate()
    await decided(parts)
    file = next(parts.hive.audit_dir.glob("*.jsonl"))
    file.write_bytes(file.read_bytes().replace(b'"pass"', b'"pasS"', 1))
    with pytest.raises(AuditBroken):
        await gate.review(Request())


@pytest.mark.parametrize("part", ["crm", "outreach", "research"])
async def test_a_lookup_that_failed_is_not_nothing_found(parts: Parts, part: str) -> None:
    decision = await parts.gate().review(Request(dossier=dossier(**{part: None})))
    assert decision.verdict is Verdict.DEFER
    assert [reason.code for reason in decision.reasons] == ["lookup_failed"]


@pytest.mark.parametrize("field", ["email", "dnd", "dndSettings", "Email", "tags", "type"])
async def test_a_renamed_field_of_the_crm_is_not_unset(field: str) -> None:
    client = twin_client(sandbox(renames={"ghl": {field: "new"}}), "ghl", ghl.OPERATIONS)
    crm = ghl.GhlCrm(client, "sandboxLocation00001", "2021-07-28")
    with pytest.raises(VendorSchemaDrift):
        await crm.contacts_with("stop@mutedlake.example")


@pytest.mark.parametrize("field", ["email", "status", "lt_interest_status"])
async def test_a_renamed_field_of_the_sending_platform_is_not_unset(field: str) -> None:
    twins = sandbox(renames={"instantly": {field: "new"}})
    held = next(x for x in twins.site.world.outreach if x.status == 3 and x.interest == -1)
    client = twin_client(twins, "instantly", instantly.OPERATIONS)
    with pytest.raises(VendorSchemaDrift):
        await instantly.InstantlyOutreach(client).leads_with(held.email)


async def test_a_lead_that_was_never_scored_waits(parts: Parts) -> None:
    decision = await parts.gate().review(Request(qualification=None))
    assert decision.verdict is Verdict.DEFER


def test_no_checks_at_all_are_no_pass() -> None:
    assert verdict_of([]) is Verdict.BLOCK


@pytest.mark.parametrize("change", ["unknown", "missing", "torn"])
def test_a_policy_that_is_not_understood_starts_nothing(tmp_path: Path, change: str) -> None:
    directory = tmp_path / "config"
    shutil.copytree(CONFIG, directory)
    file = directory / "policy.json"
    policy = json.loads(file.read_text("utf-8"))
    if change == "unknown":
        policy["content"]["spam_wrods"] = []
    if change == "missing":
        del policy["who"]["blocked_local_parts"]
    text = json.dumps(policy)
    file.write_text(text[:-20] if change == "torn" else text)
    with pytest.raises(ConfigError, match=r"policy\.json"):
        load_config(directory)


async def test_the_status_says_what_cannot_be_read(parts: Parts) -> None:
    assert (await parts.service().get_status(GetStatus())).deciding
    parts.hive.bank_file.write_bytes(b"{")
    with parts.store.transaction() as conn:
        conn.execute(stop_state.delete())
    status = await parts.service().get_status(GetStatus())
    assert not status.deciding
    assert status.stopped
    assert {problem.partition(":")[0] for problem in status.problems} == {"bank", "stop"}
