"""What all models are made of."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

from omnidaemon.domain.webhook_url import LONGEST_URL

NAME_PATTERN = r"^[A-Za-z0-9._-]{1,200}$"
CURSOR_PATTERN = r"^[0-9]{1,18}$"
_TIME = {"type": "string", "format": "date-time", "example": "2030-01-31T12:00:00+00:00"}

Absent = SkipJsonSchema[None]
"""For a parameter that may be left out: there is no text for null."""

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Pattern = Annotated[str, StringConstraints(max_length=200)]
CursorText = Annotated[str, StringConstraints(pattern=CURSOR_PATTERN)]
Position = Annotated[int, Field(ge=0, lt=2**63)]
Headers = Annotated[
    dict[Name, Annotated[str, StringConstraints(max_length=1000)]],
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"pattern": NAME_PATTERN},
            "additionalProperties": {"type": "string", "maxLength": 1000},
        }
    ),
]
# The server takes a little more, such as IPv6 hosts and letters beyond ASCII; what is told here, it takes.
WebhookUrl = Annotated[
    str,
    WithJsonSchema(
        {
            "type": "string",
            "maxLength": LONGEST_URL,
            "pattern": r"^https?://[A-Za-z0-9]([A-Za-z0-9.-]{0,200}[A-Za-z0-9])?(:[1-9][0-9]{0,3})?(/[!-~]*)?$",
            "example": "https://example.org/hook",
        }
    ),
]
ShownTime = Annotated[str, WithJsonSchema(_TIME)]
AnyJson = Annotated[Any, Field(description="Any JSON value.")]


def _instant(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError("a text such as 2030-01-31T12:00:00Z")  # noqa: TRY004 - what pydantic takes for a flaw
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("a time in ISO 8601 such as 2030-01-31T12:00:00Z") from None
    if at.utcoffset() is None:
        raise ValueError("a time with its zone, such as 2030-01-31T12:00:00Z")
    return at


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


AS_WHOLE = BeforeValidator(_whole)
"""Takes a whole number of a body as JSON Schema has it, 5.0 too. Comes after its limits, which would not stand in the
document otherwise. https://json-schema.org/draft/2020-12/json-schema-core#section-4.2.1"""

Instant = Annotated[datetime, BeforeValidator(_instant), WithJsonSchema(_TIME)]


class Input(BaseModel):
    """What is sent: nothing unknown, and no text where a number belongs."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Output(BaseModel):
    """What is answered, as a shape of `entrypoints.shapes` has it."""

    model_config = ConfigDict(extra="forbid", json_schema_mode_override="serialization")
