"""Clients that are not ours: the Inspector, the TypeScript SDK in both versions, fastmcp's client,
and an agent of pydantic-ai whose model is scripted. Each lists, reads, and is refused in words.
"""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport
from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import (
    ModelMessage,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
)
from pydantic_ai.models.function import AgentInfo, FunctionModel

from servers.common.contract import FAILURE_META
from tests.mcp.contracts import MODULES as SERVERS
from tests.mcp.contracts import contracts
from tests.mcp.errands import ERRANDS, REFUSED
from tests.mcp.house import House, house
from tests.mcp.node_tools import HERE, MODULES, needs_npm, node
from tests.mcp.over_http import TOKEN, over_http
from tests.mcp.wire import command, variables

pytestmark = [pytest.mark.anyio, pytest.mark.processes]
INSPECTOR = str(MODULES / "@modelcontextprotocol/inspector/clients/launcher/build/index.js")
HEADERS = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    async with house(tmp_path_factory.mktemp("house")) as built:
        yield built


@pytest.fixture(scope="module")
async def urls(home: House) -> AsyncIterator[dict[str, str]]:
    """Every server over HTTP."""
    async with AsyncExitStack() as stack:
        found = {}
        for name in SERVERS:
            server = await stack.enter_async_context(home.opened(name))
            found[name] = await stack.enter_async_context(over_http(server))
        yield found


def over_stdio(name: str, home: House) -> dict[str, Any]:
    """A server as an entry of a client's configuration file."""
    program, *arguments = command(name)
    return {"command": program, "args": arguments, "env": variables(home.env)}


def tool_names(name: str) -> list[str]:
    return [spec.name for spec in contracts()[name].TOOLS]


@needs_npm
@pytest.mark.parametrize("name", SERVERS)
async def test_the_inspector_has_no_finding(name: str, home: House, tmp_path: Path) -> None:
    config = tmp_path / "mcp.json"
    config.write_text(json.dumps({"mcpServers": {name: over_stdio(name, home)}}))
    listing = ("--server", name, "--method", "tools/list", "--strict")
    ended = await inspector("--config", str(config), *listing)
    assert (ended.code, findings(ended.err)) == (0, [])
    assert [tool["name"] for tool in json.loads(ended.out)["tools"]] == tool_names(name)


@needs_npm
async def test_the_inspector_would_say_so() -> None:
    listing = ("--method", "tools/list", "--strict")
    ended = await inspector(*listing, sys.executable, str(HERE / "bad_server.py"))
    assert findings(ended.err)


async def inspector(*arguments: str) -> Any:
    """The command line; it keeps its secrets, of which there are none, in memory."""
    return await node(INSPECTOR, "--cli", *arguments, env={"MCP_INSPECTOR_SECRET_STORE": "memory"})


def findings(told: str) -> list[str]:
    return [line for line in told.splitlines() if line and not line.startswith("[mcp-inspector]")]


@needs_npm
async def test_the_typescript_sdk_of_todays_clients_over_stdio(home: House) -> None:
    judge(await typescript({name: over_stdio(name, home) for name in SERVERS}))


@needs_npm
async def test_the_newest_typescript_sdk_over_http(urls: dict[str, str]) -> None:
    judge(await typescript({name: {"url": url, "token": TOKEN} for name, url in urls.items()}))


async def typescript(servers: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What the client of tests/mcp/node/clients.mjs saw at each."""
    plan = [{"name": name, "errand": vars(ERRANDS[name]), **how} for name, how in servers.items()]
    ended = await node(str(HERE / "clients.mjs"), json.dumps(plan))
    assert (ended.code, ended.err) == (0, "")
    seen: dict[str, Any] = json.loads(ended.out)
    return seen


def judge(seen: dict[str, Any]) -> None:
    assert set(seen) == set(SERVERS)
    for name, told in seen.items():
        assert told["server"] == name
        assert told["instructions"]
        assert told["tools"] == tool_names(name)
        assert not told["read"]["error"], told["read"]
        assert ERRANDS[name].answers in told["read"]["structured"]
        assert told["refused"]["meta"][FAILURE_META]["code"] == "bad_input"
        assert "confirm" in told["refused"]["content"][0]["text"]
        assert len(told["resources"]) >= ERRANDS[name].resources
        assert all(told["resources"])


@pytest.mark.parametrize("name", SERVERS)
async def test_the_client_of_fastmcp_over_http(name: str, urls: dict[str, str]) -> None:
    await drive(Client(StreamableHttpTransport(urls[name], headers=HEADERS)), name)


async def test_the_client_of_fastmcp_over_stdio(home: House) -> None:
    how = over_stdio("guardrails", home)
    await drive(Client(StdioTransport(how["command"], how["args"], env=how["env"])), "guardrails")


async def drive(client: Client[Any], name: str) -> None:
    errand = ERRANDS[name]
    async with client:
        assert [tool.name for tool in await client.list_tools()] == tool_names(name)
        read = await client.call_tool(errand.tool, errand.arguments)
        assert hasattr(read.data, errand.answers)  # it builds a type from the output schema
        refused = await client.call_tool(errand.tool, REFUSED, raise_on_error=False)
        assert refused.is_error
        assert refused.meta[FAILURE_META]["code"] == "bad_input"
        listed = await client.list_resources()
        assert len(listed) >= errand.resources
        for resource in listed:
            [contents] = await client.read_resource(resource.uri)
            assert contents.text


@pytest.mark.parametrize("name", SERVERS)
async def test_an_agent_reads_and_is_told_what_to_do_next(name: str, urls: dict[str, str]) -> None:
    errand, seen = ERRANDS[name], []

    async def model(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        """Reads, then tries what is not allowed, then gives up."""
        seen.append(messages[-1].parts[-1])
        assert sorted(tool.name for tool in info.function_tools) == sorted(tool_names(name))
        calls = [errand.arguments, {**errand.arguments, **REFUSED}]
        if len(seen) <= len(calls):
            return ModelResponse([ToolCallPart(errand.tool, calls[len(seen) - 1])])
        return ModelResponse([TextPart("done")])

    agent = Agent(FunctionModel(model), toolsets=[MCPToolset(urls[name], headers=HEADERS)])
    assert (await agent.run("Look around")).output == "done"
    _, read, refused = seen
    assert isinstance(read, ToolReturnPart)
    assert errand.answers in read.model_response_str()
    assert isinstance(refused, ToolReturnPart)
    assert refused.outcome == "retried"
    assert "confirm" in refused.model_response_str()
    assert "Correct the named field" in refused.model_response_str()
