"""Diagnoses of "the vendor says no": key, scope, version, credits, settings.

Most need a person at the vendor: Auto-Fix holds no keys and cannot make any (P8).
"""

from __future__ import annotations

from guardrails.brakes.failures import Cluster
from orchestrator.fixes.finding import KEYS, NO_PATCH, Finding, Setting, replacing, vendor_name

_REDIRECTS = (301, 302, 303, 307, 308)
GHL_VERSIONS = ("2021-07-28", "v3")  # those that the contacts endpoints take, as documented
_IS_A_KEY = "no configuration changes a key; `swarm health` tells when it works again"


def bad_key(cluster: Cluster, setting: Setting) -> Finding | None:
    """The key is missing, wrong, expired or revoked."""
    if cluster.kind != "auth_key":
        return None
    name, variable = vendor_name(cluster), KEYS.get(cluster.vendor or "", "its key")
    also = "If it lasts, try CLAY_AUTH_HEADER=bearer." if cluster.vendor == "clay" else ""
    return Finding(
        diagnosis="bad_key",
        subject=cluster.vendor or cluster.server,
        title=f"{name} refuses our key",
        text=f"{name} answers 401: {variable} is missing, mistyped, expired or revoked. "
        "Every call fails the same way, so retrying cannot help.",
        steps=tuple(
            step
            for step in (
                f"Make a new key at {name} (or roll the old one back).",
                f"Put it into .env as {variable} and start the swarm again.",
                also,
            )
            if step
        ),
        expected=f"Calls to {name} succeed again; nothing else changes.",
        not_measurable=f"not measurable: {_IS_A_KEY}",
    )


def wrong_scope(cluster: Cluster, setting: Setting) -> Finding | None:
    """The key holds, but not for this scope, kind of account, or location."""
    if cluster.kind != "auth_scope":
        return None
    name, variable = vendor_name(cluster), KEYS.get(cluster.vendor or "", "its key")
    why, steps = _scope_trouble(" ".join(cluster.details).lower(), name, variable)
    return Finding(
        diagnosis="wrong_scope",
        subject=cluster.vendor or cluster.server,
        title=f"{name}: the key does not reach {cluster.operation}",
        text=f"{name} knows the key and refuses {cluster.operation}: {why}",
        steps=(*steps, "Start the swarm again."),
        expected=f"{cluster.operation} succeeds; the other calls are as before.",
        not_measurable=f"not measurable: {_IS_A_KEY}",
    )


def _scope_trouble(told: str, name: str, variable: str) -> tuple[str, tuple[str, ...]]:
    if "location" in told:
        return "the key belongs to another location.", (
            "Compare GHL_LOCATION_ID with Sub-account > Settings > Business Profile.",
            f"If it is right, make {variable} in that sub-account.",
        )
    if "user type" in told or "authclass" in told:
        return "it is a key of the agency, and this needs one of the sub-account.", (
            f"Make {variable} under Sub-account > Settings > Private Integrations.",
        )
    return "a scope is missing.", (
        f"Add the missing scope to the key at {name} (GoHighLevel: contacts.readonly, "
        "conversations, opportunities, workflows, locations; Instantly: leads, campaigns, "
        "block lists).",
    )


def wrong_version(cluster: Cluster, setting: Setting) -> Finding | None:
    """GoHighLevel does not take the API version that we name."""
    if cluster.kind != "version_header" or cluster.vendor != "ghl":
        return None
    talks = cluster.operation.startswith(("send_", "conversation", "get_message"))
    path = f"/vendors/ghl/{'conversations_version' if talks else 'api_version'}"
    now, delivered = setting.at(path), setting.delivered(path)
    newer = next((known for known in GHL_VERSIONS if known not in (now, delivered)), None)
    wanted = delivered if now != delivered else None if talks else newer
    known = wanted is not None
    return Finding(
        diagnosis="wrong_version",
        subject=f"ghl {path.rpartition('/')[2]}",
        title=f"GoHighLevel refuses API version {now}",
        text=f"The Version header is required, and GoHighLevel does not take {now!r} for "
        f"{cluster.operation}. "
        + ("The delivered one is known to work." if now != delivered else "It may be retired."),
        patch=replacing(setting, path, wanted) if known else (),
        steps=() if known else ("Look up the present version in GoHighLevel's API reference.",),
        expected="The calls are taken again." if known else NO_PATCH,
        not_measurable=None if known else "not measurable: no other version is known",
    )


def wrong_place(cluster: Cluster, setting: Setting) -> Finding | None:
    """The address or the routine that we were told does not exist there."""
    moved = cluster.status in _REDIRECTS
    if cluster.kind != "rejected" or not (moved or cluster.status == 404) or not cluster.vendor:
        return None
    path = f"/vendors/{cluster.vendor}/base_url"
    now, delivered = setting.at(path), setting.delivered(path)
    routine = cluster.vendor == "clay" and "routine not found" in " ".join(cluster.details).lower()
    if not (moved or routine or now != delivered):
        return None  # one record that is not there is no wrong address
    name = vendor_name(cluster)
    back = now != delivered and not routine
    step = (
        "Compare CLAY_ROUTINE_ID in .env with Clay > Routines > your routine > API."
        if routine
        else f"Look up the address of the API at {name}; a key is never sent to where a "
        "redirect points."
    )
    return Finding(
        diagnosis="wrong_place",
        subject=f"{cluster.vendor} {'routine' if routine else 'address'}",
        title=f"{name}: {'the routine' if routine else cluster.operation} is not there",
        text=f"{name} answers {cluster.status} at {now} for {cluster.operation}.",
        patch=replacing(setting, path, delivered) if back else (),
        steps=(step,),
        expected=f"Calls go to {delivered} again." if back else NO_PATCH,
        not_measurable="not measurable: the twins have addresses of their own",
    )


def out_of_credits(cluster: Cluster, setting: Setting) -> Finding | None:
    """Credits or the plan are used up."""
    if cluster.kind != "quota":
        return None
    name = vendor_name(cluster)
    return Finding(
        diagnosis="out_of_credits",
        subject=cluster.vendor or cluster.server,
        title=f"{name}: credits or plan are exhausted",
        text=f"{name} answers {cluster.status or 402}: the account has no credits left, or its "
        "plan lacks this call. The waterfall goes on with the sources that cost nothing, so "
        "leads end with fewer facts, and more of them wait for review.",
        steps=(
            f"Top up or upgrade at {name}.",
            "`swarm spend` shows what was spent today; a lower daily cap in "
            "config/production.json makes credits last longer.",
        ),
        expected=f"{name} answers again; leads that lacked facts can be run anew.",
        not_measurable="not measurable: a balance is not configuration",
    )


def duplicate_contact(cluster: Cluster, setting: Setting) -> Finding | None:
    """The CRM's duplicate setting refuses a second contact."""
    if cluster.kind != "duplicate_contact":
        return None
    return Finding(
        diagnosis="duplicate_contact",
        subject=cluster.vendor or "ghl",
        title="GoHighLevel refuses a contact as a duplicate",
        text="The location does not allow two contacts with the same e-mail or phone. The "
        "person is there already, perhaps under the other of the two; creating another one "
        "would also split the do-not-disturb record.",
        steps=(
            "Settings > Business Profile > Allow Duplicate Contact: keep it off, with e-mail "
            "as the first criterion.",
            "Merge the two contacts that share e-mail or phone.",
        ),
        expected="Upserts find the one contact.",
        not_measurable="not measurable: it is a setting at GoHighLevel",
    )


def webhook_disabled(cluster: Cluster, setting: Setting) -> Finding | None:
    """A vendor no longer delivers events."""
    if cluster.kind != "webhook_disabled":
        return None
    name = vendor_name(cluster)
    return Finding(
        diagnosis="webhook_disabled",
        subject=cluster.vendor or cluster.server,
        title=f"{name} no longer delivers events",
        text=f"{name} switched the webhook off after deliveries failed: replies, bounces and "
        "opt-outs from there arrive late or not at all.",
        steps=(
            "Check that the gateway answers 200 at its public address.",
            f"Enable the webhook again at {name} (Instantly: Settings > Integrations > "
            "Webhooks > Resume; RB2B: reconnect the integration).",
            "Events missed meanwhile are read back where the vendor allows it; RB2B does not.",
        ),
        expected="Events arrive again.",
        not_measurable="not measurable: it is a setting at the vendor",
    )
