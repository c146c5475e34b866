"""The requests as they stand in `samples/`, letter for letter, and what their answers mean.

The samples are ours; each was checked against the vendor's specification when it was made (send
without `subType` and `status`, as the live service takes it).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from guardrails.errors import VendorRejected, VendorUnavailable
from guardrails.model import Mode
from servers.ghl import contract_mail as mail
from servers.ghl import contract_writes as writes
from servers.ghl.contract_form import Write
from servers.ghl.vendor_operations import WRITES
from servers.ghl.vendor_writes import OPERATIONS, GhlWriting
from tests.servers.wires import BASE, FreeDesk, ScriptedWire, answer, client_over, safety_with

pytestmark = pytest.mark.anyio
SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.json"))
ARGUMENTS: dict[str, type[Write]] = {
    "upsert_contact": writes.UpsertContact,
    "add_tags": writes.AddTags,
    "remove_tags": writes.RemoveTags,
    "set_dnd": writes.SetDnd,
    "add_note": writes.AddNote,
    "create_task": writes.CreateTask,
    "create_opportunity": writes.PutOpportunity,
    "update_opportunity": writes.PutOpportunity,
    "add_to_workflow": writes.AddToWorkflow,
    "remove_from_workflow": writes.RemoveFromWorkflow,
    "send_email": mail.SendEmail,
}


def adapter(*steps: httpx.Response | Exception) -> tuple[GhlWriting, ScriptedWire, FreeDesk]:
    wire, desk = ScriptedWire(*steps), FreeDesk()
    safety = safety_with(writes=desk.desk())
    client = client_over(wire, OPERATIONS, mode=Mode.LIVE, safety=safety)
    return GhlWriting(client, "loc1", "2021-07-28", "2021-04-15"), wire, desk


def write_of(name: str, sample: dict[str, Any]) -> Write:
    return ARGUMENTS[name].model_validate(sample["arguments"] | {"permit": "token"})


def test_every_write_has_a_sample() -> None:
    assert {path.stem for path in SAMPLES} == {operation.name for operation in WRITES}


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
async def test_a_request_is_as_the_sample_has_it(path: Path) -> None:
    sample = json.loads(path.read_text())
    wanted, answered = sample["request"], sample["response"]
    crm, wire, desk = adapter(answer(answered["status"], answered["body"]))
    write = write_of(path.stem, sample)
    assert await crm.write(write) == sample["made"]
    [request] = wire.seen
    assert request.method == wanted["method"]
    assert str(request.url) == BASE + wanted["path"]
    assert request.headers["version"] == wanted["version"]
    assert orjson.loads(request.content) == wanted["body"]
    assert desk.ended == [(write.key, "sent")]
    assert desk.told[0]["vendor_ref"] == sample["made"]
    assert desk.asked[0].content_hash == write.intent().content_hash


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
async def test_what_the_ledger_is_told_of_each_answer(path: Path) -> None:
    sample = json.loads(path.read_text())
    write = write_of(path.stem, sample)
    once = next(one for one in WRITES if one.name == path.stem)
    cases: list[tuple[httpx.Response | Exception, str, int]] = [
        (answer(400, {"message": "no"}), "failed", 1),
        (answer(401, {"message": "no"}), "pending", 1),
        (answer(422, {"message": ["no"]}), "unknown", 1),
        (answer(500, {}), "unknown", 3 if once.idempotent else 1),
        (answer(429, {}), "pending", 3),
        (httpx.ReadTimeout("no answer"), "unknown", 3 if once.idempotent else 1),
        (httpx.ConnectError("nobody there"), "pending", 3),
    ]
    for step, ended, attempts in cases:
        crm, wire, desk = adapter(step)
        with pytest.raises((VendorRejected, VendorUnavailable)):
            await crm.write(write)
        assert desk.ended == [(write.key, ended)], step
        assert len(wire.seen) == attempts, step
        assert len(desk.dispatched) == 1, step  # one permit for all attempts


async def test_a_second_opportunity_that_is_refused_names_the_first() -> None:
    sample = json.loads((SAMPLES[0].parent / "create_opportunity.json").read_text())
    refusal = {
        "statusCode": 400,
        "code": "OPPORTUNITY_NO_DUPLICATE",
        "message": "Can not create duplicate opportunity for the contact.",
        "meta": {"existingId": "o0"},
    }
    crm, _, desk = adapter(answer(400, refusal))
    with pytest.raises(VendorRejected):
        await crm.write(write_of("create_opportunity", sample))
    assert desk.ended == [("create_opportunity:1", "sent")]
    assert (desk.told[0]["vendor_ref"], desk.told[0]["result"]) == ("o0", {"already": True})
