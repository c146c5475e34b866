"""From a contract to an MCP server. Owns: argument checking, structured errors, the protocol.

Built on the SDK's low-level server: a tool is a `ToolSpec` bound to an async function from its
arguments model to its result model. Unknown arguments are refused. A `SwarmError` reaches the
client as `is_error` with a `Failure` beside it (`FAILURE_META`), so that a model reads the message
and the queen reads the code; any other exception is masked and logged to stderr.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import mcp_types as types
import orjson
import structlog
from mcp.server.lowlevel import Server
from pydantic import BaseModel, ValidationError

from guardrails import tracing
from guardrails.config.loader import describe
from guardrails.correlation import Correlation, correlated
from guardrails.errors import BadInput, Failure, NotFound, SwarmError
from servers.common import grants, limits, outside, progress, prompts, schemas
from servers.common.contract import FAILURE_META, ResourceSpec, ToolSpec

if TYPE_CHECKING:
    from servers.common.asking import AskingBinding

log = structlog.get_logger(__name__)
Handler = Callable[[Any], Awaitable[BaseModel]]
Reader = Callable[[], Awaitable[str]]


@dataclass(frozen=True)
class Binding:
    """A tool of the contract and the function behind it."""

    spec: ToolSpec[Any, Any]
    handler: Handler


@dataclass(frozen=True)
class ResourceBinding:
    """A resource of the contract and what gives its text."""

    spec: ResourceSpec
    reader: Reader


def build(
    name: str,
    instructions: str,
    tools: Sequence[Binding | AskingBinding],
    resources: Sequence[ResourceBinding] = (),
    templates: Sequence[prompts.TemplateBinding] = (),
    prompted: Sequence[prompts.PromptBinding] = (),
    state_key: bytes | None = None,
) -> Server[Any]:
    """An MCP server that serves exactly these tools, resources and prompts.

    Args:
        state_key: seals what tools that ask a person send along; needed when there are any.
    """
    bound = {binding.spec.name: binding for binding in tools}
    readers = {binding.spec.uri: binding for binding in resources}

    @cache  # at the first request: making the schemas is a tenth of a server's start
    def listed() -> types.ListToolsResult:
        return types.ListToolsResult(tools=[describe_tool(binding.spec) for binding in tools])

    @cache  # asked at every call over HTTP; of tools that are here alone, or it would grow for ever
    def schema_of(tool: str) -> dict[str, Any]:
        schema: dict[str, Any] = bound[tool].spec.args.model_json_schema()
        return schema

    def input_schema(tool: str) -> dict[str, Any] | None:
        return schema_of(tool) if tool in bound else None

    async def on_list_tools(_ctx: Any, _params: Any) -> types.ListToolsResult:
        return listed()

    async def on_call_tool(
        ctx: Any, params: types.CallToolRequestParams
    ) -> types.CallToolResult | types.InputRequiredResult:
        work = Correlation.of_meta(params.meta)
        with (
            correlated(work),
            tracing.continued(params.meta, f"{name}.{params.name}", **vars(work)),
        ):
            if not params.meta or "progress_token" not in params.meta:
                return await _call(bound, ctx, params)
            with progress.told_to(ctx.session.report_progress):
                return await _call(bound, ctx, params)

    async def on_list_resources(_ctx: Any, _params: Any) -> types.ListResourcesResult:
        return types.ListResourcesResult(
            resources=[_describe_resource(binding.spec) for binding in resources]
        )

    async def on_read_resource(
        _ctx: Any, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        # An address may name somebody: no log says it.
        return await prompts.answered("resource", _read(readers, templates, str(params.uri)))

    async def on_list_templates(_ctx: Any, _params: Any) -> types.ListResourceTemplatesResult:
        return prompts.list_templates(templates)

    async def on_list_prompts(_ctx: Any, _params: Any) -> types.ListPromptsResult:
        return prompts.list_prompts(prompted)

    async def on_get_prompt(
        _ctx: Any, params: types.GetPromptRequestParams
    ) -> types.GetPromptResult:
        return await prompts.get_prompt(prompted, params)

    server: Server[Any] = Server(
        name,
        version="0.1.0",
        instructions=instructions,
        on_list_tools=on_list_tools,
        on_call_tool=on_call_tool,
        on_list_resources=on_list_resources,
        on_read_resource=on_read_resource,
        on_list_resource_templates=on_list_templates if templates else None,
        on_list_prompts=on_list_prompts if prompted else None,
        on_get_prompt=on_get_prompt if prompted else None,
        get_tool_input_schema=input_schema,
    )
    if state_key is not None:
        # Imported when somebody is asked: ciphers are a tenth of a server's start.
        from servers.common.asking import sealing  # noqa: PLC0415

        server.middleware.append(sealing(name, state_key))
    elif not all(isinstance(binding, Binding) for binding in tools):
        raise ValueError("a tool that asks a person needs a state_key")
    return server


def describe_tool(spec: ToolSpec[Any, Any]) -> types.Tool:
    """The tool as a client sees it."""
    return types.Tool(
        name=spec.name,
        title=spec.title,
        description=outside.described(spec.description, spec.outside),
        input_schema=schemas.arguments_of(spec.args),
        output_schema=schemas.result_of(spec.result),
        annotations=types.ToolAnnotations(
            title=spec.title,
            read_only_hint=spec.read_only,
            idempotent_hint=spec.idempotent,
            destructive_hint=spec.destructive,
            open_world_hint=spec.open_world,
        ),
    )


async def _call(
    bound: Mapping[str, Binding | AskingBinding], ctx: Any, params: types.CallToolRequestParams
) -> types.CallToolResult | types.InputRequiredResult:
    name = params.name
    try:
        binding = bound.get(name)
        if binding is None:
            raise NotFound(
                f"no tool {name[:80]!r}", remedy=f"Tools here: {', '.join(sorted(bound))}."
            )
        grants.require(ctx.request, binding.spec.scope, name)
        limits.weigh(name, params.arguments)
        try:
            args = binding.spec.args.model_validate(params.arguments or {})
        except ValidationError as error:
            raise BadInput(f"arguments of {name}: {describe(error)}") from error
        if isinstance(binding, Binding):
            result = await limits.in_time(binding.spec, binding.handler(args))
        else:
            answered = await binding.run(args, ctx, params)
            if isinstance(answered, types.InputRequiredResult):
                return answered
            result = answered
        text = result.model_dump_json()
        limits.require_sendable(binding.spec, text)
    except SwarmError as error:
        log.info("tool_failed", tool=name[:80], code=error.code)
        return _failed(error.as_failure())
    except asyncio.CancelledError:
        raise
    except Exception:  # the process's edge: mask, log, stay alive
        log.exception("tool_crashed", tool=name)
        return _failed(SwarmError(f"{name} failed unexpectedly; see the server's log").as_failure())
    marked = binding.spec.outside
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=text), *outside.beside(marked)],
        structured_content=orjson.loads(text),  # quicker than a second model_dump
        _meta=outside.meta(marked),
    )


def _failed(failure: Failure) -> types.CallToolResult:
    said = f"{failure.message.rstrip('.')}. {failure.remedy}"
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=said)],
        is_error=True,
        _meta={FAILURE_META: failure.model_dump(mode="json")},
    )


def _describe_resource(spec: ResourceSpec) -> types.Resource:
    return types.Resource(
        uri=spec.uri,
        name=spec.name,
        description=outside.described(spec.description, spec.outside),
        mime_type=spec.mime_type,
    )


async def _read(
    readers: Mapping[str, ResourceBinding], templates: Sequence[prompts.TemplateBinding], uri: str
) -> types.ReadResourceResult:
    """The resource's text. Raises SwarmError."""
    binding = readers.get(uri)
    if binding is None:
        if (found := await prompts.read_template(templates, uri)) is not None:
            return found
        here = ", ".join([*readers, *(one.template for one in templates)])
        raise NotFound("no such resource", remedy=f"Here: {here or 'none'}.")
    text, spec = await binding.reader(), binding.spec
    limits.require_readable(text, spec.instead)
    contents = types.TextResourceContents(
        uri=uri, mime_type=spec.mime_type, text=text, _meta=outside.meta(spec.outside)
    )
    return types.ReadResourceResult(contents=[contents])
