"""Small writes over scripted wires, for tests of the stack itself."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx

from guardrails.model import Mode, WriteAction, WriteIntent
from servers.common.http import VendorClient
from servers.common.operations import Effect, Operation, Settled
from tests.servers.permits import PermitOffice
from tests.servers.wires import (
    ScriptedWire,
    answer,
    client_over,
    safety_with,
)

ANA = "ana@firm.example"
BODY = {"to": ANA, "subject": "Hello", "html": "<p>Hello</p>"}


def mail(_path: Mapping[str, str], body: Any) -> WriteIntent:
    rest = {name: body[name] for name in ("subject", "html")}
    if body.keys() != {"to", *rest}:
        raise ValueError(body.keys())
    return WriteIntent(
        vendor="ghl", action=WriteAction.SEND_EMAIL, recipient=body["to"], content=rest
    )


def tags(path: Mapping[str, str], body: Any) -> WriteIntent:
    return WriteIntent(
        vendor="ghl",
        action=WriteAction.ADD_TAGS,
        recipient=f"contact:{path['id']}",
        content={"tags": body["tags"]},
    )


def judged(status: int, body: Any) -> Settled | None:
    if body["skipped"]:
        return Settled("failed", note="skipped")
    return Settled("sent", vendor_ref=body["id"], result={"n": 1}) if status == 200 else None


SEND = Operation(
    "send", "POST", "/mails", Effect.WRITE, idempotent=False,
    actions=(WriteAction.SEND_EMAIL,), intent=mail,
)  # fmt: skip
TAG = Operation(
    "tag", "POST", "/contacts/{id}/tags", Effect.WRITE,
    actions=(WriteAction.ADD_TAGS,), intent=tags,
)  # fmt: skip
JUDGED = Operation(
    "judged", "POST", "/judged", Effect.WRITE, idempotent=False,
    actions=(WriteAction.SEND_EMAIL,), intent=mail, settle=judged,
)  # fmt: skip
LOOK = Operation("look", "GET", "/contacts/{id}", Effect.READ)
OPERATIONS = (SEND, TAG, JUDGED, LOOK)
INTENT = mail({}, BODY)
TIMEOUT = httpx.ReadTimeout("slow")
NO_CONNECTION = httpx.ConnectError("refused")


def over(
    office: PermitOffice, *steps: Any, mode: Mode = Mode.LIVE, brakes: Any = None
) -> tuple[VendorClient, ScriptedWire]:
    wire = ScriptedWire(*steps or (answer(200, {"ok": True}),))
    safety = safety_with(brakes, writes=office.desk())
    return client_over(wire, OPERATIONS, mode=mode, safety=safety), wire


class Held(ScriptedWire):
    """A vendor that answers when told to."""

    def __init__(self) -> None:
        super().__init__(answer(200, {"ok": True}))
        self.arrived, self.go = asyncio.Event(), asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.arrived.set()
        await self.go.wait()
        return await super().handle_async_request(request)
