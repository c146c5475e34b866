"""Events of campaigns and of the CRM: who may report them, and that each counts once."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

from guardrails.errors import ConfigError
from guardrails.hive import Hive
from guardrails.store import Store
from orchestrator.gateway.proofs import GhlKey, PathSecret
from servers.common.contract_sandbox import environment, ghl_webhook_key, ghl_webhook_public_key
from tests.conftest import SteppableClock
from tests.orchestrator.gateway.house import (
    GHL_WORKFLOW,
    INSTANTLY,
    LIMIT,
    House,
    dripping,
    house,
)

pytestmark = pytest.mark.anyio
REPLY: dict[str, Any] = {
    "event_type": "reply_received",
    "timestamp": "2026-03-10T14:00:00.000Z",
    "lead_email": "ana@firm.example",
    "campaign_id": "c-1",
    "email_id": "e-1",
    "step": 1,
    "reply_text": "no thanks",
}
DND = json.dumps(
    {"type": "ContactDndUpdate", "locationId": "loc-1", "webhookId": "7f1c2b3a-0000-4000-8000-1"}
).encode()


@pytest.fixture
async def door(hive: Hive, sqlite_store: Store, clock: SteppableClock) -> AsyncIterator[House]:
    values = environment() | {"GHL_LOCATION_ID": "loc-1"}
    async with house(hive, sqlite_store, clock, values=values) as opened:
        yield opened


def signature(body: bytes, key: Ed25519PrivateKey | None = None) -> dict[str, str]:
    signed = (key or ghl_webhook_key()).sign(body)
    return {"x-ghl-signature": base64.b64encode(signed).decode()}


async def test_an_event_of_instantly_counts_once_and_says_what_it_is(door: House) -> None:
    for body in (REPLY, REPLY | {"lead_email": "ANA@firm.example"}):
        assert (await door.client.post(INSTANTLY, json=body)).status_code == 200
    (row,) = await door.rows()
    assert (row.source, row.kind, row.state) == ("instantly", "reply_received", "new")


@pytest.mark.parametrize(
    "other",
    [
        {"event_type": "email_bounced"},
        {"timestamp": "2026-03-10T14:00:01.000Z"},
        {"lead_email": "bob@firm.example"},
        {"email_id": "e-2"},
        {"step": 2},
    ],
)
async def test_another_event_is_another_delivery(door: House, other: dict[str, object]) -> None:
    for body in (REPLY, REPLY | other):
        assert (await door.client.post(INSTANTLY, json=body)).status_code == 200
    assert await door.states() == ["new", "new"]


async def test_two_people_who_are_named_by_their_own_field_alone_are_two_deliveries(
    door: House,
) -> None:
    """Instantly's `lead_email` is optional; the lead's fields stand beside it."""
    unnamed = {name: value for name, value in REPLY.items() if name != "lead_email"}
    left = unnamed | {"event_type": "lead_unsubscribed"}
    for email in ("ana@firm.example", "bob@firm.example", "ANA@firm.example"):
        assert (await door.client.post(INSTANTLY, json=left | {"email": email})).status_code == 200
    named = sorted(json.loads(row.body)["email"] for row in await door.rows())
    assert named == ["ana@firm.example", "bob@firm.example"]


@pytest.mark.parametrize("body", [b"", b"[1]", b'{"timestamp": "x"}', b'{"event_type": {}}'])
async def test_junk_is_not_asked_for_again(door: House, body: bytes) -> None:
    assert (await door.client.post(INSTANTLY, content=body)).status_code == 200
    assert await door.states() == ["junk"]


async def test_a_word_for_what_happened_is_cut_to_what_a_column_holds(door: House) -> None:
    odd = {"event_type": "reply received\n<b>" + "x" * 100, "timestamp": "t"}
    await door.client.post(INSTANTLY, json=odd)
    (row,) = await door.rows()
    assert row.kind == ("reply_received_b_" + "x" * 100)[:40]


async def test_what_is_too_large_or_too_slow_may_be_delivered_again(door: House) -> None:
    large = await door.client.post(INSTANTLY, content=b"x" * (LIMIT + 1))
    slow = await door.client.post(INSTANTLY, content=dripping(b"{"))
    assert (large.status_code, slow.status_code) == (413, 408)
    assert await door.rows() == []


async def test_a_signed_webhook_of_ghl_counts_once_however_often_it_is_delivered(
    door: House,
) -> None:
    for _ in range(3):
        answer = await door.client.post("/webhooks/ghl", content=DND, headers=signature(DND))
        assert answer.status_code == 200
        door.clock.step(days=1)  # a retry comes hours later; a replay, whenever it likes
    (row,) = await door.rows()
    assert (row.id, row.kind) == ("ghl:7f1c2b3a-0000-4000-8000-1", "ContactDndUpdate")


async def test_a_signature_holds_for_one_body_under_one_key_alone(door: House) -> None:
    stranger = Ed25519PrivateKey.generate()
    good = signature(DND)["x-ghl-signature"]
    attempts = [
        (DND + b" ", signature(DND)),
        (DND, signature(DND, stranger)),
        (DND, {}),
        (DND, {"x-ghl-signature": "N/A"}),
        (DND, {"x-ghl-signature": ""}),
        (DND, {"x-ghl-signature": "not base64 \xff"}),
        (DND, {"x-ghl-signature": good[:-4]}),
        (DND, {"x-ghl-signature": good + good}),
        (DND, {"x-ghl-signature": f"{good},{good}"}),
    ]
    for body, headers in attempts:
        encoded = {name: value.encode("latin-1") for name, value in headers.items()}
        answer = await door.client.post("/webhooks/ghl", content=body, headers=encoded)
        assert answer.status_code == 401, headers
    assert await door.rows() == []


async def test_the_old_rsa_signature_alone_proves_nothing(door: House) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    old = base64.b64encode(key.sign(DND, padding.PKCS1v15(), SHA256())).decode()
    headers = {"x-wh-signature": old, "x-ghl-signature": "N/A"}
    answer = await door.client.post("/webhooks/ghl", content=DND, headers=headers)
    assert answer.status_code == 401


async def test_unsigned_large_and_slow_bodies_are_not_listened_to(door: House) -> None:
    headers = signature(b"x" * (LIMIT + 1))
    large = await door.client.post("/webhooks/ghl", content=b"x" * (LIMIT + 1), headers=headers)
    slow = await door.client.post("/webhooks/ghl", content=dripping(b"{"), headers=headers)
    assert (large.status_code, slow.status_code) == (413, 408)
    assert await door.rows() == []


async def test_what_belongs_to_another_location_is_junk_here(door: House) -> None:
    body = DND.replace(b"loc-1", b"loc-2")
    answer = await door.client.post("/webhooks/ghl", content=body, headers=signature(body))
    assert answer.status_code == 200
    assert await door.states() == ["junk"]


async def test_without_a_key_of_ghl_nothing_signed_is_let_in(
    hive: Hive, sqlite_store: Store, clock: SteppableClock
) -> None:
    async with house(hive, sqlite_store, clock, values={}) as door:
        answer = await door.client.post("/webhooks/ghl", content=DND, headers=signature(DND))
        assert answer.status_code == 404


async def test_a_workflows_webhook_without_a_time_counts_once_an_hour(door: House) -> None:
    said = {"type": "CustomerReplied", "contactId": "c-1"}
    for _ in range(2):
        assert (await door.client.post(GHL_WORKFLOW, json=said)).status_code == 200
    assert len(await door.rows()) == 1
    door.clock.step(3600)
    await door.client.post(GHL_WORKFLOW, json=said)
    assert len(await door.rows()) == 2


async def test_a_workflows_webhook_with_a_time_of_its_own_counts_once(door: House) -> None:
    said = {"type": "CustomerReplied", "contactId": "c-1", "timestamp": "2026-03-10 14:00"}
    for _ in range(2):
        assert (await door.client.post(GHL_WORKFLOW, json=said)).status_code == 200
        door.clock.step(3600)
    assert len(await door.rows()) == 1


async def test_a_workflow_needs_its_secret_and_no_signature_replaces_it(door: House) -> None:
    answer = await door.client.post("/webhooks/ghl/guess", content=DND, headers=signature(DND))
    assert answer.status_code == 404


@pytest.mark.parametrize("secret", ["", "short", "x" * 201, "with/slash/in/the/middle", "ü" * 20])
def test_a_secret_that_can_be_guessed_or_cannot_stand_in_a_path_stops_the_start(
    secret: str,
) -> None:
    with pytest.raises(ConfigError) as caught:
        PathSecret("RB2B_WEBHOOK_SECRET", secret)
    assert "RB2B_WEBHOOK_SECRET" in caught.value.message
    assert not secret or secret not in caught.value.message


def test_ghls_key_is_read_with_and_without_its_pem_lines() -> None:
    bare = ghl_webhook_public_key()
    lines = f"-----BEGIN PUBLIC KEY-----\n{bare}\n-----END PUBLIC KEY-----\n"
    for text in (bare, lines, lines.replace("\n", "\\n"), lines.replace("\n", " ")):
        assert GhlKey(text).signed(DND, signature(DND)["x-ghl-signature"])
    # The vendor's own, as its guide prints it.
    GhlKey("MCowBQYDK2VwAyEAi2HR1srL4o18O8BRa7gVJY7G7bupbN3H9AwJrHCDiOg=")


@pytest.mark.parametrize("text", ["", "x", "AAAA", ghl_webhook_public_key()[:-8]])
def test_what_is_no_ed25519_key_stops_the_start(text: str) -> None:
    with pytest.raises(ConfigError, match="GHL_WEBHOOK_PUBLIC_KEY"):
        GhlKey(text)
