"""What must be there at the vendors before a lead is written to. Owns: pipeline, campaign, mailbox.

All of it is read through the servers. Refuses to make anything: what is missing is named.
"""

from __future__ import annotations

from guardrails.config.models.production import Delivery, SendingLimits
from orchestrator.preflight.keys import of_doors
from orchestrator.preflight.model import Check, fail, ok, unknown, warn
from orchestrator.preflight.servers import Servers
from servers.ghl import contract as ghl
from servers.ghl.contract_reads import Nothing, Pipeline
from servers.instantly import contract as instantly
from servers.instantly.contract_reads import (
    Campaign,
    CheckWorkspace,
    ListCampaigns,
    MailboxState,
)

_ILL = frozenset({"accounts_unhealthy", "bounce_protect", "suspended"})
_BANNED = frozenset({"banned", "suspended"})
_PAGES = 100


async def check_instantly(servers: Servers, mailbox: str, limits: SendingLimits) -> list[Check]:
    """The key, and the mailbox that e-mails go out from."""
    if not mailbox:
        told, do = "SENDER_EMAIL is not set: there is no mailbox to ask about", "Set it in .env."
        return [unknown("instantly_key", told, do), fail("mailbox", told, do)]
    found = await servers.ask("instantly", instantly.CHECK_ACCESS, CheckWorkspace(mailbox=mailbox))
    about = [door for door in found.doors if door.name == "instantly.mailbox"]
    key = of_doors("instantly_key", [door for door in found.doors if door not in about])
    shut = of_doors("mailbox", about)
    return [key, _mailbox(mailbox, found.mailbox, limits) if shut.result == "ok" else shut]


def _mailbox(address: str, state: MailboxState | None, limits: SendingLimits) -> Check:
    if state is None:
        return fail(
            "mailbox", f"Instantly has no mailbox {address}",
            "Connect it (Instantly: Email Accounts), or correct SENDER_EMAIL.",
        )  # fmt: skip
    score = "" if state.warmup_score is None else f" (score {state.warmup_score:g})"
    limit = "not told" if state.daily_limit is None else str(state.daily_limit)
    told = f"{address}: {state.status}, warm-up {state.warmup}{score}, daily limit {limit}"
    if state.setup_pending or state.status not in ("active", "not told"):
        return fail("mailbox", told, "Instantly: Email Accounts: finish its setup, or mend it.")
    if state.warmup in _BANNED:
        return fail("mailbox", told, "Instantly took it out of the warm-up: use another mailbox.")
    if state.warmup != "active":
        return warn("mailbox", told, "Switch the warm-up on; two weeks before the first e-mail.")
    if state.daily_limit is not None and state.daily_limit < limits.per_mailbox_day:
        wanted = limits.per_mailbox_day
        do = f"Instantly would send fewer than sending_limits.per_mailbox_day ({wanted})."
        return warn("mailbox", told, do)
    return ok("mailbox", told)


async def check_campaign(servers: Servers, delivery: Delivery) -> list[Check]:
    """Those that the swarm would use; it makes them at need, one for each set of hours."""
    name = delivery.instantly_campaign
    mine = [one for one in await _campaigns(servers) if one.name.startswith(name)]
    if not mine:
        told = f"none is named {name!r} yet: the first e-mail's is made as a draft, then started"
        return [ok("campaign", told)]
    told = ", ".join(f"{one.name}: {one.status}" for one in mine)
    if ill := [one for one in mine if one.status in _ILL]:
        do = f"Instantly: look at {ill[0].name!r}: it holds the sending by itself."
        return [fail("campaign", told, do)]
    if any(one.status.startswith("unknown(") for one in mine):
        return [unknown("campaign", told, "A status that this version does not know: look there.")]
    if paused := [one for one in mine if one.status == "paused"]:
        do = f"Nothing goes out by {paused[0].name!r} until you start it at Instantly."
        return [warn("campaign", told, do)]
    return [ok("campaign", told)]


async def _campaigns(servers: Servers) -> list[Campaign]:
    found: list[Campaign] = []
    asked = ListCampaigns(limit=100)
    for _ in range(_PAGES):
        page = await servers.ask("instantly", instantly.LIST_CAMPAIGNS, asked)
        found += page.campaigns
        if page.next_cursor is None:
            break
        asked = ListCampaigns(limit=100, cursor=page.next_cursor)
    return found


async def check_pipeline(servers: Servers, delivery: Delivery) -> list[Check]:
    """By name, in any letter case, as a delivery looks for them."""
    found = await servers.ask("ghl", ghl.LIST_PIPELINES, Nothing())
    named = [one for one in found.pipelines if _same(one.name, delivery.ghl_pipeline)]
    if len(named) != 1:
        there = ", ".join(one.name for one in found.pipelines) or "none"
        how_many = "several are" if named else "none is"
        return [
            fail(
                "pipeline", f"{how_many} named {delivery.ghl_pipeline!r}; there: {there}",
                "Correct delivery.ghl_pipeline in config/production.json, or make it in the CRM.",
            )
        ]  # fmt: skip
    return [_stage(named[0], delivery.ghl_stage)]


def _stage(pipeline: Pipeline, wanted: str) -> Check:
    names = [stage.name for stage in pipeline.stages]
    if sum(_same(name, wanted) for name in names) != 1:
        return fail(
            "pipeline", f"{pipeline.name} has no single stage {wanted!r}; its: {', '.join(names)}",
            "Correct delivery.ghl_stage in config/production.json, or make it in the CRM.",
        )  # fmt: skip
    return ok("pipeline", f"{pipeline.name}: {wanted}")


def _same(one: str, other: str) -> bool:
    return " ".join(one.split()).casefold() == " ".join(other.split()).casefold()
