"""The ghl server's tools over the twin, with real permits, a real ledger and a wire that fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import orjson

from guardrails.hive import Hive
from guardrails.model import Mode
from guardrails.store import Store
from servers.ghl import contract_mail as mail
from servers.ghl import contract_writes as writes
from servers.ghl.contract_form import Write, WriteResult
from servers.ghl.gate import Gate
from servers.ghl.service import CrmRules, CustomerMarks, GhlService
from servers.ghl.tools import Toolbox, toolbox
from servers.ghl.twin import GhlTwin
from servers.ghl.twin_door import TOKEN
from servers.ghl.twin_records import LOCATION_ID, Records
from servers.ghl.vendor import GhlCrm
from servers.ghl.vendor_writes import OPERATIONS, GhlWriting
from servers.sandbox.host import Sandbox
from servers.sandbox.wire import Site
from servers.sandbox.world import World
from tests.conftest import SteppableClock
from tests.servers.permits import PermitOffice, permit_office
from tests.servers.wires import client_over, safety_with

VERSIONS = ("2021-07-28", "2021-04-15")
RULES = CrmRules(CustomerMarks(("customer",), ("customer",)), ("bounced",), frozenset())
FAULTS = (
    "timeout_before", "timeout_after", "reset_before", "reset_after", "500_before", "500_after",
    "created_422", "malformed_after", "429", "never_connected",
)  # fmt: skip
_WORLD = World()  # immutable, so all tests may share it


class FailingWire(httpx.AsyncBaseTransport):
    """The twin; the writes fail in the given ways, in turn. Keeps what it was asked."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner
        self.faults: list[str | None] = []
        self.blind = False  # reads fail as well
        self.goes_blind = False  # ... from the next failing write on
        self.seen: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.seen.append(request)
        if not self._writes(request):
            if self.blind:
                raise httpx.ReadTimeout("nobody there", request=request)
            return await self._inner.handle_async_request(request)
        fault = self.faults.pop(0) if self.faults else None
        self.blind = self.blind or (self.goes_blind and fault is not None)
        return await self._fail(fault, request)

    async def _fail(self, fault: str | None, request: httpx.Request) -> httpx.Response:
        if fault == "never_connected":
            raise httpx.ConnectError("refused", request=request)
        if fault == "429":
            return httpx.Response(429, json={"message": "Too Many Requests"})
        if fault == "says_422":
            return httpx.Response(422, json={"message": ["phone must be a phone number"]})
        if fault == "says_no":  # in a 200
            said = {"succeded": False, "status": "failed", "messageId": "m1"}
            return httpx.Response(200, json=said)
        answered = None
        if fault is None or not fault.endswith("_before"):
            answered = await self._inner.handle_async_request(request)
            await answered.aread()
        if fault is None and answered is not None:
            return httpx.Response(
                answered.status_code, headers=answered.headers, content=answered.content
            )
        match (fault or "").split("_"):
            case ["timeout", _]:
                raise httpx.ReadTimeout("no answer", request=request)
            case ["reset", _]:
                raise httpx.ReadError("reset", request=request)
            case ["created", "422"]:
                return httpx.Response(422, json={"message": ["property source should not exist"]})
            case ["malformed", _]:
                typed = {"content-type": "application/json"}
                return httpx.Response(200, headers=typed, content=b'{"contact":')
        return httpx.Response(500, json={"message": "Internal server error"})

    def _writes(self, request: httpx.Request) -> bool:
        return request.method != "GET" and not request.url.path.endswith("/contacts/search")

    @property
    def written(self) -> list[httpx.Request]:
        """The writes that left."""
        return [request for request in self.seen if self._writes(request)]

    def body(self, at: int = -1) -> Any:
        """The JSON body of a write."""
        return orjson.loads(self.written[at].content)


class Studio:
    """One ghl server without its process."""

    def __init__(
        self, app: Sandbox, office: PermitOffice, clock: SteppableClock, mode: Mode
    ) -> None:
        self.app = app
        self.office = office
        self.clock = clock
        self.wire = FailingWire(httpx.ASGITransport(app))
        desk = None if mode is Mode.SHADOW else office.desk()
        client = client_over(
            self.wire,
            OPERATIONS,
            mode=mode,
            base="http://127.0.0.1/ghl",
            keys={"Authorization": f"Bearer {TOKEN}"},
            safety=safety_with(writes=desk),
        )
        strict = GhlCrm(client, LOCATION_ID, VERSIONS[0])
        self.crm = GhlWriting(client, LOCATION_ID, *VERSIONS)
        self.gate = gate = Gate(desk, office.stop, mode)
        self.tools: Toolbox = toolbox(GhlService(strict, RULES), strict, self.crm, gate, clock)

    @property
    def records(self) -> Records:
        """What the twin holds."""
        twin = self.app.twins["ghl"]
        assert isinstance(twin, GhlTwin)
        return twin.records

    def contact(self, email: str) -> dict[str, Any]:
        """The twin's contact."""
        record = self.records.contact_by_email(email)
        assert record is not None
        return record

    def new_contact(self, email: str, **fields: Any) -> str:
        """A contact that somebody made long ago; its id."""
        made = self.records.add_contact({"email": email, **fields})
        self.records.created_at.pop(made["id"])
        return str(made["id"])

    async def permitted(self, write: Write) -> Write:
        """`write` with a permit of its own."""
        token = await self.office.permit(write.intent(), write.key)
        return write.model_copy(update={"permit": token})

    async def do(self, write: Write) -> WriteResult:
        """Get a permit and call the tool; what is on record needs none."""
        if self.office.status(write.key) == "sent":
            return await self.call(write)
        return await self.call(await self.permitted(write))

    async def call(self, write: Write) -> WriteResult:
        """Call the tool that takes these arguments."""
        contacts, tools = self.tools.contacts, self.tools
        handlers: dict[type[Write], Any] = {
            writes.UpsertContact: contacts.upsert_contact,
            writes.AddTags: contacts.add_tags,
            writes.RemoveTags: contacts.remove_tags,
            writes.AddNote: contacts.add_note,
            writes.CreateTask: contacts.create_task,
            writes.PutOpportunity: tools.opportunities.create_or_update,
            writes.AddToWorkflow: contacts.add_to_workflow,
            writes.RemoveFromWorkflow: contacts.remove_from_workflow,
            writes.SetDnd: contacts.set_dnd,
            mail.SendEmail: tools.mail.send_email,
        }
        result = await handlers[type(write)](write)
        assert isinstance(result, WriteResult)
        return result


@contextmanager
def studio_over(
    hive: Hive, store: Store, clock: SteppableClock, mode: Mode = Mode.LIVE
) -> Iterator[Studio]:
    """A studio with a twin of its own."""
    app = Sandbox(Site(_WORLD, clock))
    with permit_office(hive, store, clock, mode=mode) as office:
        yield Studio(app, office, clock, mode)
