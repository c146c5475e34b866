"""Each switch makes a twin do what users meet at the vendor, in its words, until it is cleared."""

from __future__ import annotations

from typing import get_args

import orjson
import pytest

from servers.ghl.twin_records import LOCATION_ID as LOCATION
from servers.sandbox.behaviour import DENIALS, Behaviour, TwinName
from servers.sandbox.drift import drifted
from servers.sandbox.host import TWINS

PATHS = {
    "ghl": f"/ghl/locations/{LOCATION}",
    "instantly": "/instantly/api/v2/campaigns",
    "clay": "/clay/me",
    "rb2b": "/rb2b/credits",
    "gdelt": "/gdelt/api/v2/doc/doc?query=growth&mode=artlist&format=json",
    "google_news": "/google_news/rss/search?q=growth",
}


def said(answer) -> str:
    body = answer.json()
    return str(body.get("message") or body["error"])


def test_every_twin_has_words_for_each_denial_it_may_be_told_to_make():
    assert {twin.vendor for twin in TWINS} == set(get_args(TwinName))
    for twin in TWINS:
        assert twin.denials.keys() == DENIALS.get(twin.vendor, frozenset())


@pytest.mark.parametrize(
    ("vendor", "how", "status", "text"),
    [
        ("ghl", "revoked", 401, "Invalid Private Integration token"),
        ("ghl", "no_scope", 401, "The token is not authorized for this scope."),
        ("ghl", "wrong_location", 403, "The token does not have access to this location."),
        ("ghl", "agency_key", 401, "Token's user type mismatch!"),
        ("ghl", "company_key", 401, "This authClass type is not allowed to access this scope."),
        ("instantly", "revoked", 401, "Invalid API key"),
        ("instantly", "no_scope", 403, "API key does not have the required scope"),
        ("instantly", "no_plan", 402, "Workspace does not have an active paid plan"),
        ("clay", "revoked", 401, "Invalid API key"),
        ("clay", "no_scope", 403, "Forbidden"),
        ("rb2b", "revoked", 401, "invalid_api_key"),
    ],
)
def test_a_good_key_is_refused_in_the_vendors_words_until_it_is_good_again(
    wire, vendor, how, status, text
):
    wire.behave(auth={vendor: how})
    answer = wire("GET", PATHS[vendor])
    assert (answer.status_code, said(answer)) == (status, text)
    others = [path for name, path in PATHS.items() if name != vendor]
    assert {wire("GET", path).status_code for path in others} == {200}
    wire.behave(auth={})
    assert wire("GET", PATHS[vendor]).status_code == 200


@pytest.mark.parametrize(
    ("vendor", "how", "why"),
    [
        ("gdelt", "revoked", "gdelt cannot say revoked of a key: it has no keys"),
        ("rb2b", "no_scope", "rb2b cannot say no_scope of a key: it can be revoked"),
        ("clay", "wrong_location", "clay cannot say wrong_location of a key"),
    ],
)
def test_a_denial_that_no_user_could_meet_is_refused(wire, vendor, how, why):
    answer = wire("POST", "/_twin/behaviour", json={"auth": {vendor: how}})
    assert answer.status_code == 422
    assert why in answer.json()["error"]


def test_a_version_that_ghl_no_longer_takes_is_refused_and_the_new_one_accepted(wire):
    from tests.servers.sandbox.conftest import ENV

    key = {"Authorization": f"Bearer {ENV['GHL_PROD_API_KEY']}"}
    wire.behave(ghl_versions=["2026-06-11"])
    old = wire("GET", PATHS["ghl"])
    assert old.status_code == 400
    assert said(old) == "Invalid API version segment '2021-07-28' at position 0"
    none = wire("GET", PATHS["ghl"], key)
    assert (none.status_code, said(none)) == (401, "version header was not found.")
    new = key | {"Version": "2026-06-11"}
    assert wire("GET", PATHS["ghl"], new).status_code == 200
    conversations = f"/ghl/conversations/search?locationId={LOCATION}"
    assert wire("GET", conversations, new).status_code == 200
    wire.behave(ghl_versions=[])
    assert wire("GET", PATHS["ghl"], new).status_code == 400
    assert wire("GET", PATHS["ghl"]).status_code == 200


def test_a_renamed_field_is_renamed_at_every_depth_in_successes_only(wire):
    wire.behave(renames={"ghl": {"contacts": "records", "id": "contactId", "message": "text"}})
    page = wire.search(pageLimit=2).json()
    assert "contacts" not in page
    assert all("contactId" in contact and "id" not in contact for contact in page["records"])
    assert "message" in wire("GET", "/ghl/locations/elsewhere").json()
    wire.behave(renames={})
    assert all("id" in contact for contact in wire.search(pageLimit=2).json()["contacts"])


def test_drift_at_one_vendor_leaves_the_others_and_other_formats_alone(wire):
    before = [wire("GET", path).content for name, path in PATHS.items() if name != "ghl"]
    wire.behave(renames={"ghl": {"items": "rows"}}, retypes={"google_news": {"title": "null"}})
    after = [wire("GET", path).content for name, path in PATHS.items() if name != "ghl"]
    assert after == before


@pytest.mark.parametrize(
    ("kind", "value", "becomes"),
    [
        ("string", 5, "5"),
        ("string", True, "true"),
        ("string", ["a"], '["a"]'),
        ("string", "a", "a"),
        ("null", {"a": 1}, None),
        ("list", "a", ["a"]),
        ("list", None, [None]),
    ],
)
def test_a_retyped_field_keeps_its_place_and_loses_its_type(kind, value, becomes):
    body = orjson.dumps({"outer": [{"field": value, "other": 1}]})
    changed = orjson.loads(drifted(body, {}, {"field": kind}))
    assert changed == {"outer": [{"field": becomes, "other": 1}]}


def test_a_field_can_be_retyped_and_renamed_at_once():
    changed = drifted(b'{"total": 5}', {"total": "count"}, {"total": "string"})
    assert changed == b'{"count":"5"}'


def test_drift_changes_the_answer_and_never_what_the_twin_holds(wire):
    before = wire.search(pageLimit=3).content
    wire.behave(retypes={"ghl": {"tags": "null", "email": "list"}})
    drifting = wire.search(pageLimit=3).json()["contacts"]
    assert all(contact["tags"] is None for contact in drifting)
    wire.behave(retypes={})
    assert wire.search(pageLimit=3).content == before


def test_the_next_answers_fail_and_then_the_vendor_is_back(wire):
    wire.behave(fail_next={"clay": 2})
    assert [wire("GET", "/clay/me").status_code for _ in range(4)] == [503, 503, 200, 200]
    assert wire("GET", "/rb2b/credits").status_code == 200
    assert wire("GET", "/_twin/health").json()["behaviour"]["fail_next"] == {"clay": 0}


@pytest.mark.parametrize("status", [500, 502, 503])
@pytest.mark.parametrize("vendor", sorted(PATHS))
def test_an_outage_speaks_the_vendors_envelope_and_can_be_ended_while_it_runs(wire, vendor, status):
    wire.behave(outage={vendor: status})
    down = wire("GET", PATHS[vendor])
    assert down.status_code == status
    keys = {
        "ghl": {"statusCode", "message", "traceId"},
        "instantly": {"statusCode", "error", "message"},
        "clay": {"message"},
        "rb2b": {"error"},
    }.get(vendor)
    if keys is None:
        assert down.headers["content-type"].startswith("text/html")
    else:
        assert keys <= down.json().keys()
    if vendor == "rb2b":
        assert down.json()["error"] == "service_unavailable"
    wire.behave(outage={})
    assert wire("GET", PATHS[vendor]).status_code == 200


def test_duplicates_are_refused_until_the_location_allows_them(wire):
    new = {"locationId": LOCATION, "email": "twice@double.example"}
    assert wire("POST", "/ghl/contacts/", json=new).status_code == 201
    assert wire("POST", "/ghl/contacts/", json=new).status_code == 400
    again = new | {"createNewIfDuplicateAllowed": True}
    assert wire("POST", "/ghl/contacts/upsert", json=again).json()["new"] is False
    wire.behave(ghl_duplicates_allowed=True)
    settings = wire("GET", PATHS["ghl"]).json()["location"]["settings"]
    assert settings["allowDuplicateContact"] is True
    assert wire("POST", "/ghl/contacts/", json=new).status_code == 201
    assert wire("POST", "/ghl/contacts/upsert", json=again).json()["new"] is True
    assert wire("POST", "/ghl/contacts/upsert", json=new).json()["new"] is False
    wire.behave(ghl_search_lag_s=0)
    same = {"field": "email", "operator": "eq", "value": "twice@double.example"}
    assert wire.search(filters=[same]).json()["total"] == 3


def test_a_smaller_burst_makes_a_storm_of_429(wire):
    wire.behave(ghl_burst=3, rate_limits=["ghl"])
    answers = [wire("GET", PATHS["ghl"]) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert answers[0].headers["x-ratelimit-max"] == "3"
    assert answers[-1].headers["x-ratelimit-remaining"] == "0"


def test_a_webhook_that_failed_too_often_is_listed_as_switched_off(wire):
    path = "/instantly/api/v2/webhooks"
    (webhook,) = wire("GET", path).json()["items"]
    assert (webhook["status"], webhook["timestamp_error"]) == (1, None)
    wire.behave(webhook_disabled=["instantly"])
    off = wire("GET", f"{path}/{webhook['id']}").json()
    assert off["status"] == -1
    assert off["timestamp_error"]
    assert wire("GET", f"{path}?event_type=email_sent").json() == {"items": []}
    assert wire("GET", f"{path}/00000000-0000-4000-8000-000000000000").status_code == 404


def test_every_switch_says_what_it_does_and_how_it_stands(wire):
    wire.behave(ghl_burst=25)
    switches = wire("GET", "/_twin/behaviour").json()
    assert switches.keys() == Behaviour.model_fields.keys()
    assert switches["ghl_burst"]["value"] == 25
    assert all(switch["about"] for switch in switches.values())


def test_one_vendors_latency_adds_to_that_of_all():
    behaviour = Behaviour(latency_ms=5, vendor_latency_ms={"ghl": 2000})
    assert behaviour.latency_s("ghl") == 2.005
    assert behaviour.latency_s("clay") == 0.005


def test_a_run_of_the_same_inputs_has_the_same_id_whatever_the_caller_calls_the_item(
    wire, twin_wire
):
    def run(at, item: str) -> str:
        body = {"items": [{"id": item, "inputs": {"domain": "larkfieldgroup.example"}}]}
        path = "/clay/routines/rt_sandbox_enrich/run"
        return str(at("POST", path, json=body).json()["routine_run_id"])

    assert run(wire, "one") == run(twin_wire, "another")
