"""What Slack refuses in blocks and views. Owns: the limits, and Slack's way of naming the place.

Only the block types that an app of ours may use are known; any other is refused, so that a slip
is seen here first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

MESSAGE_BLOCKS, VIEW_BLOCKS = 50, 100
MESSAGE_CHARACTERS = 13_200  # undocumented; measured by others
TEXT_CHARACTERS = 40_000
VIEW_BYTES = 250_000
METADATA = 3000
_ID = 255
Offences = Iterator[str]


def offences(blocks: Any, most: int = MESSAGE_BLOCKS, *, modal: bool = False) -> list[str]:
    """Everything wrong with `blocks`; empty when they may be shown."""
    if not isinstance(blocks, list):
        return ["blocks must be an array"]
    if len(blocks) > most:
        return [f"no more than {most} items allowed [json-pointer:/blocks]"]
    found, ids = [], set()
    for at, block in enumerate(blocks):
        found += [f"{said} [json-pointer:/blocks/{at}]" for said in _block(block, modal)]
        block_id = block.get("block_id") if isinstance(block, dict) else None
        if block_id is not None and block_id in ids:
            found.append(f"duplicate block_id [json-pointer:/blocks/{at}/block_id]")
        ids.add(block_id)
    return found


def characters(blocks: Any) -> int:
    """How much text the blocks hold."""
    if isinstance(blocks, dict):
        own = len(blocks["text"]) if isinstance(blocks.get("text"), str) else 0
        return own + sum(characters(value) for value in blocks.values())
    return sum(characters(item) for item in blocks) if isinstance(blocks, list) else 0


def view_offences(view: Any) -> list[str]:
    """Everything wrong with a modal."""
    if not isinstance(view, dict) or view.get("type") != "modal":
        return ["view must be a modal"]
    found = list(_text(view.get("title"), 24, plain=True))
    inputs = any(isinstance(b, dict) and b.get("type") == "input" for b in view.get("blocks", ()))
    for name in ("submit", "close"):
        if name in view or (name == "submit" and inputs):
            found += _text(view.get(name), 24, plain=True)
    if len(view.get("private_metadata", "")) > METADATA:
        found.append("private_metadata must be less than 3001 characters")
    return found + offences(view.get("blocks"), VIEW_BLOCKS, modal=True)


def _block(block: Any, modal: bool) -> Offences:
    if not isinstance(block, dict):
        yield "must be an object"
        return
    if len(str(block.get("block_id", ""))) > _ID:
        yield "block_id is too long"
    check = _BLOCKS.get(str(block.get("type")))
    if check is None or (block.get("type") == "input" and not modal):
        yield f"unsupported type: {block.get('type')}"
    else:
        yield from check(block)


def _text(value: Any, most: int, *, plain: bool = False) -> Offences:
    kinds = ("plain_text",) if plain else ("plain_text", "mrkdwn")
    if not isinstance(value, dict) or value.get("type") not in kinds:
        yield f"must be a {' or '.join(kinds)} object"
        return
    text = value.get("text")
    if not isinstance(text, str) or not text:
        yield "must be more than 0 characters"
    elif len(text) > most:
        yield f"must be less than {most + 1} characters"


def _section(block: Any) -> Offences:
    fields = block.get("fields")
    if "text" not in block and not fields:
        yield "missing required field: text"
    if "text" in block:
        yield from _text(block["text"], 3000)
    if fields is not None and not 0 < len(fields) <= 10:
        yield "fields: between 1 and 10 items"
    for item in fields or ():
        yield from _text(item, 2000)
    if "accessory" in block:
        yield from _element(block["accessory"])


def _actions(block: Any) -> Offences:
    elements = block.get("elements") or []
    if not 0 < len(elements) <= 25:
        yield "elements: between 1 and 25 items"
    names = [element.get("action_id") for element in elements]
    if len(set(names)) != len(names):
        yield "action_id must be unique"
    for element in elements:
        yield from _element(element)


def _context(block: Any) -> Offences:
    elements = block.get("elements") or []
    if not 0 < len(elements) <= 10:
        yield "elements: between 1 and 10 items"
    for element in elements:
        yield from _text(element, 2000)


def _input(block: Any) -> Offences:
    yield from _text(block.get("label"), 2000, plain=True)
    if "hint" in block:
        yield from _text(block["hint"], 2000, plain=True)
    yield from _element(block.get("element"))


def _rich(block: Any) -> Offences:
    kinds = ("rich_text_section", "rich_text_quote", "rich_text_preformatted")
    for part in block.get("elements") or [{}]:
        if part.get("type") not in kinds or not part.get("elements"):
            yield f"unsupported rich text: {part.get('type')}"
            continue
        for element in part["elements"]:
            if element.get("type") not in ("text", "link"):
                yield f"unsupported rich text element: {element.get('type')}"
            elif not element.get("url" if element["type"] == "link" else "text"):
                yield "must be more than 0 characters"


def _element(element: Any) -> Offences:
    if not isinstance(element, dict):
        yield "must be an element"
        return
    if not 0 < len(str(element.get("action_id", ""))) <= _ID:
        yield "action_id: between 1 and 255 characters"
    check = _ELEMENTS.get(str(element.get("type")))
    if check is None:
        yield f"unsupported element: {element.get('type')}"
    else:
        yield from check(element)


def _button(element: Any) -> Offences:
    yield from _text(element.get("text"), 75, plain=True)
    if len(str(element.get("value", ""))) > 2000:
        yield "value must be less than 2001 characters"
    if len(str(element.get("url", ""))) > 3000:
        yield "url must be less than 3001 characters"
    if element.get("style") not in (None, "primary", "danger"):
        yield "unknown style"
    if "confirm" in element:
        yield from _confirm(element["confirm"])


def _confirm(confirm: Any) -> Offences:
    for name, most in (("title", 100), ("text", 300), ("confirm", 30), ("deny", 30)):
        yield from _text(confirm.get(name), most, plain=name != "text")


def _select(element: Any) -> Offences:
    options = element.get("options") or []
    if not 0 < len(options) <= 100:
        yield "options: between 1 and 100 items"
    for option in options:
        yield from _text(option.get("text"), 75, plain=True)
        if not 0 < len(str(option.get("value", ""))) <= 150:
            yield "option value: between 1 and 150 characters"


def _typed(element: Any) -> Offences:
    most = element.get("max_length", METADATA)
    if not 1 <= most <= METADATA:
        yield "max_length: between 1 and 3000"
    if len(element.get("initial_value", "")) > most:
        yield "initial_value is longer than max_length"


_BLOCKS: dict[str, Callable[[Any], Offences]] = {
    "actions": _actions,
    "context": _context,
    "divider": lambda block: iter(()),
    "header": lambda block: _text(block.get("text"), 150, plain=True),
    "input": _input,
    "rich_text": _rich,
    "section": _section,
}
_ELEMENTS: dict[str, Callable[[Any], Offences]] = {
    "button": _button,
    "plain_text_input": _typed,
    "static_select": _select,
}
