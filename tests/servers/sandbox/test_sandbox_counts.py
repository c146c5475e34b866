"""Every request is counted by what it does, refused or not, and a write is never missed."""

from __future__ import annotations

import asyncio

import pytest

LOCATION = "sandboxLocation00001"


def test_reads_paid_reads_and_writes_are_told_apart(wire):
    wire.search()
    wire("GET", "/instantly/api/v2/campaigns")
    wire("POST", "/rb2b/hem_to_business_profile", json={"email": "a@b.example"})
    wire("POST", "/ghl/contacts/upsert", json={"locationId": LOCATION, "email": "a@b.example"})
    counts = wire.counts()
    assert counts["by_kind"] == {"read": 2, "paid_read": 1, "write": 1}
    assert counts["total"] == 4
    assert counts["by_vendor"]["ghl"]["by_kind"] == {"read": 1, "paid_read": 0, "write": 1}
    assert counts["writes"] == [
        {"vendor": "ghl", "method": "POST", "path": "/contacts/upsert", "status": 201}
    ]


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("POST", "/ghl/contacts/", {}),  # no key
        ("DELETE", "/ghl/locations/abc", None),  # no such endpoint
        ("POST", "/instantly/api/v2/webhooks", None),
        ("PUT", "/gdelt/api/v2/doc/doc", None),
        ("POST", "/clay/tables/query", None),
    ],
)
def test_a_refused_or_unforeseen_write_is_seen(wire, method, path, headers):
    answer = wire(method, path, headers, json={})
    assert answer.status_code >= 400
    assert wire.counts()["by_kind"]["write"] == 1
    assert wire.counts()["writes"][0]["status"] == answer.status_code


def test_a_template_is_counted_once_for_all_its_ids(wire):
    for name in ("a", "b"):
        wire("GET", f"/ghl/contacts/{name}")
    endpoints = wire.counts()["by_vendor"]["ghl"]["endpoints"]
    assert endpoints == [
        {"method": "GET", "path": "/contacts/{id}", "kind": "read", "status": 400, "count": 2}
    ]


def test_control_requests_are_not_counted_and_reset_forgets(wire):
    wire.search()
    wire("GET", "/_twin/health")
    assert wire.counts()["total"] == 1
    wire("POST", "/ghl/contacts/", json={"locationId": LOCATION, "email": "n@new.example"})
    assert wire("POST", "/_twin/reset").status_code == 200
    assert wire.counts()["total"] == 0
    found = wire("GET", f"/ghl/contacts/search/duplicate?locationId={LOCATION}&email=n@new.example")
    assert found.json()["contact"] is None


@pytest.mark.parametrize(
    ("vendor", "path"),
    [
        ("ghl", "/ghl/locations/x"),
        ("instantly", "/instantly/api/v2/campaigns"),
        ("clay", "/clay/me"),
        ("rb2b", "/rb2b/credits"),
        ("gdelt", "/gdelt/api/v2/doc/doc"),
        ("google_news", "/google_news/rss/search"),
    ],
)
def test_an_outage_hits_one_vendor_and_ends(wire, vendor, path):
    wire.behave(outage={vendor: 503})
    assert wire("GET", path).status_code == 503
    wire.behave(outage={})
    assert wire("GET", path).status_code != 503


@pytest.mark.parametrize(
    "body",
    [
        b'{"latency": 1}',
        b'{"latency_ms": -1}',
        b'{"outage": {"gohighlevel": 503}}',
        b'{"outage": {"ghl": 200}}',
        b'{"rate_limits": ["news"]}',
        b"{",
        b"[1]",
    ],
)
def test_unknown_or_impossible_behaviour_is_refused_and_changes_nothing(wire, body):
    before = wire("GET", "/_twin/health").json()["behaviour"]
    answer = wire("POST", "/_twin/behaviour", content=body)
    assert answer.status_code == 422
    assert wire("GET", "/_twin/health").json()["behaviour"] == before


def test_latency_changes_no_answer(wire):
    before = wire("GET", "/clay/me").content
    wire.behave(latency_ms=1)
    assert wire("GET", "/clay/me").content == before


def test_paths_of_no_twin_are_404(wire):
    for path in ("/", "/nothing/here", "/_twin/nothing"):
        assert wire("GET", path).status_code == 404


def test_half_a_request_is_no_request_and_is_answered_and_counted_by_nobody(wire) -> None:
    sent: list[dict] = []
    said = iter(
        [
            {"type": "http.request", "body": b'{"loca', "more_body": True},
            {"type": "http.disconnect"},
        ]
    )

    async def receive() -> dict:
        return next(said)

    async def send(message: dict) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/ghl/contacts/upsert", "headers": [],
        "query_string": b"", "root_path": "",
    }  # fmt: skip
    asyncio.run(wire.app(scope, receive, send))
    assert sent == []
    assert wire.counts()["total"] == 0
