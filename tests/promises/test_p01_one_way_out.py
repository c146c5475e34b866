"""P1, the source: there is one way out to a vendor, and only Guardrails makes permits for it."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import servers
from guardrails.model import WriteAction
from servers.common.http_permit import PermitLayer
from servers.common.operations import Effect, Operation, require_bound
from servers.common.settings import ServerSettings

ROOT = Path(__file__).parents[2]
PACKAGES = ("guardrails", "servers", "orchestrator", "scripts")
# Whatever else speaks HTTP, or opens a connection by itself.
OTHER_WAYS = frozenset({
    "requests", "aiohttp", "httpcore", "urllib3", "urllib.request", "http.client", "websockets",
    "h11", "h2", "pycurl", "ftplib", "smtplib", "telnetlib", "xmlrpc", "xmlrpc.client",
})  # fmt: skip
OPENERS = frozenset(
    f"httpx.{name}"
    for name in (
        "Client", "AsyncClient", "HTTPTransport", "AsyncHTTPTransport", "get", "post", "put",
        "patch", "delete", "head", "options", "request", "stream",
    )
)  # fmt: skip
VENDOR_STACK = {"servers/common/http_wire.py", "servers/common/http_client.py"}
# These ask the twins' own control paths on this machine; they are given no key.
TWIN_CONTROL = {
    "orchestrator/twins.py", "orchestrator/campaign/outage.py", "orchestrator/fixes/measure.py",
}  # fmt: skip
# These ask others than the vendors whose writes need a permit: Slack, a watcher, the memory, a
# collector of traces, the sandbox's own gateway. No vendor's key or address is to be had there.
ELSEWHERE = {
    "orchestrator/health/outside.py", "orchestrator/preflight/supabase.py",
    "orchestrator/memory/wire.py",
    "servers/sandbox/twin_slack.py",
}  # fmt: skip
OTHER_WAYS_ELSEWHERE = {
    ("orchestrator/slack/wire.py", "http.client"),  # what the Slack SDK may raise
    ("guardrails/tracing.py", "requests"),  # the exporter's own client
}
VENDORS_OWN = ("API_KEY", "GHL_", "INSTANTLY_", "CLAY_", "RB2B_", "leadconnector", "instantly.ai",
               "api.clay.com", "api.rb2b.com")  # fmt: skip


def sources() -> Iterator[tuple[str, ast.Module]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text())


SOURCES = dict(sources())


def imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Every import, also inside functions, as (module, name); the name is empty for a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)


IMPORTS = {name: frozenset(imported(tree)) for name, tree in SOURCES.items()}


def opens_http(tree: ast.Module) -> bool:
    """Whether it makes an httpx client, a transport to the network, or asks by httpx itself."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("httpx"):
            return True  # by a name of its own: write httpx.X, so that it is seen here
        if isinstance(node, ast.Call) and ast.unparse(node.func) in OPENERS:
            return True
    return False


def test_the_walk_sees_what_it_looks_for() -> None:
    assert len(SOURCES) > 150
    assert opens_http(ast.parse("import httpx\nhttpx.AsyncClient()"))
    assert opens_http(ast.parse("def f():\n    import httpx\n    return httpx.post('x')"))
    assert opens_http(ast.parse("from httpx import AsyncClient"))
    assert not opens_http(ast.parse("import httpx\ndef f(x: httpx.AsyncClient): ..."))
    found = {name for name, tree in SOURCES.items() if opens_http(tree)}
    assert found >= VENDOR_STACK


def test_nobody_but_the_vendor_stack_opens_a_connection_to_a_vendor() -> None:
    found = {name for name, tree in SOURCES.items() if opens_http(tree)}
    assert found <= VENDOR_STACK | TWIN_CONTROL | ELSEWHERE


@pytest.mark.parametrize("name", sorted(ELSEWHERE | {name for name, _ in OTHER_WAYS_ELSEWHERE}))
def test_who_asks_somebody_else_knows_no_vendors_key_and_no_vendors_address(name: str) -> None:
    texts = [node.value for node in ast.walk(SOURCES[name]) if isinstance(node, ast.Constant)]
    said = [text for text in texts if isinstance(text, str)]
    assert not [text for text in said if any(own in text for own in VENDORS_OWN)]
    assert not [module for module, _ in IMPORTS[name] if ".vendor" in module]


@pytest.mark.parametrize("name", sorted(TWIN_CONTROL))
def test_who_asks_the_twins_asks_this_machine_alone(name: str) -> None:
    texts = [node.value for node in ast.walk(SOURCES[name]) if isinstance(node, ast.Constant)]
    addresses = [text for text in texts if isinstance(text, str) and text.startswith("http")]
    assert all(address.startswith("http://127.0.0.1:") for address in addresses)
    assert not [text for text in texts if isinstance(text, str) and "API_KEY" in text]


def test_there_is_no_other_http_library() -> None:
    found = {
        (name, module)
        for name, found in IMPORTS.items()
        for module, what in found
        if module in OTHER_WAYS or f"{module}.{what}" in OTHER_WAYS
    }
    assert found == OTHER_WAYS_ELSEWHERE


def test_a_vendor_is_opened_by_the_process_of_its_server_alone() -> None:
    found = {
        name
        for name, found in IMPORTS.items()
        for module, what in found
        if (module, what) in {("servers.common.http", "open_client"),
                              ("servers.common.http_wire", "open_wire")}
    }  # fmt: skip
    assert found == {
        "servers/common/http.py", "servers/enricher/__main__.py", "servers/ghl/__main__.py",
        "servers/instantly/__main__.py",
    }  # fmt: skip


def test_only_guardrails_can_mint() -> None:
    found = {
        name
        for name, found in IMPORTS.items()
        for module, what in found
        if what in {"PermitMint", "signing_key"} or (module == "guardrails.permits" and not what)
    }
    assert found
    assert all(name.startswith(("guardrails/", "servers/guardrails/")) for name in found)


def test_what_can_mint_is_reached_from_the_guardrails_process_alone() -> None:
    reached: set[str] = set()
    fresh = {name for name, found in IMPORTS.items() if _takes(found, "PermitMint")}
    while fresh:
        reached |= fresh
        modules = {_module(name) for name in reached}
        fresh = {
            name
            for name, found in IMPORTS.items()
            if any(modules & {module, f"{module}.{what}"} for module, what in found)
        } - reached
    assert "servers/guardrails/__main__.py" in reached
    assert all(name.startswith(("guardrails/", "servers/guardrails/")) for name in reached)


def _takes(found: frozenset[tuple[str, str]], wanted: str) -> bool:
    return any(what == wanted for _, what in found)


def _module(name: str) -> str:
    return name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def declared() -> dict[str, list[Operation]]:
    """Every operation that stands in a module of a server, by the server."""
    found: dict[str, list[Operation]] = {}
    for info in pkgutil.walk_packages(servers.__path__, "servers."):
        if info.name.endswith("__main__"):
            continue
        module = importlib.import_module(info.name)
        for value in vars(module).values():
            several = value if isinstance(value, tuple | list) else (value,)
            for one in several:
                mine = found.setdefault(info.name.split(".")[1], [])
                if isinstance(one, Operation) and one not in mine:
                    mine.append(one)
    return found


def test_every_write_of_every_adapter_has_a_binder_and_declared_actions() -> None:
    known = declared()
    writes = {
        server: [one for one in operations if one.effect is Effect.WRITE]
        for server, operations in known.items()
    }
    assert {server for server, found in writes.items() if found} == {"ghl", "instantly"}
    for server in ("ghl", "instantly"):
        require_bound(server, known[server])
        assert all(one.intent is not None for one in writes[server])
    by_action = Counter(
        action for found in writes.values() for one in found for action in one.actions
    )
    assert by_action == Counter(WriteAction)  # each of them, once: no way around its binder


def test_no_setting_and_no_argument_turns_it_off() -> None:
    names = set(ServerSettings.model_fields)
    for info in pkgutil.iter_modules(servers.__path__, "servers."):
        if info.ispkg and info.name != "servers.sandbox":
            tree = SOURCES.get(f"{info.name.replace('.', '/')}/settings.py")
            names |= {
                node.target.id
                for node in ast.walk(tree or ast.Module([], []))
                if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
            }
    assert names
    assert not [name for name in names if "permit" in name or "force" in name or "skip" in name]
    taken = PermitLayer.__init__.__kwdefaults__
    assert set(taken) == {"now"}  # everything else is given, the desk among it
