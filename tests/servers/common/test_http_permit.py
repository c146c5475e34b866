"""A write leaves against a permit for exactly what its bytes say, and nothing else leaves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from guardrails.errors import ConfigError, Refused
from guardrails.hive import Hive
from guardrails.model import Mode, WriteAction
from guardrails.store import Store
from servers.common.operations import Effect, Operation
from tests.conftest import SteppableClock
from tests.servers.permits import PermitOffice, permit_office
from tests.servers.scripted_writes import (
    BODY,
    INTENT,
    LOOK,
    OPERATIONS,
    SEND,
    TAG,
    mail,
    over,
    tags,
)
from tests.servers.wires import (
    FreeDesk,
    ScriptedWire,
    answer,
    bound_intent,
    client_over,
    safety_with,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def office(hive: Hive, store: Store, clock: SteppableClock) -> Iterator[PermitOffice]:
    with permit_office(hive, store, clock) as opened:
        yield opened


@pytest.fixture
def local(hive: Hive, sqlite_store: Store, clock: SteppableClock) -> Iterator[PermitOffice]:
    """The same on SQLite alone, where the database makes no difference."""
    with permit_office(hive, sqlite_store, clock) as opened:
        yield opened


async def test_a_permitted_write_leaves_once_and_ends_as_sent(office: PermitOffice) -> None:
    client, wire = over(office)
    token = await office.permit(INTENT, "send:1")
    got = await client.request(SEND, json=BODY, permit=token, key="send:1")
    assert got.json() == {"ok": True}
    assert wire.bodies() == [BODY]
    assert office.status("send:1") == "sent"
    with pytest.raises(Refused):
        await client.request(SEND, json=BODY, permit=token, key="send:1")
    assert len(wire.seen) == 1


async def test_permit_and_key_stay_in_this_process(local: PermitOffice) -> None:
    client, wire = over(local)
    token = await local.permit(INTENT, "send:1")
    await client.request(SEND, json=BODY, permit=token, key="send:1")
    [request] = wire.seen
    shown = f"{request.extensions} {request.headers} {request.url}"
    assert token not in shown
    assert "send:1" not in shown


async def test_permit_and_ledger_change_together_or_not_at_all(office: PermitOffice) -> None:
    client, wire = over(office)
    token = await office.permit(INTENT, "send:1")
    newer = await office.permit(INTENT, "send:1")  # supersedes the first claim
    with pytest.raises(Refused, match="claim"):
        await client.request(SEND, json=BODY, permit=token, key="send:1")
    assert wire.seen == []
    await client.request(SEND, json=BODY, permit=newer, key="send:1")
    assert len(wire.seen) == 1


@pytest.mark.parametrize(
    ("sent", "key"),
    [
        ({**BODY, "to": "bob@firm.example"}, "send:1"),
        ({**BODY, "html": "<p>Other</p>"}, "send:1"),
        ({**BODY, "cc": "bob@firm.example"}, "send:1"),
        (BODY, "send:2"),
    ],
)
async def test_a_permit_for_one_write_is_none_for_another(
    local: PermitOffice, sent: dict[str, str], key: str
) -> None:
    client, wire = over(local)
    await local.permit(INTENT, "send:2")
    token = await local.permit(INTENT, "send:1")
    with pytest.raises(Refused):
        await client.request(SEND, json=sent, permit=token, key=key)
    assert wire.seen == []
    assert local.status("send:1") == "claimed"


@pytest.mark.parametrize("stated", [{}, {"permit": "x"}, {"key": "send:1"}, {"permit": ""}])
async def test_without_permit_or_key_nothing_leaves(
    local: PermitOffice, stated: dict[str, str]
) -> None:
    client, wire = over(local)
    with pytest.raises(Refused):
        await client.request(SEND, json=BODY, **stated)
    assert wire.seen == []


async def test_a_process_without_a_desk_writes_nothing(local: PermitOffice) -> None:
    wire = ScriptedWire(answer())
    client = client_over(wire, OPERATIONS, mode=Mode.LIVE)
    token = await local.permit(INTENT, "send:1")
    with pytest.raises(Refused, match="no permit"):
        await client.request(SEND, json=BODY, permit=token, key="send:1")
    assert wire.seen == []


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b'{"to":"ana@firm.example","subject":"Hello","html":"x","html":"<p>Hello</p>"}', {}),
        (orjson.dumps(BODY, option=orjson.OPT_INDENT_2), {}),
        (orjson.dumps(BODY) + b" ", {}),
        (orjson.dumps(BODY), {"content-type": "application/x-www-form-urlencoded"}),
        (orjson.dumps(BODY), {"content-type": "application/json; charset=utf-16"}),
        (orjson.dumps(BODY), {"content-encoding": "gzip"}),
        (orjson.dumps(BODY), {"content-length": "10"}),
        (b"", {}),
        (b"[]", {}),
        (b'{"to":"ana@firm.example"', {}),
    ],
)
async def test_a_body_that_could_be_read_otherwise_is_refused(
    local: PermitOffice, content: bytes, headers: dict[str, str]
) -> None:
    client, wire = over(local)
    token = await local.permit(INTENT, "send:1")
    with pytest.raises(Refused, match="clearly"):
        await client.http.post(
            "/mails",
            content=content,
            headers={"content-type": "application/json", **headers},
            extensions={"swarm.permit": token, "swarm.write_key": "send:1"},
        )
    assert wire.seen == []
    assert local.status("send:1") == "claimed"


async def test_a_write_has_no_query(local: PermitOffice) -> None:
    client, wire = over(local)
    token = await local.permit(INTENT, "send:1")
    with pytest.raises(Refused, match="query"):
        await client.request(
            SEND, json=BODY, params={"to": "bob@firm.example"}, permit=token, key="send:1"
        )
    assert wire.seen == []


async def test_a_binder_that_names_another_vendor_or_action_is_refused(local: PermitOffice) -> None:
    for update in ({"vendor": "instantly"}, {"action": WriteAction.ADD_NOTE}):
        odd = INTENT.model_copy(update=update)
        operation = Operation(
            "odd", "POST", "/mails", Effect.WRITE, idempotent=False,
            actions=(WriteAction.SEND_EMAIL,), intent=lambda _path, _body, odd=odd: odd,
        )  # fmt: skip
        wire = ScriptedWire(answer())
        safety = safety_with(writes=local.desk())
        client = client_over(wire, (operation,), mode=Mode.LIVE, safety=safety)
        token = await local.permit(odd, f"k:{odd.action}:{odd.vendor}")
        with pytest.raises(Refused, match="clearly"):
            await client.request(operation, json=BODY, permit=token, key="k")
        assert wire.seen == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"intent": None}, "no binder"),
        ({"actions": ()}, "no declared action"),
        ({"actions": ("send_email",)}, "no declared action"),
        ({"idempotent": True}, "idempotent"),
    ],
)
def test_a_write_that_could_not_be_held_against_a_permit_opens_no_client(
    changes: dict[str, Any], problem: str
) -> None:
    told: dict[str, Any] = {
        "idempotent": False, "actions": (WriteAction.SEND_EMAIL,), "intent": mail, **changes
    }  # fmt: skip
    operation = Operation("send", "POST", "/mails", Effect.WRITE, **told)
    with pytest.raises(ConfigError, match=problem):
        client_over(ScriptedWire(answer()), (operation,), mode=Mode.LIVE)


@pytest.mark.parametrize("path", ["/mails", "/{place}"])
def test_a_write_that_could_pass_for_something_else_opens_no_client(path: str) -> None:
    double = Operation("double", "POST", path, Effect.READ)
    for operations in ((double, SEND), (SEND, double)):
        with pytest.raises(ConfigError, match="could also be double"):
            client_over(ScriptedWire(answer()), operations, mode=Mode.LIVE)


async def test_what_the_layer_reads_from_the_bytes_is_the_intent(local: PermitOffice) -> None:
    client, wire = over(local)
    body = {"tags": ["a", "ü"]}
    intent = tags({"id": "c-1"}, body)
    token = await local.permit(intent, "tags:1")
    await client.request(TAG, path_params={"id": "c-1"}, json=body, permit=token, key="tags:1")
    assert bound_intent(TAG, wire.seen[0]) == intent


async def test_reads_need_none_of_it(local: PermitOffice) -> None:
    client, wire = over(local)
    await client.request(LOOK, path_params={"id": "c-1"})
    assert len(wire.seen) == 1


async def test_the_free_desk_of_adapter_tests_sees_what_the_real_one_would() -> None:
    desk, wire = FreeDesk(), ScriptedWire(answer(200))
    client = client_over(wire, OPERATIONS, mode=Mode.LIVE, safety=safety_with(writes=desk.desk()))
    await client.request(SEND, json=BODY, permit="any", key="send:1")
    assert [bound.content_hash for bound in desk.asked] == [INTENT.content_hash]
    assert desk.ended == [("send:1", "sent")]
