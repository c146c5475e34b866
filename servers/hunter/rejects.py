"""Why a row gives no lead. Owns: the reasons' codes, texts and remedies.

A reason names the column as the file writes it and what to do; it repeats no personal address.
What such a row says about contacting is carried in its reasons, because it still binds us.
"""

from __future__ import annotations

from guardrails.model import Lead, Reason
from servers.hunter import text
from servers.hunter.columns import Columns
from servers.hunter.permission import Permission
from servers.hunter.records import Record

_MAX_TEXT = 2_000
_MAX_LIST = 50_000
_LIST_FIELDS = frozenset({"technologies", "tags"})
_PROBLEMS = {
    "row_too_long": ("the row is longer than a million characters", "Shorten it."),
    "broken_quotes": (
        "a quote in this row is never closed, so its cells cannot be told apart",
        'Close the quote, or double quotes inside a quoted cell ("").',
    ),
}


def broken(record: Record, columns: Columns) -> Reason | None:
    if record.problem is not None:
        message, remedy = _PROBLEMS[record.problem]
        return Reason(code=record.problem, text=f"Cannot be read: {message}.", remedy=remedy)
    if not any(cell.strip() for cell in record.cells):
        return Reason(code="empty_row", text="Every cell of the row is empty.", remedy="Drop it.")
    if len(record.cells) == columns.width and all(
        text.clean(cell) == header
        for cell, header in zip(record.cells, columns.headers, strict=True)
    ):
        return Reason(
            code="repeated_header", text="The row repeats the header.", remedy="Drop the row."
        )
    return _ragged(record, columns)


def _ragged(record: Record, columns: Columns) -> Reason | None:
    found, wanted = len(record.cells), columns.width
    if any(cell.strip() for cell in record.cells[wanted:]):
        return Reason(
            code="too_many_cells",
            text=f"The row has {found} cells and the header {wanted}: cells may be shifted.",
            remedy="Put cells that hold the separator in double quotes.",
        )
    missing = columns.last_permission_column()
    if found <= missing:
        return Reason(
            code="too_few_cells",
            text=f"The row has {found} of {wanted} cells and ends before it could say whether "
            "this person may be contacted.",
            field=columns.headers[missing],
            remedy="Complete the row (empty cells are fine).",
        )
    return None


def too_long(record: Record, columns: Columns) -> Reason | None:
    """A cell of a recognised column that is longer than anything it can mean."""
    for field, indexes in columns.fields.items():
        limit = _MAX_LIST if field in _LIST_FIELDS else _MAX_TEXT
        for index in indexes:
            if index < len(record.cells) and len(record.cells[index]) > limit:
                header = columns.headers[index]
                return Reason(
                    code="cell_too_long",
                    text=f"The cell in column {header!r} is longer than {limit} characters.",
                    field=field,
                    remedy="Shorten it.",
                )
    return None


def bad_email(header: str, problem: str) -> Reason:
    if "reserved" in problem:
        return reserved("email", header)
    return Reason(
        code="invalid_email",
        text=f"The e-mail address in column {header!r} cannot be used: {problem}.",
        field="email",
        remedy="Correct it, or leave it empty if the row has a LinkedIn profile.",
    )


def reserved(field: str, header: str | None) -> Reason:
    return Reason(
        code="reserved_domain",
        text=f"The domain in column {header or 'e-mail'!r} is reserved and reaches nobody.",
        field=field,
        remedy="Give a real address; invented ones work only with --sandbox.",
    )


def unusable(
    columns: Columns,
    permission: Permission,
    email: str | None,
    linkedin: str | None,
) -> Reason | None:
    if email is None and linkedin is None:
        header = columns.header("email") or columns.header("linkedin")
        return Reason(
            code="no_identity",
            text=f"The row has neither an e-mail address (column {header!r}) nor a LinkedIn "
            "profile.",
            field="email",
            remedy="Fill in one of them.",
        )
    if permission.unreadable is not None:
        return Reason(
            code="unreadable_date",
            text=f"The date in column {permission.unreadable!r} cannot be read, so it is unknown "
            "how recently this person was contacted.",
            field="last_contacted_at",
            remedy="Write it as YYYY-MM-DD, or leave it empty for never.",
        )
    return None


def duplicate_reasons(lead: Lead, first: int) -> tuple[Reason, ...]:
    """Why a row is set aside as a duplicate, and what it says that must not be lost."""
    same = Reason(
        code="duplicate",
        text=f"The same person already stands in row {first}.",
        remedy="None needed: the first row is used.",
    )
    said = Permission(
        opted_out=lead.opted_out,
        customer=lead.customer,
        bounced=lead.bounced,
        do_not_contact=lead.do_not_contact,
    )
    return (same, *flags(said, "duplicate"))


def flags(said: Permission, where: str) -> tuple[Reason, ...]:
    """What a row that gives no lead says about contacting, so that it is not lost."""
    honoured = (
        ("opt_out", said.opted_out or said.do_not_contact, "that this person wants no contact"),
        ("customer", said.customer, "that this person is a customer"),
        ("bounced", said.bounced, "that mail to this person bounced"),
    )
    return tuple(
        Reason(
            code=f"{code}_on_{where}",
            text=f"This row also says {what}"
            + (f" ({said.do_not_contact})." if code == "opt_out" and said.do_not_contact else "."),
            remedy="Honoured for every row of this person." if where == "duplicate" else None,
        )
        for code, stated, what in honoured
        if stated
    )
