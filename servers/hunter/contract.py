"""Hunter: finds leads. CSV files and RB2B visitors in, normalised leads and named rejects out."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from guardrails.model import Lead, Reason
from servers.common.contract import Args, Result, ToolSpec

SERVER = "hunter"


class ImportLeads(Args):
    """One page of a lead file. Give either `path` or `csv_text`."""

    path: str | None = Field(
        default=None,
        description="CSV or TSV file by absolute path, in a folder that this server may read.",
    )
    csv_text: str | None = Field(default=None, description="The CSV itself, at most 1 MB.")
    cursor: str | None = Field(
        default=None,
        max_length=200,
        description="`next_cursor` of the previous page; absent for the first.",
    )
    limit: int = Field(default=200, ge=1, le=1000, description="Data rows per page.")


class Bound(Result):
    """What every row of a person says about contacting, for a row that stands for the person."""

    row: int = Field(description="Row of a lead given before.")
    opted_out: bool = Field(description="Wants no contact.")
    customer: bool = Field(description="Is a customer.")
    bounced: bool = Field(description="Mail to this person bounced.")
    last_contacted_at: datetime | None = Field(description="The newest contact stated.")


class RejectedRow(Result):
    """A row that cannot be used, or that is the same person as an earlier one."""

    row: int = Field(description="1-based data row in the file (the header is not counted).")
    state: str = Field(description="invalid or duplicate.")
    lead_id: str = Field(description="Id under which the row is recorded.")
    reasons: tuple[Reason, ...]
    duplicate_of: int | None = Field(default=None, description="Row of the first occurrence.")
    binds: tuple[Bound, ...] = Field(
        default=(), description="Leads given before that this row tells something new."
    )


class LeadPage(Result):
    """One page of an import."""

    leads: tuple[Lead, ...]
    rejected: tuple[RejectedRow, ...]
    opted_out_emails: tuple[str, ...] = Field(
        default=(),
        description="Of everybody of whom a row of this page, or any before it, says that they "
        "want no contact: the addresses they have, to be suppressed whatever other rows say.",
    )
    rows_read: int = Field(description="Data rows on this page: leads plus rejected.")
    next_cursor: str | None = Field(description="Absent on the last page.")
    dialect: str = Field(description="What was recognised, e.g. `utf-8-sig, semicolon, hubspot`.")
    columns: dict[str, str] = Field(description="Recognised field to column header.")
    ignored_columns: tuple[str, ...] = Field(description="Headers that were not recognised.")


class ReadVisitor(Args):
    """An RB2B webhook payload, as RB2B sends it."""

    payload: dict[str, str | int | float | bool | list[str] | None] = Field(
        description="The JSON body with RB2B's title-case keys."
    )


class Visitor(Result):
    """A visitor as a lead, or why it cannot be one."""

    lead: Lead | None
    reasons: tuple[Reason, ...] = ()
    dedupe_key: str = Field(description="LinkedIn URL or e-mail, captured URL and time.")


IMPORT_LEADS = ToolSpec(
    "import_leads",
    "Import leads from CSV",
    "Read one page of a lead file (HubSpot, Apollo, Clay or plain headers; any common encoding "
    "and separator), normalise each row, and name every row that cannot be used with its field, "
    "reason and remedy. Every data row comes back once, as a lead or as a rejected row. Reads "
    "only: nobody is stored, enriched or written to.",
    ImportLeads,
    LeadPage,
    outside="lead fields, headers and what reasons quote",
)
READ_VISITOR = ToolSpec(
    "read_visitor",
    "Read an RB2B visitor",
    "Turn one RB2B webhook payload into a normalised lead, or say why it cannot be one. For a "
    "visitor that RB2B has posted; for files use import_leads. Asks nobody and stores nothing.",
    ReadVisitor,
    Visitor,
    outside="lead fields and what reasons quote",
)
TOOLS = (IMPORT_LEADS, READ_VISITOR)
