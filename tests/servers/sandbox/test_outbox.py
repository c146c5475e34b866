"""The outbox holds what a person would receive: rendered as the vendor does, once."""

from __future__ import annotations

import pytest

from servers.instantly.contract_text import STEP_BODY, STEP_SUBJECT
from servers.sandbox.outbox import as_read
from tests.servers.sandbox.conftest import LOCATION
from tests.servers.sandbox.test_twin_instantly import SCHEDULE, V2

VARIABLES = {"swarm_subject": "Hello", "swarm_body": "Hi &lt;Ana&gt;,<br/><br/>bye"}


def campaign(wire, subject=STEP_SUBJECT, body=STEP_BODY, **more):
    step = {"type": "email", "delay": 0, "variants": [{"subject": subject, "body": body}]}
    told = {
        "name": "Swarm", "campaign_schedule": SCHEDULE, "sequences": [{"steps": [step]}],
        "email_list": ["s@agency.example"],
    }  # fmt: skip
    return wire("POST", f"{V2}/campaigns", json=told | more).json()["id"]


def enrol(wire, campaign_id, email="ana@fresh.example", **more):
    told = {"campaign": campaign_id, "email": email, "custom_variables": VARIABLES}
    return wire("POST", f"{V2}/leads", json=told | more)


def sent(wire, vendor="instantly"):
    return [one for one in wire("GET", "/_twin/outbox").json() if one["vendor"] == vendor]


def test_a_lead_of_a_running_campaign_gets_its_variables_rendered(wire, clock):
    campaign_id = campaign(wire)
    wire("POST", f"{V2}/campaigns/{campaign_id}/activate")
    lead = enrol(wire, campaign_id).json()
    assert sent(wire) == [
        {
            "vendor": "instantly",
            "at": "2026-03-10T14:00:00.000Z",
            "to": "ana@fresh.example",
            "sender": "s@agency.example",
            "subject": "Hello",
            "html": VARIABLES["swarm_body"],
            "text": "Hi <Ana>,\n\nbye",
            "ref": lead["id"],
        }
    ]
    assert wire("GET", f"{V2}/leads/{lead['id']}").json()["status"] == 3


def test_a_campaign_that_is_not_started_sends_when_it_is_and_only_once(wire):
    campaign_id = campaign(wire)
    enrol(wire, campaign_id)
    assert sent(wire) == []
    for action in ("activate", "pause", "activate"):
        wire("POST", f"{V2}/campaigns/{campaign_id}/{action}")
    assert len(sent(wire)) == 1
    wire("POST", "/_twin/reset")
    assert sent(wire) == []


def test_a_variable_that_the_lead_lacks_is_sent_as_it_is_written(wire):
    campaign_id = campaign(wire, subject="Hi {{firstName}} of {{nothing}}")
    wire("POST", f"{V2}/campaigns/{campaign_id}/activate")
    enrol(wire, campaign_id, first_name="Ana")
    assert [one["subject"] for one in sent(wire)] == ["Hi Ana of {{nothing}}"]


def test_a_blocked_address_gets_nothing_though_the_add_is_answered_200(wire):
    campaign_id = campaign(wire)
    wire("POST", f"{V2}/campaigns/{campaign_id}/activate")
    answer = enrol(wire, campaign_id, email="anybody@mutedlake.example")
    assert answer.status_code == 200
    assert wire("GET", f"{V2}/leads/{answer.json()['id']}").status_code == 404
    assert sent(wire) == []


def test_nested_variables_are_refused(wire):
    answer = enrol(wire, campaign(wire), custom_variables={"a": {"b": 1}})
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("body/custom_variables/a must be string")


def test_a_new_lead_or_campaign_is_listed_after_the_lag(wire, clock):
    wire.behave(instantly_list_lag_s=5)
    campaign_id = campaign(wire)
    enrol(wire, campaign_id)

    def listed():
        leads = wire("POST", f"{V2}/leads/list", json={"campaign": campaign_id}).json()["items"]
        campaigns = wire("GET", f"{V2}/campaigns?search=Swarm").json()["items"]
        return len(leads), len(campaigns)

    assert listed() == (0, 0)
    assert wire("GET", f"{V2}/campaigns/{campaign_id}").status_code == 200
    clock.step(5)
    assert listed() == (1, 1)


def test_an_answer_goes_to_who_wrote(wire):
    received = next(iter(wire.app.twins["instantly"].workspace.emails.values()))
    told = {
        "reply_to_uuid": received["id"], "eaccount": received["eaccount"], "subject": "Re",
        "body": {"html": "Yes<br/>please"},
    }  # fmt: skip
    assert wire("POST", f"{V2}/emails/reply", json=told).status_code == 200
    (one,) = sent(wire)
    assert (one["to"], one["text"]) == (received["from_address_email"], "Yes\nplease")
    unknown = told | {"reply_to_uuid": "00000000-0000-4000-8000-000000000000"}
    assert wire("POST", f"{V2}/emails/reply", json=unknown).status_code == 404


def test_conversation_mail_of_the_crm_stands_in_it_too(wire):
    new = {"locationId": LOCATION, "email": "ana@fresh.example"}
    contact = wire("POST", "/ghl/contacts/", json=new).json()["contact"]["id"]
    told = {
        "type": "Email",
        "contactId": contact,
        "subject": "Hi",
        "html": "<p>One</p>\n<p>Two</p>",
    }
    headers = _conversations()
    assert wire("POST", "/ghl/conversations/messages", headers, json=told).status_code == 201
    (one,) = sent(wire, "ghl")
    assert (one["to"], one["subject"], one["text"]) == ("ana@fresh.example", "Hi", "One\n\nTwo")


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("a<br>\n b<br/>c", "a\nb\nc"),
        ("<p>a<br>\nb</p>\n<p>c</p>", "a\nb\n\nc"),
        ("  a  \n b ", "a b"),
        ("a &lt;b&gt; &amp;amp;", "a <b> &amp;"),
        ("a&#160; b", "a\xa0 b"),
        ("", ""),
    ],
)
def test_html_is_read_as_a_mail_program_shows_it(html, text):
    assert as_read(html) == text


def _conversations():
    from tests.servers.sandbox.conftest import _HEADERS

    return _HEADERS["ghl"] | {"Version": "2021-04-15"}
