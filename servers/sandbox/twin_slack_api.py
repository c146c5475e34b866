"""Slack's Web API and incoming webhook as they answer over HTTP. Owns: a call's way to its answer.

True to Slack: most refusals are HTTP 200 with `{"ok": false, "error": …}`; 429 with
`Retry-After` (when limits are on) at about one message a second and channel; a message posted
twice stands there twice; `chat.update` without `blocks` keeps the old ones; a trigger id opens one
modal, within three seconds; the history shows no replies in threads. What people do there stands
in `twin_slack`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import orjson

from servers.sandbox import twin_slack_records as records
from servers.sandbox.asgi import Reply, reply
from servers.sandbox.behaviour import Denial, Window
from servers.sandbox.counters import Kind
from servers.sandbox.twin_slack_forms import Asked, method, page_of, refuse, shown, view_of
from servers.sandbox.twin_slack_records import Channel, Record, Workspace
from servers.sandbox.twin_slack_socket import PATH as SOCKET_PATH
from servers.sandbox.twin_slack_socket import Sockets
from servers.sandbox.wire import Call, Endpoint, Refused, Site, Twin

_TEXT, _HTML = b"text/plain; charset=utf-8", b"text/html; charset=utf-8"
_TIER_4 = frozenset({"/api/chat.postEphemeral", "/api/users.info", "/api/views.open",
                     "/api/views.update"})  # fmt: skip
_SOCKET = "/api/apps.connections.open"


class SlackApi(Twin):
    """One workspace with our app in it."""

    vendor = "slack"
    denials: Mapping[Denial, tuple[int, str]] = {
        "revoked": (200, "token_revoked"),
        "no_scope": (200, "missing_scope"),
    }

    def __init__(self, site: Site) -> None:
        self.per_channel = Window(1, 1)
        self.tier_3, self.tier_4 = Window(50, 60), Window(100, 60)
        super().__init__(site)

    def reset(self) -> None:
        self.workspace = Workspace(self.now)
        self.sockets = Sockets()

    def endpoints(self) -> Sequence[Endpoint]:
        methods: tuple[tuple[str, Kind, Callable[[Asked], Record]], ...] = (
            ("auth.test", "read", self.auth_test),
            ("users.info", "read", self.users_info),
            ("conversations.info", "read", self.conversations_info),
            ("conversations.history", "read", self.history),
            ("conversations.replies", "read", self.replies),
            ("chat.postMessage", "tell", self.post_message),
            ("chat.postEphemeral", "tell", self.post_ephemeral),
            ("chat.update", "tell", self.update),
            ("views.open", "tell", self.views_open),
            ("views.update", "tell", self.views_update),
        )
        made = [Endpoint("POST", f"/api/{m}", kind, method(h)) for m, kind, h in methods]
        made.append(Endpoint("POST", _SOCKET, "tell", self.connections_open))
        hook = Endpoint("POST", "/services/{team}/{bot}/{secret}", "tell", self.webhook)
        return [*made, hook]

    # -- before the request is looked at ------------------------------------------------------

    def guard(self, call: Call, endpoint: Endpoint) -> None:
        if endpoint.path.startswith("/services/"):
            return
        token = (call.header(b"authorization") or "").removeprefix("Bearer ").strip()
        if not token:
            raise refuse("not_authed")
        if endpoint.path == _SOCKET:
            if token != records.APP_TOKEN:
                raise refuse("not_allowed_token_type")
            return
        if token not in (records.BOT_TOKEN, records.READ_ONLY_TOKEN):
            raise refuse("invalid_auth")
        if token == records.READ_ONLY_TOKEN and endpoint.kind == "tell":
            raise refuse("missing_scope", needed="chat:write", provided="users:read")
        tier = self.tier_4 if endpoint.path in _TIER_4 else self.tier_3
        if endpoint.path != "/api/chat.postMessage":  # has a limit of its own, by channel
            self._limit(tier, endpoint.path, 30)

    def failure(self, call: Call, status: int, message: str) -> Reply:
        if status == 404:
            return reply(200, {"ok": False, "error": "unknown_method", "req_method": call.path})
        if status >= 500:  # what stands before Slack answers then, not Slack
            return Reply(status, b"<html><body>Service unavailable</body></html>", _HTML)
        return reply(status, {"ok": False, "error": message})

    def _limit(self, window: Window, key: str, wait_s: int) -> None:
        if window.left(key, self.now()) < 0 and self.site.behaviour.limits(self.vendor):
            headers = {"Retry-After": str(wait_s)}
            raise Refused(reply(429, {"ok": False, "error": "ratelimited"}, headers))

    # -- who and where ------------------------------------------------------------------------

    def auth_test(self, asked: Asked) -> Record:
        return {
            "url": "https://sandbox.slack.example/", "team": "Sandbox", "user": "swarm",
            "team_id": records.TEAM_ID, "user_id": records.BOT_USER_ID, "bot_id": records.BOT_ID,
        }  # fmt: skip

    def users_info(self, asked: Asked) -> Record:
        name = records.PEOPLE.get(str(asked.get("user")))
        if name is None:
            raise refuse("user_not_found")
        user = {"id": asked["user"], "team_id": records.TEAM_ID, "name": name.split()[0].lower()}
        profile = {"real_name": name, "display_name": name}
        return {"user": user | {"real_name": name, "deleted": False, "profile": profile}}

    def conversations_info(self, asked: Asked) -> Record:
        channel = self._channel(asked)
        about = {"id": channel.id, "name": channel.name, "is_archived": channel.archived}
        return {"channel": about | {"is_member": channel.member, "is_private": False}}

    def history(self, asked: Asked) -> Record:
        channel = self._channel(asked, member=True)
        held = [m for m in channel.messages.values() if m.get("thread_ts") in (None, m["ts"])]
        return page_of(list(reversed(held)), asked)

    def replies(self, asked: Asked) -> Record:
        channel = self._channel(asked, member=True)
        parent = str(asked.get("ts"))
        if parent not in channel.messages:
            raise refuse("thread_not_found")
        held = channel.messages.values()
        return page_of(
            [m for m in held if m["ts"] == parent or m.get("thread_ts") == parent], asked
        )

    def connections_open(self, call: Call) -> Reply:
        """A WebSocket's address: where this request came to, with a ticket for one connection."""
        host = call.header(b"host") or "127.0.0.1"
        url = f"ws://{host}/slack{SOCKET_PATH}{self.sockets.ticket()}"
        return reply(200, {"ok": True, "url": url})

    # -- messages -----------------------------------------------------------------------------

    def post_message(self, asked: Asked) -> Record:
        channel = self._open_channel(asked)
        self._limit(self.per_channel, channel.id, 1)
        thread = asked.get("thread_ts")
        if thread is not None and thread not in channel.messages:
            raise refuse("thread_not_found")
        kept = {name: asked[name] for name in ("metadata", "thread_ts") if asked.get(name)}
        shows = shown(asked, self.site.behaviour.slack_most_blocks)
        message = self.workspace.add(channel, shows | kept)
        return {"channel": channel.id, "ts": message["ts"], "message": message}

    def post_ephemeral(self, asked: Asked) -> Record:
        channel = self._open_channel(asked)
        user = str(asked.get("user"))
        if user not in records.PEOPLE:
            raise refuse("user_not_in_channel")
        thread = {"thread_ts": asked["thread_ts"]} if asked.get("thread_ts") else {}
        return {"message_ts": self.workspace.whisper(channel, user, shown(asked) | thread)}

    def update(self, asked: Asked) -> Record:
        channel = self.workspace.channels.get(str(asked.get("channel")))  # an id, never a name
        if channel is None:
            raise refuse("channel_not_found")
        message = channel.messages.get(str(asked.get("ts")))
        if message is None:
            raise refuse("message_not_found")
        if message.get("bot_id") != records.BOT_ID or message.get("webhook"):
            raise refuse("cant_update_message")
        new = shown(asked)
        if "blocks" not in asked:
            new["blocks"] = message["blocks"]
        self.workspace.earlier.setdefault(message["ts"], []).append(message["blocks"])
        edited = {"user": records.BOT_USER_ID, "ts": self.workspace.stamp()}
        message |= new | {"edited": edited}
        return {"channel": channel.id, "ts": message["ts"], "text": message["text"]}

    def webhook(self, call: Call) -> Reply:
        if call.path != records.WEBHOOK_PATH:
            return Reply(404, b"no_service", _TEXT)
        try:
            asked = orjson.loads(call.body)
            shows = shown(asked)
        except (ValueError, TypeError, AttributeError):
            return Reply(400, b"invalid_payload", _TEXT)
        except Refused as refused:
            return Reply(400, orjson.loads(refused.reply.body)["error"].encode(), _TEXT)
        channel = self.workspace.channels[records.CHANNEL_ID]
        if self.per_channel.left(channel.id, self.now()) < 0 and self.site.behaviour.limits(
            "slack"
        ):
            return Reply(429, b"rate_limited", _TEXT, {"Retry-After": "1"})
        self.workspace.add(channel, shows | {"webhook": True, "subtype": "bot_message"})
        return Reply(200, b"ok", _TEXT)

    # -- modals -------------------------------------------------------------------------------

    def views_open(self, asked: Asked) -> Record:
        view = view_of(asked)
        user, refused = self.workspace.spend(str(asked.get("trigger_id")))
        if refused:
            raise refuse(refused)
        return {"view": self.workspace.open_view(user, view)}

    def views_update(self, asked: Asked) -> Record:
        view = view_of(asked)
        held = self.workspace.views.get(str(asked.get("view_id")))
        if held is None or not held["open"]:
            raise refuse("not_found")
        if asked.get("hash") not in (None, held["hash"]):
            raise refuse("hash_conflict")
        return {"view": self.workspace.change_view(held, view)}

    def _channel(self, asked: Asked, *, member: bool = False) -> Channel:
        channel = self.workspace.channels.get(str(asked.get("channel")))
        if channel is None:
            raise refuse("channel_not_found")
        if member and not channel.member:
            raise refuse("not_in_channel")
        return channel

    def _open_channel(self, asked: Asked) -> Channel:
        channel = self.workspace.named(str(asked.get("channel")))
        if channel is None:
            raise refuse("channel_not_found")
        if not channel.member:
            raise refuse("not_in_channel")
        if channel.archived:
            raise refuse("is_archived")
        return channel
