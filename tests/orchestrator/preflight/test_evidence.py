"""The three days' evidence counts for exactly the versions that it was made under."""

from __future__ import annotations

from pathlib import Path

import pytest

from guardrails.audit import AuditLog
from guardrails.clock import iso
from guardrails.hive import Hive
from guardrails.lesson_folding import fold_pending
from guardrails.model import Mode
from guardrails.store import open_store
from guardrails.store.tables import run_items, runs
from guardrails.store.write_tables import writes
from orchestrator.campaign.record import CampaignRecord, FaultSeen, Question
from orchestrator.preflight.chaos import check_chaos
from orchestrator.preflight.evidence import (
    check_approvals,
    check_learned,
    check_shadow,
    check_unknown_sends,
)
from orchestrator.preflight.ground import Ground
from tests.conftest import SteppableClock
from tests.decision_samples import DOSSIER, new_bank
from tests.guardrails.approval_samples import Waiting
from tests.guardrails.authorize_samples import Desk, in_mode
from tests.orchestrator.preflight.conftest import Yard

pytestmark = pytest.mark.anyio


def run_of(yard: Yard, audit_ids: list[str | None], status: str = "finished") -> None:
    """A shadow run of these decisions."""
    now = iso(yard.desk.clock())
    with yard.desk.store.transaction() as conn:
        conn.execute(runs.insert().values(
            run_id="R-1", run_key="k", mode="shadow", sandbox=True, source="f", status=status,
            total=len(audit_ids), created_at=now,
        ))  # fmt: skip
        for row, audit_id in enumerate(audit_ids, 1):
            conn.execute(run_items.insert().values(
                run_id="R-1", row=row, lead_id=f"L-{row}", audit_id=audit_id, updated_at=now,
                state="shadow_logged" if audit_id else None,
            ))  # fmt: skip


async def ten(yard: Yard) -> list[str | None]:
    return [(await yard.decided(number)).audit_id for number in range(10)]


def of_other_code(ground: Ground) -> Ground:
    versions = ground.versions.model_copy(update={"code": "0.1.0+ffffffffffff"})
    return Ground(
        ground.hive, ground.config, ground.environment, ground.held, ground.clock, versions
    )


async def test_a_whole_shadow_run_on_these_versions_counts(yard: Yard) -> None:
    run_of(yard, await ten(yard))
    found = check_shadow(yard.ground())
    assert found.result == "ok"
    assert "10/10 leads without a crash (10 shadow_logged), on these versions" in found.seen


async def test_no_run_a_short_one_and_one_that_is_not_over_do_not(yard: Yard) -> None:
    assert check_shadow(yard.ground()).result == "fail"
    run_of(yard, [*(await ten(yard))[:9], None], status="running")
    assert check_shadow(yard.ground()).result == "fail"
    assert "deploy_shadow_mode.py" in check_shadow(yard.ground()).do


async def test_nine_of_ten_are_not_ten(yard: Yard) -> None:
    run_of(yard, [*(await ten(yard))[:9], None])
    assert check_shadow(yard.ground()).result == "fail"


async def test_a_shadow_run_of_other_code_or_policy_does_not(yard: Yard) -> None:
    run_of(yard, await ten(yard))
    found = check_shadow(of_other_code(yard.ground()))
    assert (found.result, "by other code" in found.seen) == ("fail", True)
    who = yard.desk.config.policy.who.model_copy(update={"recent_contact_days": 1})
    policy = yard.desk.config.policy.model_copy(update={"who": who})
    yard.desk.config = yard.desk.config.model_copy(update={"policy": policy})
    found = check_shadow(yard.ground())
    assert (found.result, "under another policy" in found.seen) == ("fail", True)


async def test_a_run_whose_decisions_are_not_on_record_does_not(yard: Yard) -> None:
    run_of(yard, [f"A-{number:016d}" for number in range(10)])
    found = check_shadow(yard.ground())
    assert (found.result, "not on record" in found.seen) == ("fail", True)


async def test_five_approved_and_one_rejected_on_these_versions_count(
    assisted_yard: Yard,
) -> None:
    yard, waiting = assisted_yard, Waiting(assisted_yard.desk)
    ada = waiting.who("Ada")
    for number in range(6):
        asked = await waiting.asked(await yard.decided(number))
        if number < 5:
            await waiting.approvals.approve(asked.approval_id, asked.content_hash, ada, "cli")
        else:
            assert "4 of 5" not in check_approvals(yard.ground()).seen
            assert check_approvals(yard.ground()).result == "fail"
            assert check_learned(yard.ground()).seen == "nothing was rejected yet"
            await waiting.approvals.reject(
                asked.approval_id, asked.content_hash, ada, "cli", reason_code="tone"
            )
    assert check_approvals(yard.ground()).result == "ok"
    assert check_learned(yard.ground()).result == "fail"  # queued, and not in the bank yet
    await fold_pending(yard.desk.store, yard.desk.bank, yard.desk.hive, yard.desk.clock)
    assert check_learned(yard.ground()).seen == "1 of 1 rejections stand in the bank"
    other = check_approvals(of_other_code(yard.ground()))
    assert other.result == "fail"
    assert other.seen.startswith("0 of 5 approved and 0 of 1 rejected by people (6 more")


async def test_what_nobody_decided_is_nobodys_approval(
    assisted_yard: Yard, clock: SteppableClock
) -> None:
    waiting = Waiting(assisted_yard.desk)
    await waiting.asked(await assisted_yard.decided(0))
    clock.step(days=2)
    await waiting.approvals.expire_due()
    assert check_approvals(assisted_yard.ground()).seen.startswith("0 of 5 approved")


def test_a_write_of_unknown_fate_is_told(yard: Yard) -> None:
    assert check_unknown_sends(yard.ground()).result == "ok"
    now = iso(yard.desk.clock())
    with yard.desk.store.transaction() as conn:
        conn.execute(writes.insert().values(
            key="a", vendor="ghl", action="send_email", recipient_hash="r", content_hash="c",
            status="unknown", counts=True, created_at=now, updated_at=now,
        ))  # fmt: skip
    found = check_unknown_sends(yard.ground())
    assert (found.result, "swarm sends unknown" in found.do) == ("fail", True)


async def campaign(
    yard: Yard, *, minutes: float = 60, holds: bool = True, mode: Mode = Mode.SHADOW
) -> Path:
    """A campaign that is over, and its hive with one decision in it."""
    folder = yard.desk.hive.path / "chaos" / "C-1"
    hive = Hive.open(folder / "hive", sandbox=True)
    store = open_store(hive)
    audit = AuditLog(hive, store, yard.desk.clock)
    theirs = Desk(
        hive, store, yard.desk.clock, audit, new_bank(hive, yard.desk.clock), in_mode(mode)
    )
    await theirs.decided(dossier=DOSSIER)
    audit.close()
    store.close()
    record = CampaignRecord(
        campaign_id="C-1", kind="random", started_at="2026-03-10T14:00:00.000000Z",
        seconds=minutes * 60, seed=1, rate=0.1, faults_allowed=("http_500",), sandbox=True,
        leads_file="f", rounds=3, command="swarm chaos", environment={},
        faults=(FaultSeen(t=minutes * 60 - 5, site="ghl.search_contacts", fault="http_500"),),
        questions=(Question(id="crash", text="It did not crash", holds=holds, answer="-"),),
    )  # fmt: skip
    (folder / "report.json").write_text(record.model_dump_json())
    (folder.parent / "latest").symlink_to("C-1")
    return folder


async def test_an_hour_of_chaos_on_these_versions_counts(yard: Yard) -> None:
    assert check_chaos(yard.ground()).seen == "no campaign has ended here yet"
    await campaign(yard)
    found = check_chaos(yard.ground())
    assert (found.result, found.seen.endswith("held, on these versions")) == ("ok", True)
    other = check_chaos(of_other_code(yard.ground()))
    assert (other.result, "by other code" in other.seen) == ("fail", True)


async def test_a_short_campaign_and_one_that_did_not_hold_do_not(yard: Yard) -> None:
    await campaign(yard, minutes=10)
    assert "too short" in check_chaos(yard.ground()).seen


async def test_a_campaign_that_did_not_hold_says_what(yard: Yard) -> None:
    await campaign(yard, holds=False)
    found = check_chaos(yard.ground())
    assert (found.result, "It did not crash" in found.seen) == ("fail", True)


async def test_a_report_without_its_record_is_no_evidence(yard: Yard) -> None:
    folder = await campaign(yard)
    [file] = (folder / "hive" / "audit").glob("*.jsonl")
    file.write_bytes(file.read_bytes().replace(b'"review"', b'"revieW"'))
    assert "does not hold" in check_chaos(yard.ground()).seen
    (folder / "hive" / "swarm.db").unlink()
    assert check_chaos(yard.ground()).result == "unknown"
    (folder / "report.json").write_text("{")
    assert check_chaos(yard.ground()).result == "unknown"
