"""What is done to a contact. Owns: what has to be so before each of these writes, and after it.

Refuses: a second contact for one address, a number that belongs to somebody else (GHL may match by
it and change the wrong person), a poorer value over a richer one, a DND that would be lost.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from guardrails.errors import BadInput, Refused
from guardrails.identity import normalise_email
from servers.ghl.compare import changes, poorer, same
from servers.ghl.contract_form import Write, WriteResult, reference
from servers.ghl.contract_reads import ContactPlan, ListWorkflows, PlanContact, Workflows
from servers.ghl.contract_writes import (
    AddNote,
    AddTags,
    AddToWorkflow,
    ContactFields,
    CreateTask,
    RemoveFromWorkflow,
    RemoveTags,
    SetDnd,
    UpsertContact,
)
from servers.ghl.crm import Card, CrmRecords, Mark
from servers.ghl.service_writes import Steps, Writer

_PLAN_AGAIN = "Call plan_contact again and pass its `changes`."


class ContactTools:
    """The tools around one contact."""

    def __init__(self, crm: CrmRecords, writer: Writer) -> None:
        self._crm = crm
        self._writer = writer

    async def plan_contact(self, args: PlanContact) -> ContactPlan:
        """What upsert_contact would have to say."""
        given = args.fields.stated()
        card = await self._crm.card_of(args.email)
        if card is None:
            return ContactPlan(contact_id=None, changes=args.fields)
        wanted = changes(given, card.fields) if _is_primary(card, args.email) else {}
        differing = (name for name in given if not same(name, given[name], card.fields.get(name)))
        return ContactPlan(
            contact_id=card.id,
            changes=ContactFields(**wanted),
            kept=tuple(name for name in differing if name not in wanted),
            tags=card.tags,
            dnd=dict(card.dnd),
        )

    async def upsert_contact(self, args: UpsertContact) -> WriteResult:
        """Create or complete the contact. `vendor_ref` is its id."""
        given = args.fields.stated()

        async def shown() -> str | None:
            card = await self._crm.card_of(args.email)
            if card is None or not _is_primary(card, args.email):
                return None
            return None if _differs(given, card) else card.id

        async def before() -> str | None:
            card = await self._crm.card_of(args.email)
            await self._require_own_number(args, card)
            if card is None:
                return None
            _require_primary(card, args.email)
            if worse := poorer(given, card.fields):
                raise BadInput(
                    f"the CRM says more than this: {', '.join(worse)}", remedy=_PLAN_AGAIN
                )
            return None if _differs(given, card) else card.id

        return await self._writer.do(args, Steps(before, shown))

    async def add_tags(self, args: AddTags) -> WriteResult:
        """Add tags that are not there."""
        return await self._state(args, args.contact_id, lambda c: set(args.tags) <= _tags(c))

    async def remove_tags(self, args: RemoveTags) -> WriteResult:
        """Take away tags that are there."""
        return await self._state(args, args.contact_id, lambda c: not set(args.tags) & _tags(c))

    async def set_dnd(self, args: SetDnd) -> WriteResult:
        """Block channels; never lift one."""

        def is_so(card: Card) -> bool:
            return all(card.dnd.get(name) == status for name, status in args.channels.items())

        async def before() -> str | None:
            card = await self._crm.card(args.contact_id)
            _require_kept(card, args)
            return card.id if is_so(card) else None

        return await self._state(args, args.contact_id, is_so, before)

    async def add_note(self, args: AddNote) -> WriteResult:
        """Write the note. `vendor_ref` is its id."""
        return await self._marked(args, lambda: self._crm.notes(args.contact_id))

    async def create_task(self, args: CreateTask) -> WriteResult:
        """Create the task. `vendor_ref` is its id."""
        return await self._marked(args, lambda: self._crm.tasks(args.contact_id))

    async def list_workflows(self, args: ListWorkflows) -> Workflows:
        """One page of the workflows; a cursor is the id of the last one before it.

        Raises:
            BadInput: no workflow of that id is there any more.
        """
        every = await self._crm.workflows()
        start = 0
        if args.cursor is not None:
            ids = [one.id for one in every]
            if args.cursor not in ids:
                raise BadInput("cursor: no such page", remedy="Start again without a cursor.")
            start = ids.index(args.cursor) + 1
        page = every[start : start + args.limit]
        more = start + args.limit < len(every)
        return Workflows(workflows=page, next_cursor=page[-1].id if more else None)

    async def add_to_workflow(self, args: AddToWorkflow) -> WriteResult:
        """Enrol the contact."""

        async def before() -> str | None:
            found = [w for w in await self._crm.workflows() if w.id == args.workflow_id]
            if not found:
                raise BadInput("no such workflow", remedy="list_workflows names them all.")
            if found[0].status != "published":
                raise BadInput(
                    f"the workflow is {found[0].status}: it would do nothing",
                    remedy="Publish it in GHL, or choose another.",
                )
            return None

        return await self._writer.do(args, Steps(before, ref=args.contact_id, visible=False))

    async def remove_from_workflow(self, args: RemoveFromWorkflow) -> WriteResult:
        """Take the contact out."""
        return await self._writer.do(args, Steps(ref=args.contact_id, visible=False))

    async def _state(
        self,
        args: Write,
        contact_id: str,
        is_so: Callable[[Card], bool],
        before: Callable[[], Awaitable[str | None]] | None = None,
    ) -> WriteResult:
        """A write that makes something so: not needed when it is, and seen when it was done."""

        async def shown() -> str | None:
            return contact_id if is_so(await self._crm.card(contact_id)) else None

        return await self._writer.do(args, Steps(before or shown, shown, ref=contact_id))

    async def _marked(
        self, args: Write, listed: Callable[[], Awaitable[tuple[Mark, ...]]]
    ) -> WriteResult:
        async def shown() -> str | None:
            return marked(await listed(), args.key)

        return await self._writer.do(args, Steps(shown=shown))

    async def _require_own_number(self, args: UpsertContact, card: Card | None) -> None:
        phone = args.fields.phone
        if phone is None:
            return
        holder = await self._crm.holder_of(phone)
        if holder is not None and (card is None or holder != card.id):
            raise Refused(
                f"this phone number belongs to another contact ({holder})",
                remedy="GHL might change that one instead: leave the number out, or merge them.",
            )


def marked(marks: tuple[Mark, ...], key: str) -> str | None:
    """The id of the note or task that was made under `key`."""
    wanted = reference(key)
    return next((mark.id for mark in marks if wanted in mark.text), None)


def _tags(card: Card) -> set[str]:
    return {tag.strip().lower() for tag in card.tags}


def _differs(given: dict[str, str], card: Card) -> bool:
    return any(not same(name, value, card.fields.get(name)) for name, value in given.items())


def _is_primary(card: Card, email: str) -> bool:
    try:
        return card.email is not None and normalise_email(card.email) == email
    except BadInput:
        return False


def _require_primary(card: Card, email: str) -> None:
    if not _is_primary(card, email):
        raise Refused(
            f"this is not the main address of contact {card.id}",
            remedy="An upsert could make a second contact: a person changes this one in the CRM.",
        )


def _require_kept(card: Card, args: SetDnd) -> None:
    """Everything blocked now is blocked afterwards, whether GHL merges or replaces."""
    asked: dict[str, str] = {str(name): status for name, status in args.channels.items()}
    lowered = [n for n, s in card.dnd.items() if s == "permanent" and asked.get(n) != s]
    if set(card.dnd) <= set(asked) and not lowered:
        return
    wanted = {**card.dnd, **asked, **dict.fromkeys(lowered, "permanent")}
    raise BadInput(
        "channels that are blocked now would be lost",
        remedy=f"Name them too: {dict(sorted(wanted.items()))}.",
    )
