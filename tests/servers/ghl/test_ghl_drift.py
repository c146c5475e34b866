"""Answers of GHL that are not of the documented form, or cannot be read at all."""

from __future__ import annotations

import httpx
import pytest

from guardrails.errors import Refused, VendorRejected, VendorSchemaDrift
from tests.servers.ghl.answers import HIT, contact, looked_up, page
from tests.servers.wires import ScriptedWire, answer

pytestmark = pytest.mark.anyio


async def test_a_found_contact_that_cannot_be_read_is_an_error() -> None:
    wire = ScriptedWire(HIT, answer(404, {"message": "not found"}))
    with pytest.raises(VendorRejected):
        await looked_up(wire, "ana@firm.example")


@pytest.mark.parametrize(
    "odd",
    [
        answer(200, {}),
        answer(200, {"contacts": None}),
        answer(200, {"contacts": ["c1"]}),
        answer(200, {"contacts": [{"email": "ana@firm.example"}]}),
        answer(200, {"contacts": [{"id": "c1", "tags": "customer"}]}),
        answer(200, []),
    ],
)
async def test_a_drifted_search_is_an_error_without_values(odd: httpx.Response) -> None:
    with pytest.raises(VendorSchemaDrift) as caught:
        await looked_up(ScriptedWire(odd), "ana@firm.example")
    assert "ana@firm.example" not in caught.value.message


@pytest.mark.parametrize(
    "odd",
    [
        answer(200, {}),
        answer(200, {"contact": None}),
        answer(200, {"contact": {"id": "other"}}),
        contact(dndSettings={"Email": "active"}),
        contact(dnd="perhaps"),
    ],
)
async def test_a_drifted_contact_is_an_error(odd: httpx.Response) -> None:
    with pytest.raises(VendorSchemaDrift):
        await looked_up(ScriptedWire(HIT, odd), "ana@firm.example")


async def test_an_id_that_is_no_path_segment_reaches_no_other_endpoint() -> None:
    wire = ScriptedWire(page({"id": "../upsert", "email": "ana@firm.example"}))
    with pytest.raises(Refused):
        await looked_up(wire, "ana@firm.example")
    assert len(wire.seen) == 1
