"""P2: the audit record of a decision is on disk before the permit exists; otherwise, no."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from guardrails.audit import AuditEntry, AuditLog, AuditRef, audit_id_of
from guardrails.brakes.stop import StopSwitch
from guardrails.errors import AuditBroken, AuditUnwritable, Refused, StoreUnavailable
from guardrails.hive import Hive
from guardrails.model import Mode
from guardrails.permits import PermitMint, PermitRequest
from guardrails.store import Store

pytestmark = pytest.mark.anyio
REQUEST = PermitRequest(
    action="send_email", vendor="ghl", key="send:d-1", recipient_hash="a" * 64,
    content_hash="b" * 64, mode=Mode.LIVE, policy_version="p", bank_version="b", stop_epoch=0,
)  # fmt: skip


@pytest.fixture
async def log(hive: Hive, store: Store, clock: Any) -> AsyncIterator[AuditLog]:
    opened = AuditLog(hive, store, clock)
    yield opened
    opened.close()


@pytest.fixture
def mint(hive: Hive, store: Store, log: AuditLog, clock: Any) -> PermitMint:
    return PermitMint(hive, log, StopSwitch(hive, store), clock)


def authorize(request: PermitRequest = REQUEST, kind: str = "authorize") -> AuditEntry:
    return AuditEntry(kind, "gate", {"permit": request.model_dump(mode="json")}, "d-1")


async def test_a_recorded_authorization_gives_a_permit(log: AuditLog, mint: PermitMint) -> None:
    [ref] = await log.record([authorize()])
    assert mint.mint(REQUEST, ref).count(".") == 2


async def test_a_reference_to_no_record_gives_none(mint: PermitMint, hive: Hive) -> None:
    ref = AuditRef(audit_id_of("d-1"), "0" * 64, 1, existing=False)
    with pytest.raises(Refused, match="not on disk"):
        mint.mint(REQUEST, ref)
    assert not list(hive.keys_dir.glob("permit.*"))


async def test_a_reference_with_another_hash_gives_none(log: AuditLog, mint: PermitMint) -> None:
    [ref] = await log.record([authorize()])
    with pytest.raises(Refused, match="not on disk"):
        mint.mint(REQUEST, AuditRef(ref.audit_id, "0" * 64, ref.seq, existing=False))


@pytest.mark.parametrize("kind", ["review", "approval", "outcome"])
async def test_a_record_of_another_kind_gives_none(
    log: AuditLog, mint: PermitMint, kind: str
) -> None:
    [ref] = await log.record([authorize(kind=kind)])
    with pytest.raises(Refused, match="does not authorize"):
        mint.mint(REQUEST, ref)


@pytest.mark.parametrize("field", ["recipient_hash", "content_hash", "action", "approver"])
async def test_a_record_of_another_write_gives_none(
    log: AuditLog, mint: PermitMint, field: str
) -> None:
    [ref] = await log.record([authorize(REQUEST.model_copy(update={field: "other"}))])
    with pytest.raises(Refused, match="does not authorize"):
        mint.mint(REQUEST, ref)


async def test_a_record_that_left_the_disk_gives_none(
    log: AuditLog, mint: PermitMint, hive: Hive
) -> None:
    [ref] = await log.record([authorize()])
    [file] = hive.audit_dir.glob("*.jsonl")
    whole = file.read_bytes()
    for damaged in (b"", whole[:-40], whole.replace(b"send_email", b"send_emoil")):
        file.write_bytes(damaged)
        with pytest.raises(AuditBroken):
            mint.mint(REQUEST, ref)
    file.unlink()
    with pytest.raises(AuditBroken):
        mint.mint(REQUEST, ref)


async def test_what_cannot_be_recorded_has_no_reference_to_mint_from(
    log: AuditLog, hive: Hive
) -> None:
    await log.record([AuditEntry("review", "gate")])
    hive.audit_dir.rename(hive.path / "gone")
    with pytest.raises(AuditUnwritable):
        await log.record([authorize()])


async def test_without_the_database_there_is_no_permit(
    log: AuditLog, mint: PermitMint, store: Store, hive: Hive
) -> None:
    [ref] = await log.record([authorize()])
    with store.transaction() as conn:
        conn.exec_driver_sql("DROP TABLE audit_index")
    with pytest.raises(StoreUnavailable):
        mint.mint(REQUEST, ref)
