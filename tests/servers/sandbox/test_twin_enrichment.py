"""Clay and RB2B: what is asked costs, what nobody knows is null or 404, nothing is invented."""

from __future__ import annotations

import hashlib

import pytest

from servers.enricher import twin_clay, twin_rb2b

RUN = f"/clay/routines/{twin_clay.ROUTINE_ID}/run"
JOANNA = "joanna.reyes@cedarlinecommerce.example"  # RB2B knows all of her
DANA = "dana.whitlock@brightforge.example"  # RB2B knows her, not her company's size
MISAKI = "misaki.takahashi@kaede-advisory.example"  # in Japan: RB2B knows nobody there


def start(wire, *inputs):
    items = [{"id": str(at), "inputs": item} for at, item in enumerate(inputs)]
    return wire("POST", RUN, json={"items": items})


def results(wire, run, **query):
    path = f"/clay/routines/run/{run.json()['routine_run_id']}/results"
    return wire("GET", path, params=query)


def test_clay_needs_its_own_header(wire):
    assert wire("GET", "/clay/me", {"Authorization": f"Bearer {twin_clay.KEY}"}).status_code == 401
    assert wire("GET", "/clay/me").json()["workspace"]["id"]


def test_a_run_is_accepted_then_pending_then_complete(wire):
    wire.behave(clay_pending_polls=2)
    run = start(wire, {"email": MISAKI})
    assert (run.status_code, run.json()["status"]) == (202, "in_progress")
    assert [results(wire, run).status_code for _ in range(3)] == [202, 202, 200]
    found = results(wire, run).json()["data"][0]
    assert found["status"] == "complete"
    assert found["result"]["open_roles"] == ["AI Program Manager", "Operations Manager"]
    assert found["result"]["last_funding"] is None
    assert set(found["result"]) == set(twin_clay.OUTPUTS)


def test_results_are_paged_by_cursor(wire):
    run = start(wire, *({"domain": f"company-{n}.example"} for n in range(5)))
    first = results(wire, run, limit=3).json()
    second = results(wire, run, limit=3, cursor=first["cursor"]).json()
    assert [item["id"] for item in first["data"] + second["data"]] == ["0", "1", "2", "3", "4"]
    assert "cursor" not in second


def test_the_same_run_twice_is_two_runs_and_paid_twice(wire):
    wire.behave(clay_balance=2)
    first, second = start(wire, {"email": MISAKI}), start(wire, {"email": MISAKI})
    assert first.json()["routine_run_id"] != second.json()["routine_run_id"]
    broke = start(wire, {"email": MISAKI})
    assert broke.status_code == 402
    assert set(broke.json()) == {"message"}


def test_an_item_that_matches_nothing_fails_alone(wire):
    run = start(wire, {}, {"email": MISAKI})
    assert [item["status"] for item in results(wire, run).json()["data"]] == ["failed", "complete"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"items": []},
        {"items": [{"id": "a", "inputs": {}}] * 101},
        {"items": [{"id": "a"}]},
        {"items": [{"id": "", "inputs": {}}]},
        {"items": [{"id": "a", "inputs": []}]},
        {"items": [{"id": "a", "inputs": {}}], "extra": 1},
    ],
)
def test_malformed_runs_are_refused_and_cost_nothing(wire, body):
    before = wire("GET", "/_twin/health").json()["behaviour"]["clay_balance"]
    assert wire("POST", RUN, json=body).status_code == 400
    assert wire("GET", "/_twin/health").json()["behaviour"]["clay_balance"] == before


def test_unknown_routines_and_runs_are_404(wire):
    body = {"items": [{"id": "a", "inputs": {}}]}
    assert wire("POST", "/clay/routines/none/run", json=body).status_code == 404
    assert wire("GET", "/clay/routines/run/none/results").status_code == 404


def test_clay_says_how_long_to_wait(wire):
    wire.behave(rate_limits=["clay"])
    answers = [wire("GET", "/clay/me") for _ in range(11)]
    assert answers[-1].status_code == 429
    assert answers[-1].headers["Retry-After"] == "1"


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({}, "missing_api_key"),
        ({"Api-Key": "short"}, "invalid_api_key_format"),
        ({"Api-Key": "x" * 24}, "invalid_api_key"),
    ],
)
def test_rb2b_refuses_keys_by_slug(wire, headers, error):
    answer = wire("GET", "/rb2b/credits", headers)
    assert (answer.status_code, answer.json()) == (401, {"error": error})
    assert answer.headers["x-request-id"]


def test_rb2b_knows_an_american_by_address_and_by_hash_alike(wire):
    path = "/rb2b/hem_to_business_profile"
    by_address = wire("POST", path, json={"email": JOANNA}).json()["result"]
    assert by_address["title"] == "Chief Operating Officer"
    assert by_address["company_employee_count"] == "240"
    assert by_address["link_email"] == hashlib.md5(JOANNA.encode()).hexdigest()
    known = wire.app.twins["rb2b"]
    assert isinstance(known, twin_rb2b.Rb2bTwin)
    for md5, email in list(known.by_md5.items())[:60]:
        one = wire("POST", path, json={"md5": md5})
        other = wire("POST", path, json={"email": email})
        assert (one.status_code, one.content) == (other.status_code, other.content)


def test_rb2b_partial_profiles_lack_head_count_and_industry(wire):
    result = wire("POST", "/rb2b/hem_to_business_profile", json={"email": DANA}).json()["result"]
    assert result["title"] == "Founder & CEO"
    assert result["company_employee_count"] is None
    assert result["current_industry"] is None


def test_rb2b_charges_for_a_match_and_for_every_repeat_only(wire):
    wire.behave(rb2b_balance=5)
    path = "/rb2b/hem_to_business_profile"
    assert wire("POST", path, json={"email": MISAKI}).status_code == 404
    assert wire("GET", "/rb2b/credits").json() == {"credits_remaining": 5}
    for _ in range(2):
        assert wire("POST", path, json={"email": JOANNA}).status_code == 200
    assert wire("GET", "/rb2b/credits").json() == {"credits_remaining": 1}
    assert wire("POST", path, json={"email": JOANNA}).status_code == 402


def test_the_logical_email_paths_do_not_exist_and_look_like_nobody(wire):
    answer = wire("POST", "/rb2b/email_to_business_profile", json={"email": JOANNA})
    assert (answer.status_code, answer.json()) == (404, {"error": "not_found"})


def test_rb2b_knows_a_profile_by_linkedin_slug(wire):
    body = {"linkedin_slug": "joanna-reyes-cedarline"}
    result = wire("POST", "/rb2b/linkedin_to_business_profile", json=body).json()["result"]
    assert result["business_email"] == JOANNA
    assert result["company"]["name"] == "Cedarline Commerce"
    assert wire("POST", "/rb2b/linkedin_to_business_profile", json={}).status_code == 400


def test_free_mail_has_no_company(wire):
    run = start(wire, {"email": "marcus.teel.founder@freemail.example"})
    found = results(wire, run).json()["data"][0]["result"]
    assert found["employee_count"] is None
    assert found["job_title"] == "Founder"
