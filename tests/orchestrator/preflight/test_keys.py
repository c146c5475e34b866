"""What a vendor's answer means: a key that is refused, a vendor that is down, nobody asked."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from guardrails.approvers import ApproverList
from guardrails.config import load_config
from guardrails.config.models import Approvers
from guardrails.config.models.production import Delivery
from orchestrator.environment import Environment
from orchestrator.preflight import keys, people, vendors
from orchestrator.preflight.supabase import SupabaseProbe
from orchestrator.variables import VARIABLES
from servers.common.contract_access import Access, Door
from servers.ghl.contract_reads import CrmAccess, Pipeline, Pipelines, Stage
from servers.instantly.contract_reads import (
    Campaign,
    CampaignPage,
    MailboxState,
    WorkspaceAccess,
)
from servers.sandbox.host import Sandbox
from servers.sandbox.wire import Site
from servers.sandbox.world import World
from tests.conftest import SteppableClock
from tests.orchestrator.preflight.conftest import Answers
from tests.servers.served import served

pytestmark = pytest.mark.anyio
PRODUCTION = load_config().production
URL, KEY = "https://abc.supabase.co", "sb_secret_0123456789"


def door(name: str, status: str = "ok", seen: str = "fine") -> Door:
    said = {"name": name, "status": status, "seen": seen, "remedy": "Rotate it."}
    return Door.model_validate(said)


@pytest.mark.parametrize(
    ("statuses", "result"),
    [
        (("ok", "ok"), "ok"),
        (("ok", "refused"), "fail"),
        (("unreachable", "odd"), "fail"),
        (("ok", "unreachable"), "unknown"),
        ((), "unknown"),
    ],
)
def test_one_shut_door_is_enough(statuses: tuple[str, ...], result: str) -> None:
    doors = [door(f"ghl.{number}", status) for number, status in enumerate(statuses)]
    assert keys.of_doors("ghl_key", doors).result == result


async def test_the_crms_key_and_its_setting_for_duplicates() -> None:
    for allowed, result in ((False, "ok"), (True, "warn"), (None, "unknown")):
        access = CrmAccess(doors=(door("ghl.contacts"),), duplicates_allowed=allowed)
        [key, about] = await keys.check_ghl(Answers(check_access=access))
        assert (key.result, about.result) == ("ok", result)


async def test_clay_without_a_routine_is_skipped_and_its_limit_is_not_relied_on() -> None:
    whole = (door("clay.key", seen="workspace w"), door("rb2b.key", "not_set", "no key"))
    [clay, rb2b] = await keys.check_enricher(Answers(check_access=Access(doors=whole)))
    assert (clay.result, rb2b.result) == ("ok", "fail")
    assert "cannot be relied on" in clay.seen
    idle = (*whole, door("clay.use", "not_set", "CLAY_ROUTINE_ID is not set"))
    [clay, _] = await keys.check_enricher(Answers(check_access=Access(doors=idle)))
    assert (clay.result, "CLAY_ROUTINE_ID" in clay.seen) == ("warn", True)


def test_a_missing_variable_is_named_with_where_it_is_found() -> None:
    critical, recommended = keys.check_variables(Environment({}), sandbox=False)
    assert (critical.result, recommended.result) == ("fail", "warn")
    assert "GHL_PROD_API_KEY" in critical.seen
    assert "Private Integrations" in critical.do
    whole = Environment({variable.name: "x" for variable in VARIABLES})
    assert {one.result for one in keys.check_variables(whole, sandbox=False)} == {"ok"}


@pytest.mark.parametrize(
    ("changes", "result"),
    [
        ({}, "ok"),
        ({"warmup": "paused"}, "warn"),
        ({"warmup": "banned"}, "fail"),
        ({"status": "connection_error"}, "fail"),
        ({"setup_pending": True}, "fail"),
        ({"daily_limit": 5}, "warn"),
    ],
)
async def test_the_mailbox(changes: dict[str, Any], result: str) -> None:
    state = MailboxState(
        status="active", warmup="active", warmup_score=90, daily_limit=50, setup_pending=False
    ).model_copy(update=changes)
    doors = (door("instantly.workspace"), door("instantly.mailbox"))
    access = WorkspaceAccess(doors=doors, mailbox=state)
    limits = PRODUCTION.sending_limits
    [key, mailbox] = await vendors.check_instantly(
        Answers(check_access=access), "kim@agency.example", limits
    )
    assert (key.result, mailbox.result) == ("ok", result)


async def test_a_mailbox_that_instantly_does_not_have() -> None:
    access = WorkspaceAccess(doors=(door("instantly.mailbox"),), mailbox=None)
    [_, mailbox] = await vendors.check_instantly(
        Answers(check_access=access), "kim@agency.example", PRODUCTION.sending_limits
    )
    assert (mailbox.result, "SENDER_EMAIL" in mailbox.do) == ("fail", True)


@pytest.mark.parametrize(
    ("status", "result"),
    [(None, "ok"), ("active", "ok"), ("paused", "warn"), ("suspended", "fail"),
     ("unknown(7)", "unknown")],
)  # fmt: skip
async def test_the_campaign(status: str | None, result: str) -> None:
    name = f"{PRODUCTION.delivery.instantly_campaign} (America/Detroit 08:00-18:00)"
    others = (Campaign(id="1", name="Somebody's", status="suspended"),)
    mine = (Campaign(id="2", name=name, status=status),) if status else ()
    page = CampaignPage(campaigns=others + mine, next_cursor=None)
    [found] = await vendors.check_campaign(Answers(list_campaigns=page), PRODUCTION.delivery)
    assert found.result == result


@pytest.mark.parametrize(
    ("names", "stages", "result"),
    [
        (("Outbound",), ("New", "Contacted"), "ok"),
        (("outbound ",), ("contacted",), "ok"),
        (("Inbound",), ("Contacted",), "fail"),
        (("Outbound", "OUTBOUND"), ("Contacted",), "fail"),
        (("Outbound",), ("New",), "fail"),
    ],
)
async def test_pipeline_and_stage(
    names: tuple[str, ...], stages: tuple[str, ...], result: str
) -> None:
    made = tuple(Stage(id=name, name=name) for name in stages)
    found = Pipelines(pipelines=tuple(Pipeline(id=n, name=n, stages=made) for n in names))
    delivery: Delivery = PRODUCTION.delivery
    [check] = await vendors.check_pipeline(Answers(list_pipelines=found), delivery)
    assert check.result == result


JWT = "a.b.c"
TABLES = httpx.Response(200, json=[{"version": 1}])


def probed(
    answers: Any, key: str = KEY, url: str = URL, tables: httpx.Response | Exception = TABLES
) -> Any:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/rest/v1/swarm_schema":
            if isinstance(tables, Exception):
                raise tables
            return httpx.Response(tables.status_code, content=tables.content)
        assert request.url.path == "/rest/v1/"
        found = answers["both" if "authorization" in request.headers else "alone"]
        if isinstance(found, Exception):
            raise found
        return httpx.Response(found)

    values = {"SUPABASE_URL": url, "SUPABASE_KEY": key}
    return SupabaseProbe(values, sandbox=False, wire=httpx.MockTransport(answer)).check()


@pytest.mark.parametrize(
    ("key", "alone", "both", "result"),
    [
        (KEY, 200, 200, "ok"), (KEY, 200, 401, "ok"), (KEY, 401, 200, "fail"),
        (JWT, 200, 200, "ok"), (JWT, 200, 401, "warn"), (JWT, 401, 200, "ok"),
        (KEY, 401, 401, "fail"), (KEY, 503, 503, "unknown"),
        (KEY, httpx.ConnectError("down"), httpx.ConnectError("down"), "unknown"),
    ],
)  # fmt: skip
def test_supabase_by_both_headers(key: str, alone: Any, both: Any, result: str) -> None:
    """Our client sends a JWT in both, as Supabase's own does; a secret key as `apikey` alone."""
    found = probed({"alone": alone, "both": both}, key)
    assert found.result == result
    assert KEY not in found.seen + found.do


@pytest.mark.parametrize(
    ("tables", "result", "said"),
    [
        (httpx.Response(404, json={"code": "PGRST205"}), "fail", "memory init"),
        (httpx.Response(404, json={"code": "42P01"}), "fail", "memory init"),
        (httpx.Response(200, json=[{"version": 0}]), "fail", "memory init"),
        (httpx.Response(200, json=[]), "fail", "sb_secret"),
        (httpx.Response(200, text="<html>"), "unknown", ""),
        (httpx.Response(503), "unknown", ""),
        (httpx.ConnectError("down"), "unknown", ""),
    ],
)
def test_supabase_with_a_good_key_and_without_the_memorys_tables(
    tables: Any, result: str, said: str
) -> None:
    found = probed({"alone": 200, "both": 200}, tables=tables)
    assert found.result == result
    assert said in found.do


def test_supabase_is_not_asked_with_a_key_or_an_address_that_cannot_be() -> None:
    nobody: Any = {}
    assert probed(nobody, key="").result == "fail"
    assert probed(nobody, key="sb_publishable_1").result == "fail"
    assert probed(nobody, url="http://abc.supabase.co").result == "fail"
    assert SupabaseProbe({}, sandbox=True).check().result == "warn"


def listed(*people_: tuple[str, str | None, str]) -> ApproverList:
    entries = [{"name": n, "slack_user_id": s, "role": r} for n, s, r in people_]
    given = Approvers.model_validate({"schema_version": 1, "approvers": entries})
    return ApproverList.of(given, (), b"salt" * 8)


ANA, BEN = ("Ana", "U0ANA01", "approver"), ("Ben", "U0BEN02", "escalation")


@pytest.mark.parametrize(
    ("entries", "result"),
    [
        ((ANA, BEN), "ok"),
        ((ANA,), "fail"),
        ((), "fail"),
        ((BEN, ("Eva", None, "escalation")), "fail"),
        ((ANA, ("Cai", None, "approver")), "fail"),
        ((("Approver 1", None, "approver"), BEN), "warn"),
    ],
)
def test_two_people_one_of_them_for_what_is_late(entries: Any, result: str) -> None:
    assert people.check_approvers(listed(*entries)).result == result


async def test_slack_shows_bot_channel_and_every_approver(clock: SteppableClock) -> None:
    app = Sandbox(Site(World(), clock))
    async with served(app) as env:
        desk = people.SlackDesk(env, sandbox=True)
        good = await people.check_slack(desk, listed(ANA, BEN))
        assert [check.result for check in good] == ["ok", "ok", "ok"]
        assert good[2].seen == "Ana is Ana Approver, Ben is Ben Approver"

        strange = listed(ANA, ("Zoe", "U0ZOE99", "escalation"))
        found = await people.check_slack(desk, strange)
        assert (found[2].result, "user_not_found" in found[2].seen) == ("fail", True)
        without = listed(ANA, ("Zoe", None, "escalation"))
        assert (await people.check_slack(desk, without))[2].seen == "no Slack id: Zoe"

        elsewhere = people.SlackDesk(env | {"SLACK_CHANNEL_ID": "C0ELSEWHERE"}, sandbox=True)
        assert (await people.check_slack(elsewhere, listed(ANA, BEN)))[1].result == "fail"
        other = people.SlackDesk(env | {"SLACK_TEAM_ID": "T0OTHER"}, sandbox=True)
        assert (await people.check_slack(other, listed(ANA, BEN)))[0].result == "fail"
        assert app.site.counters.report()["by_kind"].get("tell", 0) == 0  # nothing was posted

    down = await people.check_slack(desk, listed(ANA, BEN))
    assert [check.result for check in down] == ["unknown", "unknown", "unknown"]


async def test_without_slacks_token_nobody_is_reachable() -> None:
    found = await people.check_slack(people.SlackDesk({}, sandbox=True), listed(ANA, BEN))
    assert {check.result for check in found} == {"fail"}
    assert {check.seen for check in found} == {"SLACK_BOT_TOKEN is not set"}
