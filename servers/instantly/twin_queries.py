"""What the Instantly twin finds and counts. Owns: the filters of `POST /leads/list`, the counts of
`GET /campaigns/analytics`, and what a list does not show yet.
"""

from __future__ import annotations

from servers.instantly.twin_records import Record, Workspace

_FILTERS = {
    "FILTER_VAL_ACTIVE": 1,
    "FILTER_VAL_COMPLETED": 3,
    "FILTER_VAL_BOUNCED": -1,
    "FILTER_VAL_UNSUBSCRIBED": -2,
    "FILTER_VAL_SKIPPED": -3,
}


def find_leads(workspace: Workspace, asked: Record) -> list[Record]:
    """Leads that match the given filters; an absent filter matches all."""
    if contacts := asked.get("contacts"):
        found = [lead for email in contacts for lead in workspace.leads_of(str(email))]
    else:
        found = list(workspace.leads.values())
    if ids := asked.get("ids"):
        found = [lead for lead in found if lead["id"] in ids]
    if campaign := asked.get("campaign"):
        found = [lead for lead in found if lead["campaign"] == campaign]
    if asked.get("list_id"):
        found = [lead for lead in found if lead["list_id"] == asked["list_id"]]
    if "in_campaign" in asked:
        found = [lead for lead in found if bool(lead["campaign"]) == asked["in_campaign"]]
    if (status := _FILTERS.get(str(asked.get("filter")))) is not None:
        found = [lead for lead in found if lead["status"] == status]
    if search := str(asked.get("search") or "").lower():
        found = [lead for lead in found if search in _searchable(lead)]
    return found


def analytics(workspace: Workspace, campaign: Record) -> Record:
    """Counts of one campaign."""
    leads = [lead for lead in workspace.leads.values() if lead["campaign"] == campaign["id"]]
    contacted = [lead for lead in leads if lead.get("timestamp_last_contact")]
    counts = dict.fromkeys(
        ("new_leads_contacted_count", "open_count", "reply_count", "reply_count_unique",
         "link_click_count", "total_opportunities", "total_opportunity_value"), 0
    )  # fmt: skip
    return counts | {
        "campaign_id": campaign["id"],
        "campaign_name": campaign["name"],
        "campaign_status": campaign["status"],
        "campaign_is_evergreen": False,
        "leads_count": len(leads),
        "contacted_count": len(contacted),
        "emails_sent_count": len(contacted),
        "bounced_count": sum(lead["status"] == -1 for lead in leads),
        "unsubscribed_count": sum(lead["status"] == -2 for lead in leads),
        "completed_count": sum(lead["status"] == 3 for lead in leads),
    }


def listed(workspace: Workspace, records: list[Record], lag_s: float) -> list[Record]:
    """Without what was made less than `lag_s` ago: lists may lag behind the writes."""
    if not lag_s:
        return records
    since = workspace.clock().timestamp() - lag_s
    return [one for one in records if workspace.made_at.get(one["id"], 0.0) <= since]


def _searchable(lead: Record) -> str:
    return " ".join(str(lead.get(n) or "") for n in ("email", "first_name", "last_name")).lower()
