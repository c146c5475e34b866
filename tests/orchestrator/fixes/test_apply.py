"""Proposing, applying and taking back: recorded first, whole or not at all, one at a time."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from guardrails.audit import AuditLog
from guardrails.brakes.failures import FailureTracker
from guardrails.brakes.quarantine import Quarantine
from guardrails.config import config_dir, load_config
from guardrails.errors import (
    AuditUnwritable,
    BadInput,
    ConfigError,
    NotFound,
    Refused,
    SwarmError,
)
from guardrails.hive import Hive
from guardrails.store import Store
from orchestrator.fixes.apply import Changer
from orchestrator.fixes.model import FixFiles, Proposal
from orchestrator.fixes.propose import propose
from tests.conftest import SteppableClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return Path(shutil.copytree(config_dir(), tmp_path / "config"))


@pytest.fixture
def changer(hive: Hive, sqlite_store: Store, config: Path, clock: SteppableClock) -> Changer:
    return Changer(hive, sqlite_store, config, clock, "operator:test")


@pytest.fixture
def tracker(hive: Hive, sqlite_store: Store, clock: SteppableClock) -> FailureTracker:
    return FailureTracker(sqlite_store, hive, clock, "ghl")


def document(config: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((config / "production.json").read_text())
    return found


def read_timeout(config: Path) -> float:
    found: float = document(config)["vendors"]["ghl"]["timeouts"]["read"]
    return found


async def slow(tracker: FailureTracker, changer: Changer, times: int = 3) -> tuple[Proposal, ...]:
    for number in range(times):
        row = tracker.row(
            "timeout", "search_contacts", "no answer (ReadTimeout)", vendor="ghl",
            lead_id=f"L-{number}",
        )  # fmt: skip
        await tracker.record(row)
    return await propose(changer.store, changer.hive, changer.config, changer.clock)


def audited(changer: Changer) -> Iterator[dict[str, Any]]:
    audit = AuditLog(changer.hive, changer.store, changer.clock)
    yield from audit.iter_records()
    audit.close()


async def test_failures_become_a_proposal_that_is_applied_and_taken_back(
    tracker: FailureTracker, changer: Changer, config: Path
) -> None:
    before = (config / "production.json").read_bytes()
    (fix,) = await slow(tracker, changer)
    assert (fix.status, fix.evidence.failures, read_timeout(config)) == ("proposed", 3, 20)
    done = await changer.apply(fix.id)
    assert (done.status, read_timeout(config)) == ("applied", 40)
    assert load_config(config).production.vendors.ghl.timeouts.total == 80
    undone = await changer.revert(fix.id)
    assert undone.status == "reverted"
    assert (config / "production.json").read_bytes() == before
    again = await changer.apply(fix.id)  # a person may change their mind
    assert (again.status, read_timeout(config)) == ("applied", 40)


async def test_each_change_is_on_the_record_with_who_and_what(
    tracker: FailureTracker, changer: Changer
) -> None:
    (fix,) = await slow(tracker, changer)
    done = await changer.apply(fix.id)
    await changer.revert(fix.id)
    applied, reverted = audited(changer)
    assert (applied["kind"], applied["actor"]) == ("config_change", "operator:test")
    assert applied["audit_id"] == done.audit_id
    assert applied["body"]["patch"][1]["value"] == 40
    assert (reverted["body"]["act"], reverted["body"]["fix"]) == ("revert", fix.id)
    assert reverted["body"]["after"] == applied["body"]["before"]


async def test_without_a_record_nothing_changes(
    tracker: FailureTracker, changer: Changer, hive: Hive, config: Path
) -> None:
    (fix,) = await slow(tracker, changer)
    shutil.rmtree(hive.audit_dir)
    hive.audit_dir.write_text("no directory")
    with pytest.raises(AuditUnwritable):
        await changer.apply(fix.id)
    assert read_timeout(config) == 20
    assert FixFiles(hive).get(fix.id).status == "proposed"


async def test_a_crash_between_record_and_file_is_harmless_and_visible(
    tracker: FailureTracker, changer: Changer, hive: Hive, config: Path
) -> None:
    (fix,) = await slow(tracker, changer)
    before = (config / "production.json").read_bytes()
    await changer.apply(fix.id)
    (config / "production.json").write_bytes(before)  # as if the file had never been replaced
    FixFiles(hive).put(fix)
    assert FixFiles(hive).get(fix.id).status == "proposed"
    await changer.apply(fix.id)
    assert read_timeout(config) == 40
    assert [record["body"]["act"] for record in audited(changer)] == ["apply", "apply"]


async def test_a_crash_after_the_file_was_replaced_is_noticed_and_can_be_taken_back(
    tracker: FailureTracker, changer: Changer, hive: Hive, config: Path
) -> None:
    (fix,) = await slow(tracker, changer)
    done = await changer.apply(fix.id)
    FixFiles(hive).put(done.model_copy(update={"status": "proposed"}))  # the last note is missing
    await propose(changer.store, changer.hive, changer.config, changer.clock)
    assert FixFiles(hive).get(fix.id).status == "applied"
    await changer.revert(fix.id)
    assert read_timeout(config) == 20


async def test_a_crash_after_taking_back_or_applying_again_is_noticed_too(
    tracker: FailureTracker, changer: Changer, hive: Hive, config: Path
) -> None:
    (fix,) = await slow(tracker, changer)
    done = await changer.apply(fix.id)
    undone = await changer.revert(fix.id)
    FixFiles(hive).put(done)  # the last note is missing
    await propose(changer.store, changer.hive, changer.config, changer.clock)
    assert FixFiles(hive).get(fix.id).status == "reverted"
    again = await changer.apply(fix.id)
    FixFiles(hive).put(again.model_copy(update={"status": undone.status}))
    await propose(changer.store, changer.hive, changer.config, changer.clock)
    assert FixFiles(hive).get(fix.id).status == "applied"
    await changer.revert(fix.id)
    assert read_timeout(config) == 20


async def test_old_failures_do_not_propose_the_same_again_after_a_fix(
    tracker: FailureTracker, changer: Changer, clock: SteppableClock
) -> None:
    (fix,) = await slow(tracker, changer)
    clock.step(60)
    await changer.apply(fix.id)
    clock.step(60)
    assert await propose(changer.store, changer.hive, changer.config, clock) == ()
    (more,) = await slow(tracker, changer)
    assert (more.id != fix.id, more.patch[1].value, more.evidence.failures) == (True, 80, 3)


async def test_new_evidence_goes_into_the_proposal_and_an_unfit_one_is_dropped(
    tracker: FailureTracker, changer: Changer, hive: Hive, config: Path
) -> None:
    (fix,) = await slow(tracker, changer)
    (same,) = await slow(tracker, changer)
    assert (same.id, same.evidence.failures) == (fix.id, 6)
    edited = document(config)
    edited["vendors"]["ghl"]["timeouts"]["read"] = 30
    (config / "production.json").write_text(json.dumps(edited, indent=2))
    (other,) = await slow(tracker, changer)
    assert [one.id for one in FixFiles(hive).all()] == [other.id]
    with pytest.raises(NotFound):
        await changer.apply(fix.id)


async def test_a_configuration_that_changed_since_is_not_patched(
    tracker: FailureTracker, changer: Changer, config: Path
) -> None:
    (fix,) = await slow(tracker, changer)
    edited = document(config)
    edited["vendors"]["ghl"]["timeouts"]["read"] = 30
    (config / "production.json").write_text(json.dumps(edited, indent=2))
    with pytest.raises(Refused, match="changed since"):
        await changer.apply(fix.id)


async def test_a_fix_that_was_edited_by_hand_afterwards_is_not_taken_back(
    tracker: FailureTracker, changer: Changer, config: Path
) -> None:
    (fix,) = await slow(tracker, changer)
    await changer.apply(fix.id)
    edited = document(config)
    edited["vendors"]["ghl"]["timeouts"]["read"] = 41
    (config / "production.json").write_text(json.dumps(edited, indent=2))
    with pytest.raises(Refused, match="changed there since"):
        await changer.revert(fix.id)
    assert read_timeout(config) == 41


async def test_two_people_cannot_apply_at_once(
    tracker: FailureTracker, changer: Changer, config: Path
) -> None:
    (fix,) = await slow(tracker, changer)
    holder = os.open(config, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    with pytest.raises(Refused, match="another fix"):
        await changer.apply(fix.id)
    os.close(holder)
    await changer.apply(fix.id)
    with pytest.raises(Refused, match="applied already"):
        await changer.apply(fix.id)


async def test_a_forged_proposal_is_refused_at_apply_and_at_revert(
    tracker: FailureTracker, changer: Changer, hive: Hive, config: Path
) -> None:
    (fix,) = await slow(tracker, changer)
    files = FixFiles(hive)
    loose = [
        {"op": "test", "path": "/work/concurrency", "value": 16},
        {"op": "replace", "path": "/work/concurrency", "value": 256},
    ]
    files.put(Proposal.model_validate(fix.model_dump() | {"patch": loose}))
    with pytest.raises(Refused, match="only made smaller"):
        await changer.apply(fix.id)
    # "Taking back" a fix that never was would loosen what it pretends to have tightened.
    pretended = [
        {"op": "test", "path": "/work/concurrency", "value": 256},
        {"op": "replace", "path": "/work/concurrency", "value": 16},
    ]
    back = [
        {"op": "test", "path": "/work/concurrency", "value": 16},
        {"op": "replace", "path": "/work/concurrency", "value": 256},
    ]
    forged = {"patch": pretended, "inverse": back, "status": "applied", "audit_id": "A-0"}
    files.put(Proposal.model_validate(fix.model_dump() | forged))
    with pytest.raises(Refused, match="the audit does not know"):
        await changer.revert(fix.id)
    assert document(config)["work"]["concurrency"] == 16


async def test_a_configuration_that_cannot_be_written_says_to_take_an_own_copy(
    tracker: FailureTracker, changer: Changer, config: Path, tmp_path: Path
) -> None:
    (fix,) = await slow(tracker, changer)
    packaged = shutil.copytree(config, tmp_path / "_packaged")
    with pytest.raises(ConfigError) as caught:
        await Changer(changer.hive, changer.store, packaged, changer.clock, "operator:test").apply(
            fix.id
        )
    assert "--config" in caught.value.remedy
    assert list(audited(changer)) == []


async def test_what_does_not_validate_is_not_put_in_place(
    tracker: FailureTracker, changer: Changer, config: Path
) -> None:
    (fix,) = await slow(tracker, changer)
    (config / "policy.json").write_text("{}")
    with pytest.raises(ConfigError, match="policy"):
        await changer.apply(fix.id)
    assert read_timeout(config) == 20
    assert sorted(path.name for path in config.glob(".*")) == []


async def test_a_diagnosis_without_a_patch_tells_who_must_act(
    tracker: FailureTracker, changer: Changer
) -> None:
    await tracker.record(
        tracker.row("auth_key", "search_contacts", "HTTP 401: expired", vendor="ghl", status=401)
    )
    (fix,) = await propose(changer.store, changer.hive, changer.config, changer.clock)
    with pytest.raises(Refused) as caught:
        await changer.apply(fix.id)
    assert "GHL_PROD_API_KEY" in caught.value.remedy


async def test_a_poisoned_lead_is_quarantined_and_released(
    tracker: FailureTracker, changer: Changer
) -> None:
    for _ in range(3):
        await tracker.record(
            tracker.row("server_died", "compose", "died", server="crafter", lead_id="L-9")
        )
    (fix,) = await propose(changer.store, changer.hive, changer.config, changer.clock)
    quarantine = Quarantine(changer.store, changer.clock)
    await changer.apply(fix.id)
    assert await quarantine.is_quarantined("L-9")
    await changer.revert(fix.id)
    assert not await quarantine.is_quarantined("L-9")
    assert [record["body"]["quarantine"] for record in audited(changer)] == ["L-9", "L-9"]


@pytest.mark.parametrize("id", ["../../etc/passwd", "F-XYZ", "", "F-0123456789", "F-00000000\n"])
async def test_an_id_cannot_lead_out_of_the_hive(changer: Changer, id: str) -> None:
    with pytest.raises(BadInput):
        await changer.apply(id)


async def test_a_damaged_proposal_is_told_and_does_not_hide_the_others(
    tracker: FailureTracker, changer: Changer, hive: Hive
) -> None:
    (fix,) = await slow(tracker, changer)
    (hive.fixes_dir / "F-0000aaaa.json").write_text('{"torn')
    assert [one.id for one in FixFiles(hive).all()] == [fix.id]
    with pytest.raises(SwarmError, match="damaged"):
        FixFiles(hive).get("F-0000aaaa")
