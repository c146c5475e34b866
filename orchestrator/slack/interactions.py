"""Clicks and forms from Slack. Owns: who may, what is asked for, and that everybody is answered.

Takes payloads whose origin is proven (signature, or Socket Mode's token) and checks workspace and
app. Decides nothing: the approvals' compare-and-set does, so double clicks, replays and two people
at once are all told what stands. Slack is answered at once; work goes on in bounded tasks. Refuses
quietly what is none of ours, and takes no more than it can hold.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import structlog

from guardrails.approvals import Approvals
from guardrails.errors import SwarmError
from orchestrator.slack import cards, modals
from orchestrator.slack.acks import Ack
from orchestrator.slack.client import Slack
from orchestrator.slack.desk import Desk
from orchestrator.slack.forms import Forms
from orchestrator.slack.payloads import Click, say
from orchestrator.slack.settings import SlackSettings
from orchestrator.slack.wire import SlackRefused

log = structlog.get_logger(__name__)
_AT_ONCE, _TELLING, _HELD = 16, 4, 1000
_FORM_S = 2.2  # of Slack's three seconds
_TRIES, _LONGEST_WAIT_S = 6, 60.0
_STRANGER = "You are not on the list of approvers, so nothing was changed."
_LATE = "Slack waited too long to open the form: click once more."
_RECORDING = "Your word is being recorded. The card shows what came of it."


class Interactions:
    """Takes payloads.

    Args:
        learn: called after a rejection; brings the lesson into the bank.
        changed: called when a card has something else to show.
    """

    def __init__(
        self,
        settings: SlackSettings,
        slack: Slack,
        approvals: Approvals,
        desk: Desk,
        learn: Callable[[], Awaitable[object]],
        changed: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._slack = slack
        self._approvals = approvals
        self._desk = desk
        self._learn = learn
        self._changed = changed
        self._forms = Forms(approvals, desk, self._learned, changed)
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._telling = asyncio.Semaphore(_TELLING)  # Slack's patience is no reason to wait above
        self._tasks: set[asyncio.Task[None]] = set()

    async def handle(self, payload: Mapping[str, Any]) -> Ack:
        """Take one payload. Answers within Slack's three seconds, and never raises."""
        try:
            if not self._ours(payload):
                log.warning("slack_payload_of_another_app_or_workspace")
                return Ack(403)
            if payload["type"] == "block_actions":
                return self._clicked(payload)
            if payload["type"] == "view_submission":
                return await self._submitted(payload)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            log.warning("slack_payload_not_understood", error=type(error).__name__)
        return Ack()

    async def drain(self) -> None:
        """Wait until nothing is being worked on."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def close(self, patience_s: float = 5.0) -> None:
        """Finish what is being worked on, as far as that is soon done."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self.drain()
        for task in self._tasks:
            task.cancel()

    def _ours(self, payload: Mapping[str, Any]) -> bool:
        team = payload.get("team") or {"id": payload["user"].get("team_id")}
        return (
            payload.get("api_app_id") == self._settings.app_id
            and team["id"] == self._settings.team_id
            and payload["user"].get("team_id", team["id"]) == self._settings.team_id
        )

    # -- buttons ------------------------------------------------------------------------------

    def _clicked(self, payload: Mapping[str, Any]) -> Ack:
        click = Click.of(payload)
        if click is None:
            return Ack()
        if len(self._tasks) >= _HELD:
            return Ack(503)  # Slack tells the person that it did not work
        self._start(self._work_on(click))
        return Ack()

    async def _work_on(self, click: Click) -> None:
        async with self._slots:
            try:
                text = await self._answer_to(click)
            except SwarmError as error:
                log.warning("slack_click_failed", approval_id=click.approval_id, code=error.code)
                text = _failed(error)
        if text:
            async with self._telling:
                await self._tell(click, f"{click.about}: {text}" if click.about else text)

    async def _answer_to(self, click: Click) -> str | None:
        """What to tell the person; None when a modal says more."""
        by = self._approvals.approvers.by_slack(click.user_id)
        if by is None:
            return _STRANGER
        await self._desk.seen(click.approval_id, click.place)
        if click.action == cards.APPROVE:
            answer = await self._approvals.approve(
                click.approval_id, click.content_hash, by, "slack"
            )
            self._changed()
            return answer.text
        no = await self._desk.standing(click.approval_id, click.content_hash, by)
        if no is not None:
            self._changed()
            return no.text
        return await self._open(click)

    async def _open(self, click: Click) -> str | None:
        about = modals.About(
            click.approval_id, click.content_hash, click.place.channel, click.place.ts
        )
        if click.action == cards.REJECT:
            view = modals.rejecting(about, click.about)
        else:
            case = await self._desk.case(click.approval_id)
            if not modals.can_edit(case):
                return f"It is too long to be edited here: swarm approvals edit {about.approval_id}"
            view = modals.editing(case, about)
        try:
            await self._slack.open_view(click.trigger_id, view)
        except SlackRefused as error:
            if error.error == "exchanged_trigger_id":
                return None  # the same click, twice: its modal is open
            if error.error in ("expired_trigger_id", "invalid_trigger_id"):
                return _LATE
            raise
        return None

    async def _tell(self, click: Click, text: str) -> None:
        """An answer that the person alone sees; in the card's thread when that cannot be."""
        for _ in range(_TRIES):
            try:
                await self._slack.whisper(click.place.channel, click.user_id, text)
                return
            except SlackRefused as error:
                log.info("slack_answer_refused", error=error.error)
                break
            except SwarmError as error:
                wait_s = error.retry_after_s or 1.0
                await asyncio.sleep(min(wait_s, _LONGEST_WAIT_S))
        await self._desk.tell_in_thread(click.trigger_id, click.approval_id, click.user_id, text)

    # -- forms --------------------------------------------------------------------------------

    async def _submitted(self, payload: Mapping[str, Any]) -> Ack:
        view, user_id = payload["view"], str(payload["user"]["id"])
        about = modals.About.of(view["private_metadata"])
        if about is None or view["callback_id"] not in (modals.EDIT, modals.REJECT):
            return Ack()
        by = self._approvals.approvers.by_slack(user_id)
        if by is None:
            return say(_STRANGER)
        if len(self._tasks) >= _HELD:
            return Ack(503)
        answered: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        self._start(self._finish(self._forms.answer(view, about, by), answered))
        try:
            async with asyncio.timeout(_FORM_S):
                return await asyncio.shield(answered)
        except TimeoutError:  # it goes on: Slack waits no longer
            return say(_RECORDING)

    async def _finish(self, work: Awaitable[Ack], answered: asyncio.Future[Ack]) -> None:
        ack = Ack()
        try:
            async with self._slots:
                ack = await work
        except SwarmError as error:
            log.warning("slack_form_failed", code=error.code)
            ack = say(_failed(error))
        finally:
            if not answered.done():
                answered.set_result(ack)

    def _learned(self) -> None:
        self._start(self._fold())

    async def _fold(self) -> None:
        try:
            await self._learn()
        except SwarmError as error:  # the lesson is queued: the queen brings it in later
            log.warning("slack_lesson_waits", code=error.code)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="slack-interaction")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("slack_interaction_broke", error=type(error).__name__, exc_info=error)


def _failed(error: SwarmError) -> str:
    return f"That did not work just now: {error.message}. The card shows what stands."
