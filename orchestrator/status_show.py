"""`swarm status` for a person. Owns: the order in which things are told: what needs you, first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from guardrails.brakes.spend_model import dollars
from guardrails.clock import parse
from orchestrator.health.model import lasted

Json = dict[str, Any]
_PROCESS = {"running": "green", "ended": "dim"}
_BAR = 10
_WORDS = {
    "awaiting_approval": "put to a person", "under_way": "under way",
    "shadow_logged": "shadow logged",
}  # fmt: skip


def render(told: Json) -> RenderableType:
    """The whole page."""
    now = parse(told["at"])
    return Group(
        _head(told),
        Text(),
        *_troubles(told, now),
        *_processes(told),
        *_numbers(told, now),
        *_failures(told, now),
    )


def _head(told: Json) -> Text:
    mode = told["mode"]
    shown = mode["in_force"] or mode["earned"] or mode["configured"]
    text = Text.assemble(
        ("sandbox  " if told["sandbox"] else "", "magenta"),
        ("mode ", "dim"), (shown or "unknown", "bold"),
    )  # fmt: skip
    if shown and shown != mode["configured"]:
        text.append(f" (configured: {mode['configured'] or 'unknown'})", style="yellow")
    stop = told["stop"]
    if stop["stopped"]:
        text.append(f"   STOPPED: {stop['reason']}", style="bold red")
    elif stop["stopped"] is None:
        text.append("   nobody can tell whether it is stopped: nothing is sent", style="bold red")
    text.append(f"   {told['at'][:19]}Z   {told['hive']}", style="dim")
    return text


def _troubles(told: Json, now: datetime) -> Iterator[RenderableType]:
    """What the monitor has open, what waits for a person, what could not be read."""
    lines: list[Text] = [
        Text(f"could not be read: {part}: {why}", style="bold red")
        for part, why in told["unread"].items()
    ]
    lines += [Text(note, style="bold yellow") for note in told["mode"]["notes"]]
    for one in told["incidents"]:
        style = "bold red" if one["severity"] == "critical" else "yellow"
        lines.append(Text(f"{one['severity']}: {one['what']} ({_ago(one['since'], now)})", style))
    unknown, approvals = told.get("unknown_sends"), told.get("approvals")
    if unknown and unknown["count"]:
        lines.append(Text(f"{unknown['count']} sends unknown: `swarm sends unknown`", "bold red"))
    if approvals and approvals["overdue"]:
        late = f"{approvals['overdue']} approvals overdue: `swarm approvals list`"
        lines.append(Text(late, "yellow"))
    for one in told.get("breakers", ()):
        lines.append(Text(f"breaker {one['vendor']} ({one['class']}) {one['state']}", "yellow"))
    for one in told.get("pauses", ()):
        lines.append(Text(f"sending paused until {one['until'][:16]}Z: {one['reason']}", "yellow"))
    if lines:
        yield from lines
        yield Text()


def _processes(told: Json) -> Iterator[RenderableType]:
    if told.get("started") is False:
        yield Text("Nothing was ever started here: `swarm up`.")
        return
    if "processes" not in told:
        return
    table = _table("Process", "State", "Pid", "Heard", "Says")
    for one in told["processes"]:
        table.add_row(
            one["name"],
            Text(one["state"], style=_PROCESS.get(one["state"], "bold red")),
            str(one["pid"]),
            "" if one["state"] == "ended" else f"{lasted(max(0.0, one['heard_s']))} ago",
            one["why"] or ("" if one["state"] == "ended" else _says(one["says"])),
        )
    if not told["processes"]:
        yield Text("No process has ever beaten here.")
        return
    yield table
    yield Text()


def _says(says: Json) -> str:
    parts = []
    servers = says.get("servers")
    if isinstance(servers, dict):
        down = sorted(name for name, told in servers.items() if not told.get("pid"))
        again = sum(told.get("restarts", 0) for told in servers.values())
        parts.append(f"{len(servers) - len(down)} of {len(servers)} servers")
        parts += [f"restarting: {', '.join(down)}"] if down else []
        parts += [f"{again} restarts"] if again else []
    for name, value in says.items():
        if name not in ("servers", "sandbox", "mode_notes"):
            parts += _said(name, value)
    return ", ".join(parts)


def _said(name: str, value: Any) -> Iterator[str]:
    """What a process tells of itself, without what says nothing."""
    if isinstance(value, dict):
        for part, inner in value.items():
            yield from _said(f"{name} {part}", "is not there" if inner is False else inner)
    elif value is True:
        yield name.replace("_", " ")
    elif value not in (None, 0, "", False):
        yield f"{name.replace('_', ' ')} {value}"


def _numbers(told: Json, now: datetime) -> Iterator[RenderableType]:
    table = _table("", "", "")
    table.show_header = False
    for name, value, note in (
        *_lead_rows(told), *_send_rows(told), *_spend_rows(told), *_waiting_rows(told, now),
    ):  # fmt: skip
        table.add_row(name, value, note)
    if table.row_count:
        yield table


def _lead_rows(told: Json) -> Iterator[tuple[str, str, str]]:
    if run := told.get("run"):
        total = "?" if run["total"] is None else run["total"]
        status = "open" if run["status"] == "running" else run["status"]  # nobody may be at it
        about = f"{run['run_id']}, {run['mode']}, {status}, {total} rows"
        yield "Leads, last run", _decided(told["leads"]["last_run"]), about
        yield "Leads, 24 hours", _decided(told["leads"]["last_24_hours"]), ""


def _send_rows(told: Json) -> Iterator[tuple[str, str, str]]:
    if sends := told.get("sends"):
        ramp = "ramping up" if sends["ramping"] else ""
        for name, label in (("day", "E-mails today"), ("hour", "E-mails, last hour")):
            held, cap = sends[name]["held"], sends[name]["cap"]
            yield label, f"{_bar(held, cap)} {held} of {cap}", ramp if name == "day" else ""
        if sends["by_state"]:
            yield "Deliveries", _counts(sends["by_state"]), ""
    rates = told.get("rates")
    if rates and rates["sent"]:
        shares = ", ".join(
            f"{name} {rates[name]} ({rates[name] / rates['sent']:.2%})"
            for name in ("bounces", "complaints", "unsubscribes")
        )
        yield "Seven days", f"{rates['sent']} sent", shares


def _spend_rows(told: Json) -> Iterator[tuple[str, str, str]]:
    if spend := told.get("spend"):
        for scope in spend["scopes"]:
            cap = scope["cap_micros"]
            if not scope["held_micros"] and scope["scope"] != "total":
                continue
            limit = f" of {dollars(cap)}" if cap is not None else ""
            shown = f"{_bar(scope['held_micros'], cap)} {dollars(scope['held_micros'])}{limit}"
            yield f"Spent, {scope['scope']}", shown, spend["day"]
        if spend["open_entries"]:
            yield "Spent, unsettled", str(spend["open_entries"]), "`swarm spend`"


def _waiting_rows(told: Json, now: datetime) -> Iterator[tuple[str, str, str]]:
    if approvals := told.get("approvals"):
        due = approvals["next_due"]
        note = f"next due {_ago(due, now)}" if due else ""
        yield "Approvals waiting", str(approvals["waiting"]), note
    for name, label in (
        ("inbox", "Inbox waiting"), ("visitors", "Visitors undecided"), ("slack", "Slack outbox"),
        ("lessons", "Lessons to learn"), ("memory", "To be remembered"),
    ):  # fmt: skip
        if queue := told.get(name):
            note = f"oldest {_ago(queue['oldest'], now)}" if queue["oldest"] else ""
            failed = queue.get("failed")
            yield label, f"{queue['count']}{f', {failed} failed' if failed else ''}", note


def _failures(told: Json, now: datetime) -> Iterator[RenderableType]:
    if not told.get("failures"):
        return
    yield Text()
    table = _table("Failures, 24 hours", "Kind", "Last", "Cause")
    for one in told["failures"]:
        where = f"{one['vendor'] or one['server']}.{one['operation']}"
        kind = " ".join(str(part) for part in (one["kind"], one["status"]) if part)
        table.add_row(
            f"{one['count']} × {where}", kind, _ago(one["last_seen"], now), one["signature"]
        )
    yield table


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold")
    return table


def _decided(by_state: dict[str, int]) -> str:
    """How leads were decided. Who was put to a person stays so when the person has answered."""
    return _counts({_WORDS.get(state, state): number for state, number in by_state.items()})


def _counts(by_state: dict[str, int]) -> str:
    return ", ".join(f"{number} {state}" for state, number in sorted(by_state.items())) or "none"


def _bar(held: int, cap: int | None) -> str:
    if not cap:
        return ""
    full = min(_BAR, int(held * _BAR / cap))
    return "█" * full + "░" * (_BAR - full)


def _ago(text: str, now: datetime) -> str:
    seconds = (now - parse(text)).total_seconds()
    return f"{lasted(seconds)} ago" if seconds >= 0 else f"in {lasted(-seconds)}"
