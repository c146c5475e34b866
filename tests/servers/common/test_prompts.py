"""Prompts and templates of a server: found by name or address, refused with what to do, masked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from mcp import Client, MCPError
from mcp.server.lowlevel import Server

from servers.common.contract import ResourceSpec
from servers.common.limits import RESULT_CHARS
from servers.common.outside import META
from servers.common.prompts import Argument, PromptBinding, TemplateBinding
from servers.common.toolserver import ResourceBinding, build

pytestmark = pytest.mark.anyio
SECRET = "/hive/of/ana@northwind.example"


async def echo(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())


async def crash(_values: Mapping[str, str] | None = None) -> str:
    raise RuntimeError(SECRET)


async def too_much(_values: Mapping[str, str] | None = None) -> str:
    return "x" * (RESULT_CHARS + 1)


def server() -> Server[Any]:
    prompts = (
        PromptBinding("greet", "Greet", "Greets.", echo, (Argument("who", "Whom."),)),
        PromptBinding("break", "Break", "Breaks.", crash),
    )
    templates = (
        TemplateBinding("x://things/{a}/{b}", "Things", "Things.", echo, outside="a name"),
        TemplateBinding("x://broken/{a}", "Broken", "Broken.", crash),
        TemplateBinding("x://large/{a}", "Large", "Large.", too_much),
    )
    large = ResourceSpec("x://large", "Large", "Is large.", instead="Read x://small.")
    resources = (
        ResourceBinding(ResourceSpec("x://crash", "Crash", "Crashes."), crash),
        ResourceBinding(large, too_much),
    )
    return build("s", "i", (), resources, templates, prompts)


async def text_at(client: Client, uri: str) -> str:
    [found] = (await client.read_resource(uri)).contents
    return str(found.text)  # type: ignore[union-attr]


async def test_a_template_takes_its_values_from_the_address() -> None:
    async with Client(server()) as client:
        assert await text_at(client, "x://things/1/two%20words") == "a=1, b=two words"
        [found] = (await client.read_resource("x://things/1/2")).contents
        assert found.meta == {META: "a name"}
        for uri in (
            "x://things/1",
            "x://things/1/2/3",
            "x://things//2",
            f"x://things/1/{'y' * 201}",
        ):
            with pytest.raises(MCPError, match="no such resource"):
                await client.read_resource(uri)


@pytest.mark.parametrize(
    ("uri", "remedy"), [("x://large", "Read x://small."), ("x://large/1", "narrower")]
)
async def test_a_document_that_no_client_could_use_is_not_sent(uri: str, remedy: str) -> None:
    async with Client(server()) as client:
        with pytest.raises(MCPError) as caught:
            await client.read_resource(uri)
    assert caught.value.error.data["failure"]["code"] == "result_too_large"
    assert remedy in caught.value.error.message
    assert len(caught.value.error.message) < 200


async def test_a_prompt_gets_its_arguments() -> None:
    async with Client(server()) as client:
        [message] = (await client.get_prompt("greet", {"who": "Ana"})).messages
    assert message.content.text == "who=Ana"  # type: ignore[union-attr]


async def test_what_crashes_is_masked_and_the_next_call_works() -> None:
    async with Client(server()) as client:
        for call in (
            client.get_prompt("break"),
            client.read_resource("x://broken/1"),
            client.read_resource("x://crash"),
        ):
            with pytest.raises(MCPError) as caught:
                await call
            assert SECRET not in str(caught.value.error)
            assert "see the server's log" in caught.value.error.message
        assert await text_at(client, "x://things/1/2")


async def test_a_server_without_prompts_does_not_speak_of_them() -> None:
    async with Client(build("s", "i", ())) as client:
        assert client.server_capabilities.prompts is None
