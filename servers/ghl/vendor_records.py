"""GoHighLevel's records over HTTP. Owns: what is read around a write, and from which endpoint.

A contact is found by the duplicate look-up, which is exact and does not lag, and read again by id.
Pipelines and workflows are kept for five minutes. Refuses answers it does not understand, and
lists longer than it can read to their end.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Generic, TypeVar

from servers.common.http import Answer, VendorClient
from servers.common.operations import Operation
from servers.ghl import vendor_operations as ops
from servers.ghl.contract_reads import Pipeline, Stage, Workflow
from servers.ghl.crm import Card, Location, Mail, Mails, Mark, Opportunity
from servers.ghl.vendor import GET
from servers.ghl.vendor_forms import (
    CardForm,
    EmailForm,
    LocationForm,
    MarkForm,
    MessageForm,
    Named,
    OpportunityForm,
    PipelineForm,
    WorkflowForm,
)

KEPT_S = 300.0
PAGE = 100
MAX_CONVERSATIONS = 20
MAX_EMAILS = 60
T = TypeVar("T")


class GhlRecords:
    """The `CrmRecords` port over GoHighLevel, for one location.

    Args:
        api_version, conversations_version: values of the `Version` header, by group of endpoints.
        now: seconds, for how long lists are kept.
    """

    def __init__(
        self,
        client: VendorClient,
        location_id: str,
        api_version: str,
        conversations_version: str,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.client = client
        self.location_id = location_id
        self.standard = {"Version": api_version}
        self.conversations = {"Version": conversations_version}
        self._pipelines = _Kept(self._read_pipelines, now)
        self._workflows = _Kept(self._read_workflows, now)

    async def location(self) -> Location:
        answer = await self._ask(ops.GET_LOCATION, location_id=self.location_id)
        held = answer.document().get("location")
        found = answer.parsed_as(LocationForm, held, "location").location()
        if found.id != self.location_id:
            raise answer.drift("another location than the one asked for")
        return found

    async def conversations_seen(self) -> int:
        asked = {"locationId": self.location_id, "limit": 1}
        answer = await self._ask(ops.SEARCH_CONVERSATIONS, asked, version=self.conversations)
        return len(_listed(answer, "conversations"))

    async def card_of(self, email: str) -> Card | None:
        found = await self._duplicate({"email": email})
        return None if found is None else await self.card(found)

    async def holder_of(self, phone: str) -> str | None:
        return await self._duplicate({"number": phone})

    async def card(self, contact_id: str) -> Card:
        answer = await self._ask(GET, contact_id=contact_id)
        card = answer.parsed_as(CardForm, answer.document().get("contact"), "contact").card()
        if card.id != contact_id:
            raise answer.drift("another contact than the one asked for")
        return card

    async def notes(self, contact_id: str) -> tuple[Mark, ...]:
        return await self._marks(ops.LIST_NOTES, "notes", contact_id)

    async def tasks(self, contact_id: str) -> tuple[Mark, ...]:
        return await self._marks(ops.LIST_TASKS, "tasks", contact_id)

    async def pipelines(self) -> tuple[Pipeline, ...]:
        return await self._pipelines.get()

    async def workflows(self) -> tuple[Workflow, ...]:
        return await self._workflows.get()

    async def opportunities(self, contact_id: str, pipeline_id: str) -> tuple[Opportunity, ...]:
        asked = {
            "location_id": self.location_id,
            "contact_id": contact_id,
            "pipeline_id": pipeline_id,
            "status": "all",
            "limit": PAGE,
        }
        answer = await self._ask(ops.SEARCH_OPPORTUNITIES, asked)
        listed = _listed(answer, "opportunities")
        found = (answer.parsed_as(OpportunityForm, raw).opportunity() for raw in listed)
        wanted = (contact_id, pipeline_id)
        return tuple(one for one in found if (one.contact_id, one.pipeline_id) == wanted)

    async def opportunity(self, opportunity_id: str) -> Opportunity:
        answer = await self._ask(ops.GET_OPPORTUNITY, opportunity_id=opportunity_id)
        held = answer.document().get("opportunity")
        found = answer.parsed_as(OpportunityForm, held, "opportunity").opportunity()
        if found.id != opportunity_id:
            raise answer.drift("another opportunity than the one asked for")
        return found

    async def mails_since(self, contact_id: str, since: datetime) -> Mails:
        """See the port. `complete` is false when there is more than is read here."""
        asked = {
            "locationId": self.location_id,
            "contactId": contact_id,
            "limit": MAX_CONVERSATIONS,
        }
        answer = await self._ask(ops.SEARCH_CONVERSATIONS, asked, version=self.conversations)
        listed = _listed(answer, "conversations")
        complete = len(listed) < MAX_CONVERSATIONS
        email_ids: dict[str, None] = {}
        for raw in listed:
            conversation = answer.parsed_as(Named, raw)
            ids, whole = await self._email_ids(conversation.id)
            email_ids |= dict.fromkeys(ids)
            complete = complete and whole
        if len(email_ids) > MAX_EMAILS:
            email_ids = dict.fromkeys(list(email_ids)[:MAX_EMAILS])
            complete = False
        mails = await asyncio.gather(*(self._mail(one) for one in email_ids))
        return Mails(tuple(m for m in mails if m is not None and m.at >= since), complete)

    async def _email_ids(self, conversation_id: str) -> tuple[list[str], bool]:
        answer = await self._ask(
            ops.LIST_MESSAGES,
            {"limit": PAGE, "type": "TYPE_EMAIL"},
            version=self.conversations,
            conversation_id=conversation_id,
        )
        page = answer.document()
        if isinstance(page.get("messages"), dict):  # live: the documented page inside `messages`
            page = page["messages"]
        messages, more = page.get("messages"), page.get("nextPage")
        if not isinstance(messages, list) or not isinstance(more, bool):
            raise answer.drift("no list of messages")
        forms = [answer.parsed_as(MessageForm, raw, "messages") for raw in messages]
        ids = [one for form in forms if form.is_email() for one in form.email_ids()]
        return ids, not more

    async def _mail(self, email_id: str) -> Mail | None:
        answer = await self._ask(ops.GET_EMAIL, version=self.conversations, email_id=email_id)
        document = answer.document()
        held = document.get("emailMessage", document)
        form = answer.parsed_as(EmailForm, held)
        return form.mail() if form.direction == "outbound" else None

    async def _duplicate(self, asked: dict[str, str]) -> str | None:
        answer = await self._ask(ops.FIND_DUPLICATE, {"locationId": self.location_id, **asked})
        document = answer.document()
        if "contact" not in document:
            raise answer.drift("no contact", missing="contact")
        found = document["contact"]
        return None if found is None else answer.parsed_as(Named, found, "contact").id

    async def _marks(self, operation: Operation, name: str, contact_id: str) -> tuple[Mark, ...]:
        answer = await self._ask(operation, contact_id=contact_id)
        return tuple(answer.parsed_as(MarkForm, raw).mark() for raw in _listed(answer, name))

    async def _read_pipelines(self) -> tuple[Pipeline, ...]:
        answer = await self._ask(ops.LIST_PIPELINES, {"locationId": self.location_id})
        forms = [answer.parsed_as(PipelineForm, raw) for raw in _listed(answer, "pipelines")]
        return tuple(
            Pipeline(
                id=form.id,
                name=form.name,
                stages=tuple(Stage(id=stage.id, name=stage.name) for stage in form.stages),
            )
            for form in forms
        )

    async def _read_workflows(self) -> tuple[Workflow, ...]:
        answer = await self._ask(ops.LIST_WORKFLOWS, {"locationId": self.location_id})
        forms = [answer.parsed_as(WorkflowForm, raw) for raw in _listed(answer, "workflows")]
        return tuple(Workflow(id=one.id, name=one.name, status=one.status) for one in forms)

    async def _ask(
        self,
        operation: Operation,
        params: dict[str, Any] | None = None,
        *,
        version: dict[str, str] | None = None,
        **path: str,
    ) -> Answer:
        return await self.client.request(
            operation, path_params=path, params=params, headers=version or self.standard
        )


class _Kept(Generic[T]):
    """What was read, for `KEPT_S` seconds; a failed read is not kept."""

    def __init__(self, read: Callable[[], Awaitable[T]], now: Callable[[], float]) -> None:
        self._read = read
        self._now = now
        self._held: tuple[float, T] | None = None

    async def get(self) -> T:
        if self._held is None or self._now() - self._held[0] >= KEPT_S:
            self._held = (self._now(), await self._read())
        return self._held[1]


def _listed(answer: Answer, name: str) -> list[Any]:
    found = answer.document().get(name)
    if not isinstance(found, list):
        raise answer.drift(f"no list of {name}")
    return found
