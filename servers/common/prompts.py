"""Prompts and resource templates of a server. Owns: how they are listed, found and filled in.

A prompt's text is built when it is asked for, from what is on record then. Refuses arguments that
the prompt does not name, and an address that fits no template. What a text quotes from outside is
marked by whoever builds it (`servers.common.outside.note`).
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import unquote

import anyio
import mcp_types as types
import structlog
from mcp.shared.exceptions import MCPError

from guardrails.errors import BadInput, NotFound, SwarmError, TookTooLong
from servers.common import limits, outside

log = structlog.get_logger(__name__)
Build = Callable[[Mapping[str, str]], Awaitable[str]]
T = TypeVar("T")
_LONGEST = 200  # of an argument
_LONGEST_S = 60.0


@dataclass(frozen=True)
class Argument:
    """An argument of a prompt."""

    name: str
    description: str
    required: bool = True


@dataclass(frozen=True)
class PromptBinding:
    """A prompt and what builds its text."""

    name: str
    title: str
    description: str
    build: Build
    arguments: tuple[Argument, ...] = ()


@dataclass(frozen=True)
class TemplateBinding:
    """Resources under one pattern of addresses, such as `hive://audit/{day}/{page}`.

    Args:
        outside: as of a resource.
        reader: from the pattern's values to the text.
    """

    template: str
    name: str
    description: str
    reader: Build
    mime_type: str = "application/json"
    outside: str = ""


def list_prompts(prompts: Sequence[PromptBinding]) -> types.ListPromptsResult:
    """What a client sees."""
    return types.ListPromptsResult(prompts=[_described(prompt) for prompt in prompts])


async def get_prompt(
    prompts: Sequence[PromptBinding], params: types.GetPromptRequestParams
) -> types.GetPromptResult:
    """One prompt with its text.

    Raises:
        MCPError: as `answered`.
    """

    async def work() -> types.GetPromptResult:
        prompt = next((one for one in prompts if one.name == params.name), None)
        if prompt is None:
            here = ", ".join(one.name for one in prompts)
            raise NotFound("no such prompt", remedy=f"Here: {here}.")
        text = await prompt.build(_checked(prompt, params.arguments or {}))
        content = types.TextContent(type="text", text=text)
        return types.GetPromptResult(
            description=prompt.description,
            messages=[types.PromptMessage(role="user", content=content)],
        )

    return await answered(params.name, work())


async def answered(what: str, work: Awaitable[T]) -> T:
    """What `work` gives, in bounded time; for what the protocol answers with an error of its own.

    Raises:
        MCPError: it failed; data is a `Failure`. What is no error of ours is masked.
    """
    try:
        with anyio.fail_after(_LONGEST_S):
            return await work
    except SwarmError as error:
        log.info("not_answered", what=what[:80], code=error.code)
        raise _refused(types.INVALID_PARAMS, error) from error
    except TimeoutError as error:
        raise _refused(types.INTERNAL_ERROR, TookTooLong("it took too long")) from error
    except Exception as error:  # the process's edge: mask, log, stay alive
        log.exception("answer_crashed", what=what[:80])
        failed = SwarmError("it failed unexpectedly; see the server's log")
        raise _refused(types.INTERNAL_ERROR, failed) from error


def list_templates(templates: Sequence[TemplateBinding]) -> types.ListResourceTemplatesResult:
    """What a client sees."""
    return types.ListResourceTemplatesResult(
        resource_templates=[
            types.ResourceTemplate(
                uri_template=one.template,
                name=one.name,
                description=outside.described(one.description, one.outside),
                mime_type=one.mime_type,
            )
            for one in templates
        ]
    )


async def read_template(
    templates: Sequence[TemplateBinding], uri: str
) -> types.ReadResourceResult | None:
    """The resource's text; None when no pattern fits. Raises SwarmError as its reader does."""
    for one in templates:
        values = _values(one.template, uri)
        if values is not None:
            text = await one.reader(values)
            limits.require_readable(text, "Ask for something narrower.")
            contents = types.TextResourceContents(
                uri=uri,
                mime_type=one.mime_type,
                text=text,
                _meta=outside.meta(one.outside),
            )
            return types.ReadResourceResult(contents=[contents])
    return None


def _described(prompt: PromptBinding) -> types.Prompt:
    arguments = [
        types.PromptArgument(name=one.name, description=one.description, required=one.required)
        for one in prompt.arguments
    ]
    return types.Prompt(
        name=prompt.name,
        title=prompt.title,
        description=prompt.description,
        arguments=arguments or None,
    )


def _checked(prompt: PromptBinding, given: Mapping[str, str]) -> Mapping[str, str]:
    known = {one.name for one in prompt.arguments}
    said = {name for name, value in given.items() if value.strip()}
    missing = [one.name for one in prompt.arguments if one.required and one.name not in said]
    if missing:
        raise BadInput(f"{prompt.name} needs {', '.join(missing)}")
    if unknown := sorted(given.keys() - known):
        raise BadInput(f"{prompt.name} takes no {', '.join(unknown)[:_LONGEST]}")
    for name, value in given.items():
        if len(value) > _LONGEST:
            raise BadInput(f"{name}: at most {_LONGEST} characters")
    return given


def _values(template: str, uri: str) -> dict[str, str] | None:
    parts = re.split(r"\{(\w+)\}", template)
    pattern = "".join(
        f"(?P<{part}>[^/?#]{{1,{_LONGEST}}})" if place % 2 else re.escape(part)
        for place, part in enumerate(parts)
    )
    found = re.fullmatch(pattern, uri)
    return None if found is None else {k: unquote(v) for k, v in found.groupdict().items()}


def _refused(code: int, error: SwarmError) -> MCPError:
    failure = error.as_failure()
    data = {"failure": failure.model_dump(mode="json")}
    return MCPError(code, f"{failure.message.rstrip('.')}. {failure.remedy}", data)
