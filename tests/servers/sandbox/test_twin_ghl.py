"""The GHL twin refuses what GHL refuses, in its words, and holds what a CRM would hold."""

from __future__ import annotations

import pytest

from servers.ghl import twin_door as ghl

LOCATION = "sandboxLocation00001"
STANDARD = {"Version": "2021-07-28"}
CUSTOMER = "accounts@larkfieldgroup.example"


def bearer(token: str) -> dict[str, str]:
    return STANDARD | {"Authorization": f"Bearer {token}"}


def contact_id(wire, email):
    found = wire.search(filters=[{"field": "email", "operator": "eq", "value": email}])
    return found.json()["contacts"][0]["id"]


@pytest.mark.parametrize(
    ("headers", "status", "message"),
    [
        (STANDARD, 401, "Invalid Private Integration token"),
        (bearer("pit-wrong"), 401, "Invalid Private Integration token"),
        ({"Authorization": f"Bearer {ghl.TOKEN}"}, 401, "version header was not found."),
        (
            bearer(ghl.TOKEN) | {"Version": "x"},
            400,
            "Invalid API version segment 'x' at position 0",
        ),
        (bearer(ghl.TOKEN) | {"Version": "2021-04-15"}, 401, "version header is invalid"),
        (bearer(ghl.AGENCY_TOKEN), 401, "Token's user type mismatch!"),
        (bearer(ghl.OTHER_TOKEN), 403, "The token does not have access to this location."),
    ],
)
def test_each_kind_of_bad_token_or_version_is_refused_in_its_own_words(
    wire, headers, status, message
):
    answer = wire("GET", f"/ghl/locations/{LOCATION}", headers)
    assert (answer.status_code, answer.json()["message"]) == (status, message)
    assert answer.json()["traceId"]


def test_a_read_only_token_reads_and_may_not_write(wire):
    headers = bearer(ghl.READ_ONLY_TOKEN)
    assert wire("GET", f"/ghl/locations/{LOCATION}", headers).status_code == 200
    refused = wire("POST", "/ghl/contacts/", headers, json={"locationId": LOCATION})
    assert refused.status_code == 401
    assert refused.json()["message"] == "The token is not authorized for this scope."


def test_conversations_need_their_own_version(wire):
    path = f"/ghl/conversations/search?locationId={LOCATION}"
    assert wire("GET", path).status_code == 401
    assert wire("GET", path, bearer(ghl.TOKEN) | {"Version": "2021-04-15"}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "more"),
    [
        ("GET", "/ghl/locations/elsewhere", {}),
        ("GET", "/ghl/opportunities/search?location_id=elsewhere", {}),
        ("POST", "/ghl/contacts/search", {"json": {"locationId": "elsewhere", "pageLimit": 1}}),
        ("POST", "/ghl/contacts/upsert", {"json": {"locationId": "elsewhere"}}),
    ],
)
def test_another_location_is_refused_everywhere(wire, method, path, more):
    answer = wire(method, path, **more)
    assert answer.status_code == 403
    assert answer.json()["message"] == "The token does not have access to this location."


def test_unknown_and_missing_properties_are_named_in_a_list(wire):
    answer = wire("POST", "/ghl/contacts/search", json={"locationId": LOCATION, "limit": 5})
    assert answer.status_code == 422
    assert answer.json()["message"] == [
        "property limit should not exist",
        "pageLimit should not be empty",
    ]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"pageLimit": 501}, 422),
        ({"query": "x" * 76}, 422),
        ({"page": 1, "searchAfter": [1, "a"]}, 400),
        ({"page": 501}, 400),
        ({"filters": [{"field": "shoe_size", "operator": "eq", "value": 1}]}, 400),
        ({"filters": [{"field": "email", "operator": "like", "value": "a"}]}, 400),
        ({"filters": [{"field": "email", "operator": "eq", "value": "x" * 76}]}, 400),
        ({"filters": [{"field": "email", "operator": "contains", "value": "a*"}]}, 400),
        ({"filters": [{"group": "XOR", "filters": []}]}, 400),
        ({"filters": ["email"]}, 422),
        ({"sort": [{"field": "shoe_size"}]}, 400),
        ({"pageLimit": True}, 422),
    ],
)
def test_searches_outside_the_published_limits_are_refused(wire, body, status):
    assert wire.search(**body).status_code == status


def test_a_body_that_is_no_json_is_a_400(wire):
    answer = wire("POST", "/ghl/contacts/search", content=b"{")
    assert answer.status_code == 400


def test_search_omits_dnd_and_the_contact_itself_has_it(wire):
    found = wire.search(filters=[{"field": "tags", "operator": "eq", "value": "unsubscribed"}])
    shown = found.json()["contacts"][0]
    assert "dndSettings" not in shown
    contact = wire("GET", f"/ghl/contacts/{shown['id']}").json()["contact"]
    assert contact["dndSettings"]["Email"]["status"] == "active"


def test_a_new_contact_is_found_by_search_only_after_the_lag(wire, clock):
    made = wire("POST", "/ghl/contacts/", json={"locationId": LOCATION, "email": "N@new.example"})
    assert made.status_code == 201
    asked = [{"field": "email", "operator": "eq", "value": "n@new.example"}]
    assert wire.search(filters=asked).json()["total"] == 0
    duplicate = wire(
        "GET", f"/ghl/contacts/search/duplicate?locationId={LOCATION}&email=n%40new.example"
    )
    assert duplicate.json()["contact"]["id"] == made.json()["contact"]["id"]
    clock.step(2)
    assert wire.search(filters=asked).json()["total"] == 1


def test_groups_operators_and_query_select_as_documented(wire):
    customers = wire.search(filters=[{"field": "type", "operator": "eq", "value": "customer"}])
    group = {
        "group": "OR",
        "filters": [
            {"field": "email", "operator": "contains", "value": "@larkfieldgroup.example"},
            {"field": "email", "operator": "eq", "value": "STOP@mutedlake.example"},
        ],
    }
    either = wire.search(filters=[group])
    both = wire.search(
        filters=[group, {"field": "tags", "operator": "contains", "value": ["customer"]}]
    )
    assert customers.json()["total"] > 5
    assert {c["email"] for c in either.json()["contacts"]} == {CUSTOMER, "stop@mutedlake.example"}
    assert [c["email"] for c in both.json()["contacts"]] == [CUSTOMER]
    assert wire.search(query="larkfield").json()["total"] == 1
    nobody = [{"field": "firstNameLowerCase", "operator": "not_exists"}]
    assert wire.search(filters=nobody).json()["total"] == 0
    old = [{"field": "dateAdded", "operator": "range", "value": {"lt": "2000-01-01T00:00:00Z"}}]
    assert wire.search(filters=old).json()["total"] == 0


def test_both_ways_of_paging_reach_every_contact_once(wire):
    total = wire.search().json()["total"]
    by_page, page = [], 1
    while batch := wire.search(page=page, pageLimit=50).json()["contacts"]:
        by_page += [contact["id"] for contact in batch]
        page += 1
    by_cursor, more = [], {}
    while batch := wire.search(pageLimit=50, **more).json()["contacts"]:
        by_cursor += [contact["id"] for contact in batch]
        more = {"searchAfter": batch[-1]["searchAfter"]}
    assert by_page == by_cursor
    assert len(set(by_page)) == total > 100


def test_the_rate_limit_counts_always_and_refuses_when_switched_on(wire, clock):
    path = f"/ghl/locations/{LOCATION}"
    first = wire("GET", path)
    assert first.headers["X-RateLimit-Max"] == "100"
    assert first.headers["X-RateLimit-Interval-Milliseconds"] == "10000"
    assert first.headers["X-RateLimit-Remaining"] == "99"
    assert first.headers["X-RateLimit-Daily-Remaining"] == "199999"
    for _ in range(101):
        assert wire("GET", path).status_code == 200
    wire.behave(rate_limits=["ghl"])
    refused = wire("GET", path)
    assert refused.status_code == 429
    assert "retry-after" not in refused.headers
    clock.step(10)
    assert wire("GET", path).status_code == 200


def test_opportunity_search_speaks_snake_case_only(wire):
    assert wire("GET", f"/ghl/opportunities/search?locationId={LOCATION}").status_code == 422
    customer = contact_id(wire, CUSTOMER)
    found = wire(
        "GET",
        f"/ghl/opportunities/search?location_id={LOCATION}&contact_id={customer}&status=won",
    )
    assert found.json()["meta"]["total"] == 1
    path = f"/ghl/opportunities/search?location_id={LOCATION}&limit=101"
    assert wire("GET", path).status_code == 422


def test_upsert_repeats_without_a_second_contact_and_replaces_all_tags(wire):
    body = {"locationId": LOCATION, "email": "n@new.example", "tags": ["a", "b"]}
    first = wire("POST", "/ghl/contacts/upsert", json=body).json()
    second = wire("POST", "/ghl/contacts/upsert", json=body | {"tags": ["c"]}).json()
    assert (first["new"], second["new"]) == (True, False)
    assert second["contact"]["id"] == first["contact"]["id"]
    assert second["contact"]["tags"] == ["c"]
    third = wire(
        "POST", "/ghl/contacts/upsert", json={"locationId": LOCATION, "email": "n@new.example"}
    )
    assert third.json()["contact"]["tags"] == ["c"]


def test_creating_a_duplicate_names_the_contact_that_is_there(wire):
    answer = wire("POST", "/ghl/contacts/", json={"locationId": LOCATION, "email": CUSTOMER})
    assert answer.status_code == 400
    assert answer.json()["meta"]["matchingField"] == "email"
    assert answer.json()["meta"]["contactId"] == contact_id(wire, CUSTOMER)


def test_update_has_no_company_name(wire):
    path = f"/ghl/contacts/{contact_id(wire, CUSTOMER)}"
    assert wire("PUT", path, json={"companyName": "X"}).status_code == 422
    assert wire("PUT", path, json={"city": "X"}).json()["succeded"] is True


def test_a_note_sent_twice_is_there_twice(wire):
    path = f"/ghl/contacts/{contact_id(wire, CUSTOMER)}/notes"
    first = wire("POST", path, json={"body": "x"}).json()["note"]["id"]
    second = wire("POST", path, json={"body": "x"}).json()["note"]["id"]
    assert first != second


def test_a_contact_has_one_opportunity_per_pipeline(wire):
    pipelines = wire("GET", f"/ghl/opportunities/pipelines?locationId={LOCATION}").json()
    body = {
        "locationId": LOCATION,
        "pipelineId": pipelines["pipelines"][0]["id"],
        "name": "Deal",
        "status": "open",
        "contactId": contact_id(wire, "stop@mutedlake.example"),
    }
    made = wire("POST", "/ghl/opportunities/", json=body)
    again = wire("POST", "/ghl/opportunities/", json=body)
    assert made.status_code == 201
    assert again.json()["code"] == "OPPORTUNITY_NO_DUPLICATE"
    assert again.json()["meta"]["existingId"] == made.json()["opportunity"]["id"]
    upserted = wire("POST", "/ghl/opportunities/upsert", json=body | {"status": "won"}).json()
    assert (upserted["new"], upserted["opportunity"]["status"]) == (False, "won")


def test_mail_to_an_opted_out_contact_is_refused_with_its_code(wire):
    headers = bearer(ghl.TOKEN) | {"Version": "2021-04-15"}
    muted = {"type": "Email", "contactId": contact_id(wire, "stop@mutedlake.example")}
    refused = wire("POST", "/ghl/conversations/messages", headers, json=muted)
    assert refused.status_code == 400
    assert refused.json()["canonicalCode"] == "CONVERSATIONS_MSG_DND_ACTIVE_EMAIL"
    open_to = muted | {"contactId": contact_id(wire, CUSTOMER)}
    sent = wire("POST", "/ghl/conversations/messages", headers, json=open_to)
    assert sent.status_code == 201
    assert sent.json()["messageId"]


@pytest.mark.parametrize("path", ["/ghl/contacts/nobody", "/ghl/opportunities/none"])
def test_an_unknown_record_is_a_400_with_a_trace(wire, path):
    answer = wire("GET", path)
    assert answer.status_code == 400
    assert answer.json()["traceId"]


def test_workflows_are_listed_and_cannot_be_created(wire):
    listed = wire("GET", f"/ghl/workflows/?locationId={LOCATION}").json()["workflows"]
    assert {workflow["status"] for workflow in listed} == {"published", "draft"}
    assert wire("POST", "/ghl/workflows/", json={}).status_code == 404
    path = f"/ghl/contacts/{contact_id(wire, CUSTOMER)}/workflow"
    assert wire("POST", f"{path}/{listed[0]['id']}", json={}).json()["succeded"] is True
    assert wire("POST", f"{path}/none", json={}).status_code == 400
