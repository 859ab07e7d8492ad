"""What all models are made of."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

from omnidaemon.domain.webhook_url import LONGEST_URL

NAME_PATTERN = r"^[A-Za-z0-9._-]{1,200}$"
_TIME = {"type": "string", "format": "date-time", "example": "2030-01-31T12:00:00+00:00"}

Absent = SkipJsonSchema[None]
"""For a parameter that may be left out: there is no text for null."""

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Pattern = Annotated[str, StringConstraints(max_length=200)]
CursorText = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,18}$")]
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
    at = datetime.fromisoformat(value)
    if at.utcoffset() is None:
        raise ValueError("a time with its zone, such as 2030-01-31T12:00:00Z")
    return at


Instant = Annotated[datetime, BeforeValidator(_instant), WithJsonSchema(_TIME)]


class Input(BaseModel):
    """What is sent: nothing unknown, and no text where a number belongs."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Output(BaseModel):
    """What is answered, as a shape of `entrypoints.shapes` has it."""

    model_config = ConfigDict(extra="forbid", json_schema_mode_override="serialization")
