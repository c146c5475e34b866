"""One alert to the team, from any process. Owns: trying both ways, in bounded time.

The bot first, the incoming webhook when the bot cannot. Never raises: who calls it is in trouble
already. An alert may arrive twice when Slack did not answer; that is better than not at all.
Refuses markup: the text is shown as it is, and calls nobody; only `mention` does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from slack_sdk.webhook import WebhookClient

from guardrails.errors import SwarmError
from orchestrator.slack import wire
from orchestrator.slack.words import one_line, safe_lines, section


@dataclass(frozen=True)
class Told:
    """How an alert went out. `note` says why a way failed; it holds no secret."""

    way: Literal[
        "bot",  # posted with the bot token
        "webhook",  # posted with the incoming webhook
        "nobody",  # it reached nobody, as far as is known
    ]
    note: str = ""

    def __bool__(self) -> bool:
        return self.way != "nobody"


def tell(
    text: str,
    *,
    bot_token: str | None = None,
    channel: str | None = None,
    webhook_url: str | None = None,
    base_url: str | None = None,
    timeout_s: float = 10.0,
    sandbox: bool = False,
    mention: str = "",
) -> Told:
    """Post one message; blocks for `timeout_s` at most (a fraction of a second more).

    Args:
        text: plain words; without e-mail addresses, bodies or secrets.
        bot_token: SLACK_BOT_TOKEN, with `channel` (SLACK_CHANNEL_ID).
        webhook_url: SLACK_WEBHOOK_URL; tried when the bot could not.
        base_url: SLACK_BASE_URL; where the bot speaks to, when not to Slack itself.
        sandbox: only loopback addresses are spoken to.
        mention: `<!channel>`, `<@U…>`: whom it calls; of our configuration, never outside text.
    """
    message = f"{mention} {safe_lines(text)}".lstrip()
    ways: list[tuple[Literal["bot", "webhook"], Callable[[float], str]]] = []
    if bot_token and channel:
        ways.append(
            ("bot", lambda wait: _by_bot(message, bot_token, channel, base_url, wait, sandbox))
        )
    if webhook_url:
        ways.append(("webhook", lambda wait: _by_webhook(message, webhook_url, wait, sandbox)))
    notes = [] if ways else ["neither SLACK_BOT_TOKEN with SLACK_CHANNEL_ID nor SLACK_WEBHOOK_URL"]
    deadline = time.monotonic() + timeout_s
    for left, (way, post) in zip(range(len(ways), 0, -1), ways, strict=True):
        problem = _bounded(post, (deadline - time.monotonic()) / left)
        if not problem:
            return Told(way, "; ".join(notes))
        notes.append(f"{way}: {problem}")
    return Told("nobody", "; ".join(notes))


def _bounded(post: Callable[[float], str], wait_s: float) -> str:
    """What went wrong, or an empty text. A server that drips its answer is left behind."""
    problems: list[str] = []

    def work() -> None:
        try:
            problems.append(post(wait_s))
        except SwarmError as error:
            problems.append(error.message)
        except Exception as error:  # noqa: BLE001  the edge: an alert never raises
            problems.append(type(error).__name__)

    thread = threading.Thread(target=work, name="slack-tell", daemon=True)
    thread.start()
    thread.join(max(wait_s, 0.05))
    return problems[0] if problems else f"no answer within {wait_s:.2g} s"


def _by_bot(
    text: str, token: str, channel: str, base_url: str | None, wait_s: float, sandbox: bool
) -> str:
    url = wire.checked_base_url(base_url, sandbox=sandbox)
    try:
        wire.web_client(token, url, wait_s).chat_postMessage(
            channel=channel,
            text=text,
            blocks=[section(text)],
            unfurl_links=False,
            unfurl_media=False,
        )
    except wire.TROUBLE as trouble:
        return wire.meaning("chat.postMessage", trouble).message
    return ""


def _by_webhook(text: str, url: str, wait_s: float, sandbox: bool) -> str:
    wire.checked_base_url(url, sandbox=sandbox, name="SLACK_WEBHOOK_URL")
    client = WebhookClient(
        url, timeout=max(1, round(wait_s)), retry_handlers=[], logger=wire.silent
    )
    if wire.is_loopback(url):
        client.proxy = None
    try:
        answer = client.send(
            text=text, blocks=[section(text)], unfurl_links=False, unfurl_media=False
        )
    except wire.TROUBLE as trouble:  # its message could name the URL, which is a secret
        return wire.meaning("incoming webhook", trouble).message
    if (answer.status_code, answer.body.strip()) == (200, "ok"):
        return ""
    return f"status {answer.status_code} ({one_line(answer.body, 40)})"
