"""What goes in."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from omnidaemon.app.steps import MOST_TASKS
from omnidaemon.entrypoints.http.schemas.kinds import (
    AS_WHOLE,
    AnyJson,
    CursorText,
    Headers,
    Input,
    Instant,
    Name,
    Text,
    WebhookUrl,
)


class NewTask(Input):
    """A task to be published."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"topic": "greet.user", "payload": {"name": "Alice"}}],
            "not": {
                "properties": {"delay": {"type": "number"}, "due_at": {"type": "string"}},
                "required": ["delay", "due_at"],
            },
        },
    )

    topic: Name
    payload: AnyJson
    delay: float | None = Field(
        None, ge=0, le=1e10, allow_inf_nan=False, description="Run it this many seconds later; excludes `due_at`."
    )
    due_at: Instant | None = Field(None, description="Run it at this time, with a zone; excludes `delay`.")
    idempotency_key: Text | None = Field(
        None, description="The same key on a topic gives the same task again. Also as the header `Idempotency-Key`."
    )
    correlation_id: Text | None = Field(None, description="What this task belongs to; its own id unless given.")
    causation_id: Text | None = Field(None, description="What brought this task about.")
    headers: Headers | None = Field(None, description="Texts that go along with the task.")
    webhook: WebhookUrl | None = Field(None, description="A URL that hears of the end of each of its runs.")
    reply_to: Name | None = Field(None, description="A topic that gets the result of each of its runs as a task.")


class ChosenDeadLetters(Input):
    """Dead letters of a topic: some by the ids of their tasks, or all of them, those of `limit` tasks a request."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"topic": "greet.user", "all": True}],
            "anyOf": [
                {
                    "properties": {
                        "task_ids": {"minItems": 1},
                        "all": {"const": False},
                        "cursor": {"type": "null"},
                        "limit": {"type": "null"},
                    },
                    "required": ["task_ids"],
                },
                {"properties": {"task_ids": {"maxItems": 0}, "all": {"const": True}}, "required": ["all"]},
            ],
        },
    )

    topic: Name
    task_ids: list[str] = Field(default_factory=list, max_length=1000)
    all: bool = False
    cursor: CursorText | None = Field(None, description="With `all`: the `cursor` of the answer before, to go on.")
    limit: Annotated[int, Field(ge=1, le=MOST_TASKS), AS_WHOLE] | None = Field(
        None, description="With `all`: of at most so many tasks, 500 unless given."
    )
