"""Cards and notices on their way into Slack. Owns: each once, at Slack's pace, in any weather.

Only what is reserved in the database is posted. When Slack does not say what became of a message,
or this process died over it, the message is looked for in the channel, after a time in which every
call has ended, and posted again only when it is not there. An outage costs time and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta

import structlog

from guardrails.approvals import Approvals
from guardrails.clock import Clock
from guardrails.errors import (
    RateLimited,
    StoreUnavailable,
    SwarmError,
    VendorError,
    VendorSchemaDrift,
)
from guardrails.store import Store
from orchestrator.slack import outbox, outgoing
from orchestrator.slack.cards import plainly
from orchestrator.slack.client import Message, Place, Slack
from orchestrator.slack.content import Contents, Unneeded
from orchestrator.slack.outgoing import Outgoing, OutState
from orchestrator.slack.wire import SlackDoubt, SlackRefused

log = structlog.get_logger(__name__)
_BATCH = 20
_SPACING = timedelta(seconds=1.1)  # Slack takes about one message a second and channel
_SKEW = timedelta(minutes=5)  # between our clock and Slack's
# When a doubt is looked into. Without an answer the call may still be on its way: each of its steps
# (connect, handshake, send) has a time-out of its own, and together they end well before this.
_SILENCE, _ANSWERED = timedelta(seconds=60), timedelta(seconds=15)
_LONGEST_S, _MISCONFIGURED_S = 60.0, 300.0
_AGAIN_S = 60.0  # a case that cannot be read just now
_BUSY_S, _IDLE_S = 0.2, 1.0
_CONTENT = frozenset({"invalid_blocks", "invalid_blocks_format", "msg_too_long", "no_text",
                      "msg_blocks_too_long", "metadata_too_large"})  # fmt: skip
_GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed"})


class Poster:
    """Brings Slack in line with the database. One `round` at a time."""

    def __init__(
        self,
        channel: str,
        slack: Slack,
        store: Store,
        approvals: Approvals,
        contents: Contents,
        clock: Clock,
    ) -> None:
        self._channel = channel
        self._slack = slack
        self._store = store
        self._approvals = approvals
        self._contents = contents
        self._clock = clock
        self._wake = asyncio.Event()
        self._next_post = self._quiet_until = clock()
        self._failures = 0
        self.trouble: str | None = None  # what Slack said last, while it is not well

    def wake(self) -> None:
        """Something has changed: do not wait for the next look."""
        self._wake.set()

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            pause = _IDLE_S
            try:
                if await self.round():
                    pause = _BUSY_S
            except SwarmError as error:
                log.warning("slack_poster_waits", code=error.code)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            self._wake.clear()

    async def round(self) -> int:
        """Do what can be done now. Gives how many messages were gone on with.

        Raises:
            StoreUnavailable: the database failed; nothing is lost.
        """
        now = self._clock()
        if await self._store.query(lambda conn: outbox.behind(conn, now)):
            await self._store.run(lambda conn: outbox.catch_up(conn, now))
        done = 0
        for message in await self._store.query(lambda conn: outgoing.due(conn, now, _BATCH)):
            if self._clock() < self._quiet_until:
                break
            done += await self._go_on(message)
        return done

    async def _go_on(self, message: Outgoing) -> bool:
        if message.state is OutState.NEW and self._clock() < self._next_post:
            return False
        act = {OutState.NEW: self._post, OutState.POSTING: self._look, OutState.POSTED: self._show}
        try:
            await act[message.state](message)
        except VendorError as error:
            await self._failed(message, error, message.state)
        except Unneeded as unneeded:
            now, why = self._clock(), str(unneeded)
            await self._store.run(lambda conn: outgoing.unneeded(conn, message, now, why))
        except StoreUnavailable:
            raise
        except SwarmError as error:
            await self._rest(message, message.state, _AGAIN_S, error.message)
        return True

    # -- posting ------------------------------------------------------------------------------

    async def _post(self, message: Outgoing) -> None:
        thread = await self._thread_of(message)
        if thread is not None and thread.ts is None:
            await self._rest(message, OutState.NEW, _IDLE_S * 2, "its card is not there yet")
            return
        content = await self._contents.of(message)
        now = self._clock()
        held = await self._store.run(
            lambda conn: outgoing.reserve(conn, message, now, now + _SILENCE)
        )
        if held is None:
            return  # another gateway has it
        self._next_post = now + _SPACING
        try:
            place = await self._posted(content, thread.ts if thread else None, held)
        except VendorError as error:
            await self._failed(held, error, OutState.NEW)
        else:
            await self._stands(held, place, held.wanted)

    async def _posted(self, content: Message, ts: str | None, message: Outgoing) -> Place:
        """Post it; what Slack will not take as it is, more plainly."""
        try:
            return await self._slack.post(self._channel, content, ts)
        except SlackRefused as refused:
            if ts is not None and refused.error in ("thread_not_found", "cannot_reply_to_message"):
                return await self._slack.post(self._channel, content)
            if refused.error not in _CONTENT or message.kind != "card":
                raise
            log.error("slack_card_refused", approval_id=message.approval_id, why=refused.message)
            return await self._slack.post(self._channel, plainly(message.approval_id or ""), ts)

    async def _thread_of(self, message: Outgoing) -> Outgoing | None:
        """The message it answers; None when it stands by itself."""
        parent = message.reply_to
        if parent is None:
            return None
        found = await self._store.query(lambda conn: outgoing.find(conn, parent))
        return None if found is None or found.state is OutState.FAILED else found

    async def _look(self, message: Outgoing) -> None:
        """It may stand there already."""
        thread = await self._thread_of(message)
        ts = thread.ts if thread else None
        since = message.created_at - _SKEW
        try:
            place = await self._slack.find(self._channel, message.message_id, since, ts)
        except SlackRefused as refused:
            if refused.error != "thread_not_found":
                raise
            place = None
        if place is None and ts is not None:  # posted without its thread, because that was gone
            place = await self._slack.find(self._channel, message.message_id, since)
        now = self._clock()
        if place is None:
            await self._store.run(lambda conn: outgoing.release(conn, message, now))
        else:
            await self._stands(message, place, outgoing.ASKING)

    async def _show(self, message: Outgoing) -> None:
        """It stands there and shows something old."""
        place = Place(message.channel or self._channel, message.ts or "")
        note = ""
        try:
            await self._slack.update(place, await self._contents.of(message))
        except SlackRefused as refused:
            if refused.error not in _GONE | _CONTENT:
                raise
            note = refused.message
            await self._ended_in_thread(message)
        now = self._clock()
        await self._store.run(
            lambda conn: outgoing.shown(conn, message.message_id, message.wanted, now, note)
        )
        self._well()

    async def _ended_in_thread(self, message: Outgoing) -> None:
        """A card that cannot be changed keeps its buttons: its thread says that it is over."""
        approval = await self._approvals.get(message.approval_id or "")
        if approval is None:
            return
        text = f"This is over: {approval.state.value}. Its buttons do nothing any more."
        now, key = self._clock(), f"over:{approval.approval_id}"
        await self._store.run(
            lambda conn: outbox.notice(conn, key, text, at=now, approval_id=approval.approval_id)
        )

    async def _stands(self, message: Outgoing, place: Place, version: int) -> None:
        now = self._clock()
        await self._store.run(
            lambda conn: outgoing.posted(
                conn, message.message_id, place.channel, place.ts, version, now
            )
        )
        self._well()

    # -- trouble ------------------------------------------------------------------------------

    async def _failed(self, message: Outgoing, error: VendorError, state: OutState) -> None:
        """Whatever is certain not to have been posted is `state` again; a doubt stays one."""
        if isinstance(error, RateLimited):
            wait_s = error.retry_after_s or 30.0
            self._quiet(wait_s)
            await self._rest(message, state, wait_s, error.message)
            return
        if isinstance(error, SlackRefused) and error.error in _CONTENT:
            await self._rest(message, OutState.FAILED, None, error.message)
            return
        doubt = isinstance(error, SlackDoubt | VendorSchemaDrift)
        if doubt and state is OutState.NEW:
            state = OutState.POSTING
        self._failures += 1
        longest = _MISCONFIGURED_S if isinstance(error, SlackRefused) else _LONGEST_S
        wait_s = min(2.0**self._failures, longest)
        self._quiet(wait_s)
        if self.trouble is None:
            log.warning("slack_in_trouble", code=error.code, why=error.message)
        self.trouble = error.message
        if doubt and state is OutState.POSTING:  # changing a message twice does no harm
            look_after = _ANSWERED if error.status is not None else _SILENCE
            wait_s = max(wait_s, look_after.total_seconds())
        await self._rest(message, state, wait_s, error.message)

    def _quiet(self, wait_s: float) -> None:
        self._quiet_until = self._clock() + timedelta(seconds=wait_s)

    def _well(self) -> None:
        if self.trouble is not None:
            log.info("slack_is_well")
        self.trouble, self._failures = None, 0

    async def _rest(
        self, message: Outgoing, state: OutState, wait_s: float | None, note: str
    ) -> None:
        now = self._clock()
        until = None if wait_s is None else now + timedelta(seconds=wait_s)
        await self._store.run(lambda conn: outgoing.rest(conn, message, state, now, until, note))
