"""What leaves says exactly what was permitted: args, request, bytes, intent, for each write."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guardrails.errors import Refused
from servers.common.operations import Operation
from servers.ghl import contract_writes as writes
from servers.ghl import vendor_operations as ops
from servers.ghl.contract_form import Write
from servers.ghl.contract_mail import SendEmail
from servers.ghl.mail import html_of, plain_words, words_of
from servers.ghl.vendor_writes import _MADE, outgoing
from tests.servers.wires import BASE, bound_intent

LINE = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=40)
LINE = LINE.filter(str.strip)
TEXT = st.lists(st.one_of(LINE, st.just("")), min_size=1, max_size=6).map("\n".join)
TEXT = TEXT.filter(str.strip)
ID = st.from_regex(r"[A-Za-z0-9_-]{1,24}", fullmatch=True)
EMAIL = st.sampled_from(["ana@firm.example", "o'hara+x@mail.firm.example"])
LEAVE = {"key": st.text("abc:-", min_size=1, max_size=30), "permit": st.just("token")}
FIELDS = st.fixed_dictionaries({}, optional=dict.fromkeys(writes.ContactFields.model_fields, LINE))
WRITES: dict[type[Write], Mapping[str, st.SearchStrategy[Any]]] = {
    writes.UpsertContact: {"email": EMAIL, "fields": FIELDS},
    writes.AddTags: {"contact_id": ID, "tags": st.lists(LINE, min_size=1, max_size=4)},
    writes.RemoveTags: {"contact_id": ID, "tags": st.lists(LINE, min_size=1, max_size=4)},
    writes.AddNote: {"contact_id": ID, "text": TEXT},
    writes.CreateTask: {
        "contact_id": ID,
        "title": LINE,
        "text": TEXT,
        "due": st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    },
    writes.PutOpportunity: {
        "contact_id": ID,
        "pipeline_id": ID,
        "stage_id": ID,
        "name": LINE,
        "status": st.sampled_from(["open", "won", "lost", "abandoned"]),
        "value": st.none() | st.integers(0, 10**9),
        "opportunity_id": st.none() | ID,
    },
    writes.AddToWorkflow: {"contact_id": ID, "workflow_id": ID},
    writes.RemoveFromWorkflow: {"contact_id": ID, "workflow_id": ID},
    writes.SetDnd: {
        "contact_id": ID,
        "channels": st.dictionaries(
            st.sampled_from(["Email", "SMS", "Call"]),
            st.sampled_from(["active", "permanent"]),
            min_size=1,
        ),
    },
    SendEmail: {
        "contact_id": ID, "to": EMAIL, "sender": EMAIL, "subject": LINE, "body": TEXT,
    },
}  # fmt: skip
ANY = st.sampled_from(list(WRITES)).flatmap(
    lambda kind: st.fixed_dictionaries(LEAVE | WRITES[kind]).map(kind.model_validate)
)


def request_of(write: Write) -> tuple[Operation, httpx.Request]:
    """The request as the client builds it."""
    sent = outgoing(write, "loc1")
    url = BASE + sent.operation.path.format_map(sent.path)
    body = orjson.dumps(sent.body)
    headers = {"Content-Type": "application/json"}
    return sent.operation, httpx.Request(sent.operation.method, url, headers=headers, content=body)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(ANY)
def test_the_request_says_what_the_arguments_say(write: Write) -> None:
    operation, request = request_of(write)
    said = bound_intent(operation, request)
    assert said == write.intent()
    assert said.content_hash == write.intent().content_hash


@settings(max_examples=200, deadline=None)
@given(ANY, st.data())
def test_no_change_of_a_request_says_the_same(write: Write, data: st.DataObject) -> None:
    sent = outgoing(write, "loc1")
    body = dict(sent.body)
    name = data.draw(st.sampled_from([*sorted(set(body) - {"locationId"}), "surplus"]))
    body[name] = data.draw(st.sampled_from(["other", ["other"], True, None, {"x": 1}]))
    operation, request = request_of(write)
    changed = httpx.Request(
        request.method,
        request.url,
        headers={"Content-Type": "application/json"},
        content=orjson.dumps(body),
    )
    if body == sent.body:
        return
    try:
        said = bound_intent(operation, changed)
    except Refused:
        return
    assert (said.recipient, said.content_hash) != (
        write.intent().recipient,
        write.intent().content_hash,
    )


def test_every_write_operation_has_a_form_that_is_tested() -> None:
    assert set(_MADE) == set(WRITES)
    actions = {action for operation in ops.WRITES for action in operation.actions}
    assert len(actions) == len(ops.WRITES) == len(WRITES) + 1  # opportunities: create and update


@pytest.mark.parametrize(
    ("body", "html"),
    [
        ("Hi Ana,\n\nOne.\nTwo.", "<p>Hi Ana,</p>\n<p>One.<br>\nTwo.</p>"),
        ("<b>x</b> & \"y\"", "<p>&lt;b&gt;x&lt;/b&gt; &amp; &quot;y&quot;</p>"),
        ("a\n\n\n \nb\n", "<p>a</p>\n<p>b</p>"),
    ],
)  # fmt: skip
def test_html_is_the_text_escaped_in_paragraphs(body: str, html: str) -> None:
    assert html_of(body) == html


@settings(max_examples=100, deadline=None)
@given(TEXT)
def test_the_html_shows_every_word_of_the_text_and_no_tag_of_its_own(body: str) -> None:
    shown = html_of(body)
    assert words_of(shown) == plain_words(body)
    for ours in ("<p>", "</p>", "<br>"):
        shown = shown.replace(ours, "")
    assert "<" not in shown


def test_html_that_is_not_the_texts_own_is_refused() -> None:
    write = SendEmail(
        key="k", permit="p", contact_id="c1", to="a@firm.example", sender="s@agency.example",
        subject="S", body="Text.",
    )  # fmt: skip
    operation, _ = request_of(write)
    body = outgoing(write, "loc1").body | {"html": "<p>Text.</p><img src=x>"}
    request = httpx.Request(
        "POST",
        f"{BASE}/conversations/messages",
        headers={"Content-Type": "application/json"},
        content=orjson.dumps(body),
    )
    with pytest.raises(Refused):
        bound_intent(operation, request)
