"""The campaign that sends approved texts and nothing else. Owns: its definition in the vendor's
words, and in what a campaign differs from it.

One step renders exactly the two variables; tracking is off, since it rewrites links and forges
evidence; the unsubscribe header is on (RFC 8058); one mailbox sends, the one that was approved.
Refuses by listing: whatever a campaign could say, send or copy beyond that is a difference, and a
field that is missing counts as not being as it shall be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from guardrails.errors import BadInput
from servers.instantly.contract_schedule import DAYS, CampaignSchedule
from servers.instantly.contract_text import STEP_BODY, STEP_SUBJECT
from servers.instantly.contract_writes import CampaignSpec

Document = Mapping[str, Any]
_MUST = {
    "open_tracking": False,
    "link_tracking": False,
    "insert_unsubscribe_header": True,
    "stop_on_reply": True,
}
# What adds recipients, senders or texts: absent, null, false or empty, or else a difference.
_MUST_NOT = (
    "cc_list", "bcc_list", "email_tag_list", "provider_routing_rules", "auto_variant_select",
    "ai_sdr_id", "text_only", "first_email_text_only", "allow_risky_contacts",
    "disable_bounce_protect",
)  # fmt: skip
_GAP_MIN = 1  # our own spacing decides; the vendor shall not hold an e-mail over


def definition(spec: CampaignSpec) -> dict[str, Any]:
    """The body of the request that creates the campaign."""
    schedule = spec.schedule
    return {
        "name": spec.name,
        "campaign_schedule": {
            "schedules": [
                {
                    "name": "Recipients' window",
                    "timing": {"from": schedule.start, "to": schedule.end},
                    "days": {str(at): day in schedule.days for at, day in enumerate(DAYS)},
                    "timezone": schedule.time_zone,
                }
            ]
        },
        "sequences": [
            {
                "steps": [
                    {
                        "type": "email",
                        "delay": 0,
                        "variants": [{"subject": STEP_SUBJECT, "body": STEP_BODY}],
                    }
                ]
            }
        ],
        "email_list": [spec.sender],
        "email_gap": _GAP_MIN,
        "daily_limit": spec.daily_limit,
        "daily_max_leads": spec.daily_limit,
        "stop_on_reply": True,
        "stop_on_auto_reply": False,
        "text_only": False,
        "first_email_text_only": False,
        "open_tracking": False,
        "link_tracking": False,
        "insert_unsubscribe_header": True,
        "allow_risky_contacts": False,
    }


def spec_of(body: Any) -> CampaignSpec:
    """The spec whose `definition` this is.

    Raises:
        BadInput: it is the definition of none.
    """
    try:
        spec = CampaignSpec(
            name=body["name"],
            sender=body["email_list"][0],
            schedule=_schedule(body),
            daily_limit=body["daily_limit"],
        )
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise BadInput("not a campaign as this server makes one") from error
    if definition(spec) != body:
        raise BadInput("a campaign that says more than this server's do")
    return spec


def form_problems(campaign: Document) -> tuple[str, ...]:
    """In what the campaign may render or send anything but approved texts."""
    problems = _step_problems(campaign.get("sequences"))
    for name, wanted in _MUST.items():
        if campaign.get(name) is not wanted:
            problems.append(f"{name} is {campaign.get(name)!r}, not {wanted}")
    problems += [f"{name} is set" for name in _MUST_NOT if campaign.get(name)]
    if len(senders(campaign)) != 1:
        problems.append(f"it sends from {len(senders(campaign))} mailboxes, not from one")
    return tuple(problems)


def problems(campaign: Document, spec: CampaignSpec) -> tuple[str, ...]:
    """In what the campaign is not as `spec` says."""
    found = list(form_problems(campaign))
    if senders(campaign) != (spec.sender.casefold(),):
        found.append(f"it does not send from {spec.sender} alone")
    try:
        if _schedule(campaign) != spec.schedule:
            found.append("its schedule is another one")
    except (KeyError, IndexError, TypeError, ValueError):
        found.append("its schedule cannot be read")
    dates = campaign.get("campaign_schedule")
    if isinstance(dates, Mapping) and dates.get("end_date"):
        found.append("its schedule ends on a date")
    limit = campaign.get("daily_limit")
    if limit != spec.daily_limit:
        found.append(f"its daily limit is {limit!r}, not {spec.daily_limit}")
    return tuple(found)


def senders(campaign: Document) -> tuple[str, ...]:
    """The mailboxes it sends from, in lower case."""
    named = campaign.get("email_list")
    return tuple(str(one).casefold() for one in named) if isinstance(named, list) else ()


def _step_problems(sequences: Any) -> list[str]:
    """One sequence, one step, one variant, exactly the two variables."""
    try:
        [sequence] = sequences
        [step] = sequence["steps"]
        [variant] = step["variants"]
        said = (step["type"], variant["subject"], variant["body"], bool(variant.get("v_disabled")))
    except (KeyError, TypeError, ValueError, AttributeError):
        return ["it has not exactly one sequence with one step and one variant"]
    if said != ("email", STEP_SUBJECT, STEP_BODY, False):
        return [f"its step does not render exactly {STEP_SUBJECT} and {STEP_BODY}"]
    return []


def _schedule(campaign: Document) -> CampaignSchedule:
    [one] = campaign["campaign_schedule"]["schedules"]
    return CampaignSchedule(
        time_zone=one["timezone"],
        start=one["timing"]["from"],
        end=one["timing"]["to"],
        days=tuple(day for at, day in enumerate(DAYS) if one["days"].get(str(at))),
    )
