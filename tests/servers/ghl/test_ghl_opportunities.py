"""Opportunities: one per contact and pipeline, found by names, created once."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from guardrails.errors import BadInput
from servers.ghl.contract_reads import FindOpportunity
from servers.ghl.contract_writes import PutOpportunity
from tests.servers.ghl.writing import Studio

pytestmark = pytest.mark.anyio
EMAIL = "ana@firm.example"


def put(studio: Studio, contact_id: str, stage: int = 1, **more: Any) -> PutOpportunity:
    place = studio.records.pipeline
    said = {"key": "opp:1", "permit": "", "name": "Firm", "pipeline_id": place["id"]}
    stage_id = place["stages"][stage]["id"]
    return PutOpportunity(**(said | {"contact_id": contact_id, "stage_id": stage_id} | more))


def of_contact(studio: Studio, contact_id: str) -> list[dict[str, Any]]:
    held = studio.records.opportunities.values()
    return [one for one in held if one["contactId"] == contact_id]


def existing(studio: Studio, contact_id: str, **fields: Any) -> str:
    record = studio.records.contacts[contact_id]
    made = studio.records.add_opportunity(record, {"name": "Firm", **fields}, studio.clock())
    return str(made["id"])


async def test_a_place_is_found_by_its_names_in_any_letter_case(studio: Studio) -> None:
    own = studio.new_contact(EMAIL)
    asked = FindOpportunity(contact_id=own, pipeline="OUTBOUND", stage=" contacted ")
    place = await studio.tools.opportunities.find_opportunity(asked)
    stages = studio.records.pipeline["stages"]
    assert place.pipeline_id == studio.records.pipeline["id"]
    assert place.stage_id == stages[1]["id"]
    assert (place.opportunity_id, place.further) == (None, False)
    with pytest.raises(BadInput) as told:
        await studio.tools.opportunities.find_opportunity(
            asked.model_copy(update={"stage": "Nowhere"})
        )
    assert "Meeting booked" in told.value.remedy


@pytest.mark.parametrize(
    ("stage", "status", "further"),
    [(0, "open", False), (1, "open", False), (2, "open", True), (0, "won", True)],
)
async def test_an_opportunity_that_came_further_is_told(
    studio: Studio, stage: int, status: str, further: bool
) -> None:
    own = studio.new_contact(EMAIL)
    at = studio.records.pipeline["stages"][stage]
    held = existing(studio, own, status=status, pipelineStageId=at["id"])
    asked = FindOpportunity(contact_id=own, pipeline="Outbound", stage="Contacted")
    place = await studio.tools.opportunities.find_opportunity(asked)
    assert (place.opportunity_id, place.stage) == (held, at["name"])
    assert (place.status, place.further) == (status, further)


async def test_a_first_one_is_created_in_the_live_form(studio: Studio) -> None:
    own = studio.new_contact(EMAIL)
    result = await studio.do(put(studio, own, value=500))
    assert (result.status, result.vendor_ref) == ("sent", of_contact(studio, own)[0]["id"])
    assert studio.wire.body() == {
        "pipelineId": studio.records.pipeline["id"],
        "pipelineStageId": studio.records.pipeline["stages"][1]["id"],
        "name": "Firm",
        "status": "open",
        "monetaryValue": 500,
        "locationId": "sandboxLocation00001",
        "contactId": own,
    }


async def test_one_that_exists_is_found_and_left_as_it_is(studio: Studio) -> None:
    own = studio.new_contact(EMAIL)
    held = existing(studio, own)
    result = await studio.do(put(studio, own))
    assert (result.status, result.vendor_ref) == ("already", held)
    assert studio.wire.written == []


async def test_one_that_the_search_does_not_show_yet_is_named_by_the_refusal(
    studio: Studio,
) -> None:
    own = studio.new_contact(EMAIL)
    held = existing(studio, own)
    inner = studio.wire._inner

    class Lagging(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.url.path.endswith("/opportunities/search"):
                return httpx.Response(200, json={"opportunities": [], "meta": {"total": 0}})
            return await inner.handle_async_request(request)

    studio.wire._inner = Lagging()
    result = await studio.do(put(studio, own))
    assert (result.status, result.vendor_ref) == ("already", held)
    assert len(studio.wire.written) == 1
    assert studio.office.status("opp:1") == "sent"
    again = await studio.do(put(studio, own))
    assert (again.status, again.vendor_ref) == ("already", held)  # from the record
    assert len(studio.wire.written) == 1
    assert len(of_contact(studio, own)) == 1


async def test_an_update_needs_its_id_and_changes_that_one(studio: Studio) -> None:
    own = studio.new_contact(EMAIL)
    held = existing(studio, own)
    result = await studio.do(put(studio, own, stage=2, opportunity_id=held))
    assert (result.status, result.vendor_ref) == ("sent", held)
    [only] = of_contact(studio, own)
    assert only["pipelineStageId"] == studio.records.pipeline["stages"][2]["id"]
    assert "contactId" not in studio.wire.body()
    same = put(studio, own, stage=2, opportunity_id=held, key="opp:2")
    assert (await studio.do(same)).status == "already"


@pytest.mark.parametrize(
    "wrong", [{"stage_id": "elsewhere"}, {"pipeline_id": "nosuch"}], ids=["stage", "pipeline"]
)
async def test_a_place_that_does_not_exist_is_refused(
    studio: Studio, wrong: dict[str, str]
) -> None:
    own = studio.new_contact(EMAIL)
    with pytest.raises(BadInput):
        await studio.do(put(studio, own, **wrong))
    assert studio.wire.written == []


async def test_an_opportunity_of_somebody_else_is_not_changed(studio: Studio) -> None:
    own, other = studio.new_contact(EMAIL), studio.new_contact("ben@firm.example")
    held = existing(studio, other)
    with pytest.raises(BadInput, match="another contact"):
        await studio.do(put(studio, own, opportunity_id=held))
    assert studio.wire.written == []
