"""Who approves, and whether they can be reached. Owns: the checks of the allow-list and of Slack.

Slack is asked with the variables of the process that tells people; no message is posted.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import Any

from slack_sdk import WebClient

from guardrails.approvers import Approver, ApproverList
from guardrails.errors import VendorError
from orchestrator.preflight.model import Check, fail, ok, unknown, warn
from orchestrator.slack import wire

_PLACEHOLDER = re.compile(r"(approver \d+|escalation)\Z", re.IGNORECASE)
_LATER = "Check Slack's status and the network, and try again."
_SHOW = "Slack: profile, Copy member ID; put it into config/approvers.json or SLACK_APPROVER_IDS."
_GET_ONE = "Slack app, OAuth & Permissions: Bot User OAuth Token; docs/slack.md has the scopes."


def check_approvers(people: ApproverList) -> Check:
    """At least two, and somebody else for what is late: nobody approves alone what they wrote."""
    everybody = people.all()
    late = [one for one in everybody if one.role == "escalation"]
    told = ", ".join(f"{one.name} ({one.role})" for one in everybody) or "nobody"
    do = "Name them in config/approvers.json: two people at least, one with role escalation."
    if len(everybody) < 2 or not late or len(late) == len(everybody):
        return fail("approvers", told, do)
    if invented := [one.name for one in everybody if _PLACEHOLDER.match(one.name)]:
        return warn(
            "approvers", told, f"Give {', '.join(invented)} a name: it stands in the record."
        )
    return ok("approvers", told)


class SlackDesk:
    """Reads of one workspace, each bounded.

    Args:
        values: the variables of the process that tells people.
    """

    def __init__(self, values: Mapping[str, str], *, sandbox: bool, timeout_s: float = 8.0) -> None:
        self._values = values
        self._sandbox = sandbox
        self._timeout_s = timeout_s

    def checks(self, people: ApproverList) -> list[Check]:
        """Bot, channel and approvers. Blocks; never raises a VendorError."""
        token = self._values.get("SLACK_BOT_TOKEN")
        if not token:
            return self._without_token(people)
        base = wire.checked_base_url(self._values.get("SLACK_BASE_URL"), sandbox=self._sandbox)
        client = wire.web_client(token, base, self._timeout_s)
        return [self._bot(client), self._channel(client), self._reachable(client, people)]

    def _without_token(self, people: ApproverList) -> list[Check]:
        """Approvals go on by the command line; somebody has to know that they are there."""
        told = "SLACK_BOT_TOKEN is not set"
        return [fail(name, told, _GET_ONE) for name in ("slack_key", "slack_channel")] + [
            fail("approvers_reachable", told, _GET_ONE) if people.all() else self._nobody()
        ]

    def _nobody(self) -> Check:
        return fail("approvers_reachable", "nobody may approve", "See `approvers`.")

    def _bot(self, client: WebClient) -> Check:
        found = _asked("auth.test", client.auth_test)
        if isinstance(found, VendorError):
            return _told("slack_key", found, _GET_ONE)
        told = f"{found.get('user')} in {found.get('team')} ({found.get('team_id')})"
        wanted = self._values.get("SLACK_TEAM_ID")
        if wanted and found.get("team_id") != wanted:
            return fail("slack_key", told, f"SLACK_TEAM_ID is {wanted}: correct one of the two.")
        return ok("slack_key", told)

    def _channel(self, client: WebClient) -> Check:
        channel = self._values.get("SLACK_CHANNEL_ID")
        if not channel:
            do = "Slack: the channel's details, at the bottom: C..."
            return fail("slack_channel", "SLACK_CHANNEL_ID is not set", do)
        found = _asked("conversations.info", lambda: client.conversations_info(channel=channel))
        if isinstance(found, VendorError):
            return _told("slack_channel", found, "Correct SLACK_CHANNEL_ID, or invite the bot.")
        about = found.get("channel") or {}
        told = f"#{about.get('name')} ({channel})"
        if about.get("is_archived"):
            return fail("slack_channel", f"{told} is archived", "Unarchive it, or take another.")
        if not about.get("is_member"):
            return fail("slack_channel", f"the bot is not in {told}", "In the channel: /invite.")
        return ok("slack_channel", told)

    def _reachable(self, client: WebClient, people: ApproverList) -> Check:
        if not people.all():
            return self._nobody()
        without = [one.name for one in people.all() if not one.slack_user_id]
        if without:
            return fail("approvers_reachable", f"no Slack id: {', '.join(without)}", _SHOW)
        seen = [self._person(client, one) for one in people.all()]
        told = "; ".join(said for said, fine in seen if fine is not True)
        if any(fine is False for _, fine in seen):
            return fail("approvers_reachable", told, _SHOW)
        if told:
            return unknown("approvers_reachable", told, _LATER)
        return ok("approvers_reachable", ", ".join(said for said, _ in seen))

    def _person(self, client: WebClient, person: Approver) -> tuple[str, bool | None]:
        """What Slack says of somebody; None when it could not be asked."""
        found = _asked("users.info", lambda: client.users_info(user=str(person.slack_user_id)))
        if isinstance(found, VendorError):
            refused = isinstance(found, wire.SlackRefused)
            return f"{person.name} ({person.slack_user_id}): {found.message}", (
                False if refused else None
            )
        user = found.get("user") or {}
        known = str(user.get("real_name") or user.get("name") or "unnamed")
        told = f"{person.name} is {known}"
        if user.get("deleted") or user.get("is_bot"):
            word = "a bot" if user.get("is_bot") else "deactivated"
            return f"{told}, who is {word}", False
        return told, True


async def check_slack(desk: SlackDesk, people: ApproverList) -> list[Check]:
    """Off the event loop: the SDK's client blocks."""
    return await asyncio.to_thread(desk.checks, people)


def _asked(operation: str, call: Callable[[], Any]) -> Mapping[str, Any] | VendorError:
    try:
        data = call().data
    except wire.TROUBLE as trouble:
        return wire.meaning(operation, trouble)
    return data if isinstance(data, dict) else {}


def _told(name: str, error: VendorError, do: str) -> Check:
    if isinstance(error, wire.SlackRefused):
        return fail(name, error.message, do)
    return unknown(name, error.message, _LATER)
