"""What a vendor answered. Owns: reading a body as JSON, and the errors when it is not.

The body is outside text: data for an adapter to validate, shown in no repr and no log.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from guardrails.errors import VendorSchemaDrift, VendorUnavailable

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Answer:
    """A vendor's 2xx answer. `body` is outside text; it never shows in a repr or a log."""

    vendor: str
    operation: str
    status: int
    content_type: str
    body: bytes = field(repr=False)
    parsed: Any = field(default=None, repr=False)

    def json(self) -> Any:
        """The body as JSON; None for an empty one.

        Raises:
            VendorUnavailable: cut off or not JSON; the same read may succeed later.
        """
        if self.parsed is not None or not self.body:
            return self.parsed
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise VendorUnavailable(
                f"{self.vendor} {self.operation}: the answer is not JSON "
                f"({len(self.body)} bytes, {self.content_type or 'no content type'})",
                vendor=self.vendor,
                operation=self.operation,
                status=self.status,
            ) from error

    def document(self) -> dict[str, Any]:
        """The body as a JSON object.

        Raises:
            VendorSchemaDrift: JSON of another kind.
            VendorUnavailable: not JSON.
        """
        value = self.json()
        if isinstance(value, dict):
            return value
        raise self.drift("the answer is not a JSON object")

    def parsed_as(self, model: type[M], value: Any) -> M:
        """`value`, a part of the answer, as `model`.

        Raises:
            VendorSchemaDrift: names the fields at fault and never their values.
        """
        try:
            return model.model_validate(value)
        except ValidationError as error:
            problems = error.errors(include_url=False, include_input=False, include_context=False)
            places = (".".join(map(str, one["loc"])) or "the item" for one in problems)
            kinds = (one["type"] for one in problems)
            shown = ", ".join(
                f"{place} ({kind})" for place, kind in zip(places, kinds, strict=True)
            )
            raise self.drift(f"not the documented form: {shown}") from None

    def drift(self, what: str) -> VendorSchemaDrift:
        """The error for an answer that parsed but is not what the vendor documents."""
        return VendorSchemaDrift(
            f"{self.vendor} {self.operation}: {what}",
            vendor=self.vendor,
            operation=self.operation,
            status=self.status,
        )
