"""The Instantly twin refuses what Instantly refuses, pages as it pages, and keeps its traps."""

from __future__ import annotations

import pytest

from servers.instantly import twin_lookups as instantly

V2 = "/instantly/api/v2"
SCHEDULE = {
    "schedules": [
        {
            "name": "Weekdays",
            "timing": {"from": "08:00", "to": "18:00"},
            "days": {"1": True},
            "timezone": "America/Detroit",
        }
    ]
}


def zone(name):
    return {"schedules": [SCHEDULE["schedules"][0] | {"timezone": name}]}


def first_campaign(wire):
    return wire("GET", f"{V2}/campaigns").json()["items"][0]["id"]


def test_a_missing_or_wrong_key_is_401_in_the_usual_envelope(wire):
    for headers in ({}, {"Authorization": "Bearer no"}):
        answer = wire("GET", f"{V2}/campaigns", headers)
        assert answer.json() == {
            "statusCode": 401,
            "error": "Unauthorized",
            "message": "Invalid API key",
        }


def test_a_key_without_the_scope_is_403(wire):
    headers = {"Authorization": f"Bearer {instantly.READ_ONLY_KEY}"}
    assert wire("GET", f"{V2}/campaigns", headers).status_code == 200
    assert wire("POST", f"{V2}/leads", headers, json={}).status_code == 403


@pytest.mark.parametrize("limit", ["0", "101", "-1", "many"])
def test_limits_outside_1_to_100_are_refused(wire, limit):
    assert wire("GET", f"{V2}/campaigns?limit={limit}").status_code == 400
    assert wire("POST", f"{V2}/leads/list", json={"limit": limit}).status_code == 400


def test_paging_by_cursor_reaches_every_lead_once_in_id_order(wire):
    seen, more = [], {}
    while True:
        page = wire("POST", f"{V2}/leads/list", json={"limit": 17} | more).json()
        seen += [lead["id"] for lead in page["items"]]
        if "next_starting_after" not in page:
            break
        more = {"starting_after": page["next_starting_after"]}
    assert seen == sorted(set(seen))
    assert len(seen) == 80


def test_leads_are_filtered_by_contact_campaign_id_and_search(wire):
    lead = wire("POST", f"{V2}/leads/list", json={"limit": 1}).json()["items"][0]
    for asked in (
        {"contacts": [lead["email"].upper()]},
        {"ids": [lead["id"]]},
        {"search": lead["email"]},
        {"contacts": [lead["email"]], "campaign": lead["campaign"]},
    ):
        found = wire("POST", f"{V2}/leads/list", json=asked).json()["items"]
        assert [item["id"] for item in found] == [lead["id"]]
    assert wire("GET", f"{V2}/leads/{lead['id']}").json()["email"] == lead["email"]
    assert wire("POST", f"{V2}/leads/list", json={"contacts": ["no@one.example"]}).json() == {
        "items": []
    }


def test_the_block_list_is_searched_by_value_and_by_domains_only(wire):
    found = wire("GET", f"{V2}/block-lists-entries?search=mutedlake.example").json()["items"]
    assert [(entry["bl_value"], entry["is_domain"]) for entry in found] == [
        ("mutedlake.example", True)
    ]
    domains = wire("GET", f"{V2}/block-lists-entries?domains_only=true&limit=100").json()["items"]
    assert domains
    assert all(entry["is_domain"] for entry in domains)


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("/campaigns", {"name": "x"}, "body must have required property 'campaign_schedule'"),
        (
            "/campaigns",
            {"name": "x", "campaign_schedule": SCHEDULE, "zap": 1},
            "body must NOT have additional properties",
        ),
        ("/leads", {"campaign_id": "x"}, "body must NOT have additional properties"),
        ("/block-lists-entries", {}, "body must have required property 'bl_value'"),
        ("/leads/add", {"leads": [{}]}, "Provide either campaign_id or list_id"),
    ],
)
def test_bodies_outside_the_schema_are_refused(wire, path, body, message):
    answer = wire("POST", V2 + path, json=body)
    assert (answer.status_code, answer.json()["message"]) == (400, message)


def test_the_short_list_of_time_zones_is_enforced(wire):
    for name in ("America/New_York", "Europe/London", "Mars/Olympus"):
        body = {"name": "x", "campaign_schedule": zone(name)}
        assert wire("POST", f"{V2}/campaigns", json=body).status_code == 400
    made = wire("POST", f"{V2}/campaigns", json={"name": "x", "campaign_schedule": SCHEDULE})
    assert made.json()["status"] == 0


def test_a_paused_campaign_reads_back_as_paused(wire):
    campaign = f"{V2}/campaigns/{first_campaign(wire)}"
    assert wire("POST", f"{campaign}/activate").json()["status"] == 1
    wire("POST", f"{campaign}/pause")
    assert wire("GET", campaign).json()["status"] == 2


def test_ids_must_be_uuids_and_known(wire):
    assert wire("GET", f"{V2}/campaigns/abc").status_code == 400
    unknown = "00000000-0000-4000-8000-000000000000"
    assert wire("GET", f"{V2}/campaigns/{unknown}").status_code == 404
    assert wire("GET", f"{V2}/leads/{unknown}").status_code == 404


def test_a_bulk_add_answers_200_and_says_in_its_counts_what_it_left_out(wire):
    held = wire("POST", f"{V2}/leads/list", json={"limit": 1}).json()["items"][0]
    leads = [
        {"email": "a@fresh.example"},
        {"email": "a@fresh.example"},
        {"email": "someone@mutedlake.example"},
        {"email": "nonsense"},
        {"email": held["email"]},
    ]
    body = {"campaign_id": first_campaign(wire), "leads": leads, "skip_if_in_workspace": True}
    counts = wire("POST", f"{V2}/leads/add", json=body).json()
    assert [lead["email"] for lead in counts["created_leads"]] == ["a@fresh.example"]
    assert counts["duplicate_email_count"] == 1
    assert counts["in_blocklist"] == 1
    assert counts["invalid_email_count"] == 1
    assert counts["skipped_count"] == 1


def test_a_single_add_that_is_skipped_gives_200_and_the_lead_held_already(wire):
    held = wire("POST", f"{V2}/leads/list", json={"limit": 1}).json()["items"][0]
    body = {"email": held["email"], "campaign": held["campaign"]}
    skipped = wire("POST", f"{V2}/leads", json=body | {"skip_if_in_campaign": True})
    assert skipped.status_code == 200
    assert skipped.json()["id"] == held["id"]
    assert wire("POST", f"{V2}/leads", json=body).json()["id"] != held["id"]


def test_429_carries_no_rate_header(wire):
    wire.behave(rate_limits=["all"])
    answers = [wire("GET", f"{V2}/campaigns") for _ in range(101)]
    assert [answer.status_code for answer in answers] == [200] * 100 + [429]
    assert not [name for name in answers[-1].headers if "ratelimit" in name or "retry" in name]


def test_interest_is_set_for_known_leads_only(wire):
    held = wire("POST", f"{V2}/leads/list", json={"limit": 1}).json()["items"][0]
    path = f"{V2}/leads/update-interest-status"
    body = {"lead_email": held["email"], "interest_value": -1}
    assert wire("POST", path, json=body).status_code == 202
    assert wire("GET", f"{V2}/leads/{held['id']}").json()["lt_interest_status"] == -1
    unknown = wire("POST", path, json=body | {"lead_email": "no@one.example"})
    assert unknown.json() == {"error": "Lead not found"}
