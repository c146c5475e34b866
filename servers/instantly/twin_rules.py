"""What Instantly accepts in a request body. Owns: required and allowed properties, and the 400.

From the vendor's OpenAPI (v2); sentences as its validator writes them. A form that is not strict
lets unknown properties pass, as the vendor's does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from servers.instantly.contract_schedule import TIME_ZONES


@dataclass(frozen=True)
class Form:
    """Properties a body may and must have."""

    allowed: frozenset[str]
    required: tuple[str, ...] = ()
    strict: bool = True

    @classmethod
    def of(cls, allowed: str, required: str = "", *, strict: bool = True) -> Form:
        """From two space-separated lists; what is required is allowed too."""
        needed = tuple(required.split())
        return cls(frozenset(allowed.split()) | set(needed), needed, strict)

    def offence(self, body: Any) -> str | None:
        """The first offence in the vendor's words, or None."""
        if not isinstance(body, dict):
            return "body must be object"
        for name in self.required:
            if name not in body:
                return f"body must have required property '{name}'"
        if self.strict and not self.allowed.issuperset(body):
            return "body must NOT have additional properties"
        return None


_CAMPAIGN = (
    "name pl_value is_evergreen campaign_schedule sequences email_gap random_wait_max text_only "
    "first_email_text_only email_list daily_limit stop_on_reply email_tag_list link_tracking "
    "open_tracking stop_on_auto_reply daily_max_leads prioritize_new_leads auto_variant_select "
    "match_lead_esp stop_for_company insert_unsubscribe_header allow_risky_contacts "
    "disable_bounce_protect limit_emails_per_company_override cc_list bcc_list owned_by "
    "provider_routing_rules"
)
CREATE_CAMPAIGN = Form.of(f"{_CAMPAIGN} ai_sdr_id", "name campaign_schedule")
PATCH_CAMPAIGN = Form.of(_CAMPAIGN)
CREATE_LEAD = Form.of(
    "campaign email personalization website last_name first_name company_name job_title phone "
    "lt_interest_status pl_value_lead list_id assigned_to skip_if_in_workspace "
    "skip_if_in_campaign skip_if_in_list blocklist_id verify_leads_for_lead_finder "
    "verify_leads_on_import custom_variables"
)
ADD_LEADS = Form.of("", "leads", strict=False)
LIST_LEADS = Form.of("", strict=False)
INTEREST = Form.of("", "lead_email interest_value", strict=False)
BLOCK = Form.of("", "bl_value")
REPLY = Form.of("", "reply_to_uuid eaccount subject body", strict=False)
BULK_COUNTS = (
    "total_sent", "leads_uploaded", "in_blocklist", "duplicated_leads", "skipped_count",
    "invalid_email_count", "incomplete_count", "duplicate_email_count", "remaining_in_plan",
)  # fmt: skip

_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]\Z")


def variables_offence(variables: Any) -> str | None:
    """What is wrong with custom variables in the vendor's words, or None."""
    at = "body/custom_variables"
    if not isinstance(variables, dict):
        return f"{at} must be object"
    for name, value in variables.items():
        if not isinstance(value, str | int | float | bool | None):
            return f"{at}/{name} must be string,number,boolean,null"
    return None


def schedule_offence(schedule: Any) -> str | None:
    """What is wrong with a campaign's schedule in the vendor's words, or None."""
    at = "body/campaign_schedule"
    schedules = schedule.get("schedules") if isinstance(schedule, dict) else None
    if not isinstance(schedules, list) or not schedules:
        return f"{at} must have required property 'schedules'"
    for number, item in enumerate(schedules):
        where = f"{at}/schedules/{number}"
        for name in ("name", "timing", "days", "timezone"):
            if name not in item:
                return f"{where} must have required property '{name}'"
        if item["timezone"] not in TIME_ZONES:
            return f"{where}/timezone must be equal to one of the allowed values"
        if not all(_CLOCK.match(str(item["timing"].get(end, ""))) for end in ("from", "to")):
            return f"{where}/timing/from must match pattern"
        if not item["days"]:
            return f"{where}/days must NOT have fewer than 1 properties"
    return None
