"""Auto-Fix: each diagnosis from what vendors really say, and none from what only looks like it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from guardrails.brakes.failures import Cluster
from guardrails.config.loader import packaged_file
from orchestrator.fixes.diagnoses import DIAGNOSES
from orchestrator.fixes.finding import Setting
from orchestrator.fixes.model import Proposal
from orchestrator.fixes.patching import patched
from orchestrator.fixes.propose import diagnosed
from tests.orchestrator.fixes.clusters import cluster

PACKAGED: dict[str, Any] = json.loads(packaged_file("production").read_text())


def setting(edit: Callable[[dict[str, Any]], None] | None = None) -> Setting:
    document = copy.deepcopy(PACKAGED)
    if edit:
        edit(document)
    return Setting(document, PACKAGED)


def only(found: Cluster, where: Setting | None = None) -> Proposal:
    (proposal,) = diagnosed([found], where or setting())
    return proposal


def changes(proposal: Proposal) -> dict[str, Any]:
    return {op.path: op.value for op in proposal.patch if op.op != "test"}


READ_TIMEOUT = cluster("timeout", "no answer (ReadTimeout)")
DNS = cluster(
    "dns", "no answer (ConnectError: the name does not resolve, Name or service not known)"
)


@pytest.mark.parametrize(
    ("found", "diagnosis", "said"),
    [
        (cluster("auth_key", "HTTP 401: Invalid Private Integration token", status=401),
         "bad_key", "GHL_PROD_API_KEY"),
        (cluster("auth_key", "HTTP 401: Invalid API key", vendor="clay", status=401, count=1),
         "bad_key", "CLAY_AUTH_HEADER"),
        (cluster("auth_scope", "HTTP 401: The token is not authorized for this scope.",
                 status=401), "wrong_scope", "contacts.readonly"),
        (cluster("auth_scope", "HTTP 403: The token does not have access to this location.",
                 status=403), "wrong_scope", "GHL_LOCATION_ID"),
        (cluster("auth_scope", "HTTP 401: Token's user type mismatch!", status=401),
         "wrong_scope", "Sub-account"),
        (cluster("quota", "HTTP 402: Insufficient credits", vendor="clay", status=402),
         "out_of_credits", "swarm spend"),
        (cluster("duplicate_contact",
                 "HTTP 400: This location does not allow duplicated contacts.", status=400),
         "duplicate_contact", "Allow Duplicate Contact"),
        (cluster("webhook_disabled", "webhook status -1", vendor="instantly"),
         "webhook_disabled", "Resume"),
        (cluster("server_error", "HTTP 503", status=503), "outage", "status page"),
        (cluster("disk", "No space left on device", vendor=None, server="queen", count=1),
         "disk_full", "df -h"),
        (cluster("store", "database: OperationalError: database or disk is full", vendor=None,
                 server="guardrails"), "disk_full", "df -h"),
        (cluster("store", "database: OperationalError: database is locked", vendor=None,
                 server="guardrails"), "broken_state", "holds the database"),
        (cluster("bank", "unreadable", vendor=None, server="guardrails"),
         "broken_state", "backup"),
        (cluster("server_died", "crafter died during the call", vendor=None, server="crafter"),
         "dying_server", "crafter.log"),
        (DNS, "dns", "DNS"),
        (cluster("tls", "no answer (ConnectError: certificate has expired)"), "tls", "clock"),
        (cluster("schema_drift", "field contacts.id: string_type; beside it: zip"),
         "changed_field", "adapter"),
    ],
)  # fmt: skip
def test_trouble_that_only_a_person_can_end_comes_with_the_steps(
    found: Cluster, diagnosis: str, said: str
) -> None:
    proposal = only(found)
    assert proposal.diagnosis == diagnosis
    assert proposal.patch == ()
    assert said in " ".join(proposal.steps)
    assert (proposal.not_measurable or "").startswith("not measurable")


def test_a_slow_vendor_gets_more_time_and_the_whole_call_with_it() -> None:
    assert changes(only(READ_TIMEOUT)) == {
        "/vendors/ghl/timeouts/read": 40,
        "/vendors/ghl/timeouts/total": 80,
    }


def test_the_part_that_ran_out_of_time_is_the_one_that_gets_more() -> None:
    slow = cluster("timeout", "no answer (ConnectTimeout)", vendor="instantly")
    assert changes(only(slow)) == {"/vendors/instantly/timeouts/connect": 10}


def test_a_time_limit_stays_within_that_of_the_tool_call() -> None:
    def long(document: dict[str, Any]) -> None:
        document["vendors"]["ghl"]["timeouts"] |= {"read": 130, "total": 135}

    proposal = only(READ_TIMEOUT, setting(long))
    assert changes(proposal) == {"/vendors/ghl/timeouts/read": 135}

    def longest(document: dict[str, Any]) -> None:
        document["vendors"]["ghl"]["timeouts"] |= {"read": 135, "total": 135}

    assert only(READ_TIMEOUT, setting(longest)).patch == ()


def test_a_storm_of_429_makes_us_ask_less() -> None:
    found = cluster("rate_limit", "HTTP 429: Too Many Requests", status=429, leads=8)
    assert changes(only(found)) == {
        "/vendors/ghl/limits/requests": 75,
        "/work/concurrency": 8,
    }


def test_a_vendor_asked_once_at_a_time_is_asked_less_often() -> None:
    found = cluster("rate_limit", "HTTP 429", vendor="gdelt", status=429)
    assert changes(only(found)) == {"/vendors/gdelt/limits/per_seconds": 10}


def test_an_edited_version_header_goes_back_to_the_delivered_one() -> None:
    def edit(document: dict[str, Any]) -> None:
        document["vendors"]["ghl"]["api_version"] = "2021-07-82"

    found = cluster("version_header", "HTTP 401: version header is invalid", status=401)
    assert changes(only(found, setting(edit))) == {"/vendors/ghl/api_version": "2021-07-28"}


def test_a_retired_version_header_is_replaced_by_the_next_one() -> None:
    found = cluster("version_header", "HTTP 400: Invalid API version segment", status=400)
    assert changes(only(found)) == {"/vendors/ghl/api_version": "v3"}


@pytest.mark.parametrize(
    ("detail", "vendor", "alias"),
    [
        ("field contacts: missing; beside it: people", "ghl", {"people": "contacts"}),
        ("field contacts: missing; beside it: total, traceId, people", "ghl",
         {"people": "contacts"}),
        ("field contacts.id: missing; beside it: contactId, zip", "ghl", {"contactId": "id"}),
        ("field routine_run_id: missing; beside it: run_id, state", "clay",
         {"run_id": "routine_run_id"}),
    ],
)  # fmt: skip
def test_a_renamed_field_is_read_by_its_new_name(
    detail: str, vendor: str, alias: dict[str, str]
) -> None:
    found = cluster("schema_drift", detail, vendor=vendor, status=200)
    assert changes(only(found)) == {f"/vendors/{vendor}/renamed_fields": alias}


@pytest.mark.parametrize(
    "detail",
    [
        "field dnd: missing; beside it: dnd2",
        "field contacts.email: missing; beside it: emailAddress",
        "field items.status: missing; beside it: leadStatus",
        "field tags: missing; beside it: labels",
        "field items: missing; beside it: unsubscribed",
        "field id: missing; beside it: statusId",
    ],
)
def test_a_field_that_says_whom_we_may_write_to_gets_no_alias(detail: str) -> None:
    proposal = only(cluster("schema_drift", detail, status=200))
    assert (proposal.diagnosis, proposal.patch) == ("changed_field", ())


def test_an_edited_address_that_does_not_resolve_goes_back() -> None:
    def edit(document: dict[str, Any]) -> None:
        document["vendors"]["ghl"]["base_url"] = "https://services.leadconectorhq.com"

    assert changes(only(DNS, setting(edit))) == {
        "/vendors/ghl/base_url": "https://services.leadconnectorhq.com"
    }


def test_a_wrong_address_that_answers_404_goes_back() -> None:
    def edit(document: dict[str, Any]) -> None:
        document["vendors"]["ghl"]["base_url"] = "https://services.leadconnectorhq.com/v2"

    found = cluster("rejected", "HTTP 404: Cannot POST /v2/contacts/search", status=404)
    assert changes(only(found, setting(edit))) == {
        "/vendors/ghl/base_url": "https://services.leadconnectorhq.com"
    }


def test_an_unknown_routine_is_a_matter_of_its_id_and_not_of_the_address() -> None:
    found = cluster("rejected", "HTTP 404: Routine not found", vendor="clay", status=404)
    proposal = only(found)
    assert (proposal.diagnosis, proposal.patch) == ("wrong_place", ())
    assert "CLAY_ROUTINE_ID" in proposal.steps[0]


def test_one_lead_that_always_fails_is_to_be_quarantined() -> None:
    found = cluster("server_died", "crafter died during the call", vendor=None, server="crafter",
                    leads=1, lead_ids=("L-7",), count=4)  # fmt: skip
    proposal = only(found)
    assert (proposal.diagnosis, proposal.quarantine) == ("poisoned_lead", "L-7")


@pytest.mark.parametrize(
    "found",
    [
        cluster("timeout", "no answer (ReadTimeout)", count=2),  # twice is no pattern
        cluster("timeout", "call took long", vendor=None, server="crafter"),  # no vendor's
        cluster("rate_limit", "HTTP 429", count=1, status=429),
        cluster("server_error", "HTTP 500", count=2, status=500),
        cluster("rejected", "HTTP 400: Invalid field dnd", status=400),
        cluster("rejected", "HTTP 404: not found", status=404),
        cluster("version_header", "HTTP 400: API version", vendor="instantly", status=400),
        cluster("server_died", "died", vendor=None, server="crafter", leads=1, count=2,
                lead_ids=("L-7",)),
        cluster("schema_drift", "the answer is larger than 5000000 bytes"),
        cluster("schema_drift", "field contacts: missing; beside it: people", count=1),
        cluster("dns", "the name does not resolve", vendor=None, server="enricher"),
    ],
)  # fmt: skip
def test_what_only_looks_like_a_known_trouble_gives_no_proposal(found: Cluster) -> None:
    assert diagnosed([found], setting()) == ()


@pytest.mark.parametrize(
    ("found", "not_diagnosis"),
    [
        (cluster("auth_scope", "HTTP 401: The token is not authorized for this scope."),
         "bad_key"),
        (cluster("quota", "HTTP 402: no paid plan", vendor="instantly"), "bad_key"),
        (cluster("timeout", "no answer (PoolTimeout)"), "outage"),
        (cluster("server_error", "HTTP 504", status=504), "slow_vendor"),
        (cluster("store", "database is locked", vendor=None), "disk_full"),
        (cluster("server_died", "died", vendor=None, leads=5), "poisoned_lead"),
        (cluster("schema_drift", "field contacts: list_type; beside it: people"),
         "renamed_field"),
        (cluster("schema_drift", "field contacts: missing; beside it: a, b, c"),
         "renamed_field"),
    ],
)  # fmt: skip
def test_neighbouring_troubles_are_told_apart(found: Cluster, not_diagnosis: str) -> None:
    assert not_diagnosis not in {one.diagnosis for one in diagnosed([found], setting())}


def test_clusters_with_one_remedy_are_one_proposal_with_all_their_evidence() -> None:
    other = cluster("timeout", "no answer (ReadTimeout)", operation="get_contact", count=5,
                    lead_ids=("L-3", "L-4"), leads=2,
                    last_seen="2026-03-10T15:00:00.000000Z")  # fmt: skip
    (proposal,) = diagnosed([READ_TIMEOUT, other], setting())
    assert proposal.evidence.failures == 15
    assert proposal.evidence.lead_ids == ("L-1", "L-2", "L-3", "L-4")
    assert proposal.evidence.last_seen == other.last_seen
    assert len(proposal.evidence.signatures) == 2


def test_the_same_trouble_gives_the_same_id_and_another_configuration_another_one() -> None:
    def edit(document: dict[str, Any]) -> None:
        document["vendors"]["ghl"]["timeouts"]["read"] = 30

    assert only(READ_TIMEOUT).id == only(READ_TIMEOUT).id
    assert only(READ_TIMEOUT).id != only(READ_TIMEOUT, setting(edit)).id


def test_every_patch_that_is_proposed_can_be_applied() -> None:
    found = [
        cluster("timeout", f"no answer ({name}Timeout)", vendor=vendor)
        for name in ("Connect", "Read", "Write", "Pool")
        for vendor in PACKAGED["vendors"]
    ]
    found += [cluster("rate_limit", "429", vendor=vendor, leads=9) for vendor in
              PACKAGED["vendors"]]  # fmt: skip
    proposals = diagnosed(found, setting())
    assert len(proposals) == len(found)
    for proposal in proposals:
        assert patched(proposal.patch, PACKAGED, PACKAGED) != PACKAGED


def test_there_are_more_than_ten_diagnoses_and_their_names_are_their_own() -> None:
    names = [one.name for one in DIAGNOSES]
    assert len(names) == len(set(names)) >= 10
