"""What a tool's arguments say, the permit says, and the request says is the same; nothing rides
along. The samples are what each write sends, checked against the vendor's own document by hand.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails.errors import Refused
from guardrails.model import Mode
from servers.common.operations import Operation
from servers.instantly import vendor_operations as ops
from servers.instantly.contract_schedule import DAYS, TIME_ZONES, CampaignSchedule
from servers.instantly.contract_writes import (
    ActivateCampaign,
    BlockAddress,
    CampaignSpec,
    EnrolLead,
    EnsureCampaign,
    PauseCampaign,
    ReplyEmail,
    Write,
)
from servers.instantly.forms import body_of
from servers.instantly.vendor_writes import InstantlyPlatform
from tests.servers.wires import (
    BASE,
    FreeDesk,
    ScriptedWire,
    answer,
    bound_intent,
    client_over,
    safety_with,
)

SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.json"))
ARGUMENTS: dict[str, type[Write]] = {
    "activate_campaign": ActivateCampaign,
    "block_address": BlockAddress,
    "enrol_lead": EnrolLead,
    "ensure_campaign": EnsureCampaign,
    "pause_campaign": PauseCampaign,
    "reply_email": ReplyEmail,
}
OPERATION: dict[type[Write], Operation] = {
    ActivateCampaign: ops.ACTIVATE_CAMPAIGN,
    BlockAddress: ops.BLOCK,
    EnrolLead: ops.ADD_LEAD,
    EnsureCampaign: ops.CREATE_CAMPAIGN,
    PauseCampaign: ops.PAUSE_CAMPAIGN,
    ReplyEmail: ops.REPLY,
}
_shown = st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"))
_line = st.text(_shown, min_size=1, max_size=60).filter(lambda text: text.strip())
_subject = _line.filter(lambda text: not {"{", "}"} & set(text))
_body = st.text(st.one_of(_shown, st.sampled_from("\n {}<>&\"'")), min_size=1).filter(
    lambda text: text.strip()
)
_address = st.from_regex(r"[a-z]{1,8}(\.[a-z]{1,8})?@[a-z]{1,8}\.example", fullmatch=True)
_domain = st.from_regex(r"[a-z]{1,8}\.example", fullmatch=True)
_name = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=40)
_id = st.uuids().map(str)
_clock = st.times().map(lambda at: f"{at.hour:02d}:{at.minute:02d}")
_schedule = st.builds(
    CampaignSchedule,
    time_zone=st.sampled_from(TIME_ZONES),
    start=_clock,
    end=_clock,
    days=st.sets(st.sampled_from(DAYS), min_size=1).map(
        lambda days: tuple(day for day in DAYS if day in days)
    ),
)
_spec = st.builds(
    CampaignSpec,
    name=_name,
    sender=_address,
    schedule=_schedule,
    daily_limit=st.integers(1, 1000),
)
_told = {"key": _name, "permit": st.just("permit")}
WRITES = st.one_of(
    st.builds(ActivateCampaign, campaign_id=_id, **_told),
    st.builds(PauseCampaign, campaign_id=_id, **_told),
    st.builds(BlockAddress, value=st.one_of(_address, _domain), **_told),
    st.builds(EnsureCampaign, campaign=_spec, recipient_zones=st.just(("UTC",)), **_told),
    st.builds(
        EnrolLead, campaign_id=_id, email=_address, subject=_subject, body=_body,
        sender=_address, **_told,
    ),
    st.builds(
        ReplyEmail, reply_to=_id, to=_address, sender=_address, subject=_subject, body=_body,
        **_told,
    ),
)  # fmt: skip


async def sent(args: Write, body: Any = None) -> httpx.Request:
    """The request that the arguments make; `args.permit` is good for anything."""
    wire = ScriptedWire(answer(200, body or {"id": "made"}))
    client = client_over(
        wire, ops.OPERATIONS, mode=Mode.LIVE, vendor="instantly",
        safety=safety_with(writes=FreeDesk().desk()),
    )  # fmt: skip
    await InstantlyPlatform(client).write(args)
    [request] = wire.seen
    return request


@given(WRITES)
def test_what_a_request_does_is_read_back_from_its_bytes(args: Write) -> None:
    operation = OPERATION[type(args)]
    content = None if (body := body_of(args)) is None else orjson.dumps(body)
    path = operation.path.replace("{id}", getattr(args, "campaign_id", ""))
    headers = {"content-type": "application/json"} if content else {}
    request = httpx.Request(operation.method, BASE + path, content=content, headers=headers)
    assert bound_intent(operation, request, vendor="instantly") == args.intent()


@pytest.mark.anyio
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
async def test_each_write_sends_its_sample(sample: Path) -> None:
    said = json.loads(sample.read_text())
    args = ARGUMENTS[said["tool"]].model_validate(said["arguments"])
    request = await sent(args, said["response"]["body"])
    assert (request.method, request.url.path) == (
        said["request"]["method"], "/api" + said["request"]["path"],
    )  # fmt: skip
    assert (json.loads(request.content) if request.content else None) == said["request"]["body"]
    operation = OPERATION[type(args)]
    assert bound_intent(operation, request, vendor="instantly") == args.intent()
    assert operation.settle is not None
    settled = operation.settle(said["response"]["status"], said["response"]["body"])
    assert settled is not None
    assert settled.status == said["response"]["means"]


def test_there_is_a_sample_of_every_write() -> None:
    assert {json.loads(path.read_text())["tool"] for path in SAMPLES} == set(ARGUMENTS)


def _more(body: dict[str, Any]) -> dict[str, Any]:
    return body | {"list_id": "00000000-0000-4000-8000-000000000000"}


def _variable(body: dict[str, Any]) -> dict[str, Any]:
    return body | {"custom_variables": body["custom_variables"] | {"firstName": "Bob"}}


def _script(body: dict[str, Any]) -> dict[str, Any]:
    said = body["custom_variables"] | {"swarm_body": "<b>Hello</b>"}
    return body | {"custom_variables": said}


def _unskipped(body: dict[str, Any]) -> dict[str, Any]:
    return body | {"skip_if_in_campaign": False}


def _capital(body: dict[str, Any]) -> dict[str, Any]:
    return body | {"email": body["email"].upper()}


@pytest.mark.parametrize("change", [_more, _variable, _script, _unskipped, _capital])
def test_a_request_that_says_more_than_its_arguments_could_is_refused(
    change: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:
    args = EnrolLead(
        key="send:1", permit="", campaign_id="00000000-0000-4000-8000-000000000001",
        email="ana@fresh.example", subject="Hello", body="Hi", sender="s@agency.example",
    )  # fmt: skip
    request = httpx.Request(
        "POST",
        BASE + ops.ADD_LEAD.path,
        content=orjson.dumps(change(body_of(args))),
        headers={"content-type": "application/json"},
    )
    with pytest.raises(Refused):
        bound_intent(ops.ADD_LEAD, request, vendor="instantly")
