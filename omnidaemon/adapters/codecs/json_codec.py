"""The codec: JSON by orjson, with cattrs for what is stored."""

from __future__ import annotations

from typing import TypeVar

import orjson

from omnidaemon.adapters.codecs.plain_json import checked_text_of, payload_text, text_of
from omnidaemon.adapters.codecs.rich_values import plain
from omnidaemon.adapters.codecs.stored_form import stored_form
from omnidaemon.adapters.codecs.task_form import UnreadableForm, parsed, task_of, usual_task
from omnidaemon.adapters.codecs.task_form import text_of as wire_text
from omnidaemon.domain.errors import InvalidValue
from omnidaemon.domain.task import Task, Unreadable
from omnidaemon.domain.texts import storable
from omnidaemon.ports.codec import Codec

T = TypeVar("T")


class JsonCodec(Codec):
    """JSON text throughout; what a task looks like is in `task_form`, all other values in `stored_form`."""

    def __init__(self) -> None:
        self._stored = stored_form()

    def encode_task(self, task: Task | Unreadable) -> bytes:
        """Raises `InvalidValue` for a text that UTF-8 cannot hold."""
        try:
            return task.raw if isinstance(task, Unreadable) else wire_text(task)
        except TypeError as error:
            raise InvalidValue("task", task.task_id, f"texts of whole characters ({error})") from error

    def decode_task(self, raw: bytes, *, task_id: str, topic: str) -> Task | Unreadable:
        if task := usual_task(raw, topic):
            return task
        try:
            fields, payload = parsed(raw)
            return task_of(fields, payload)
        except UnreadableForm as error:
            return Unreadable(task_id=task_id, topic=topic, raw=raw, reason=str(error), is_newer=error.is_newer)

    def encode_payload(self, value: object) -> bytes:
        return payload_text(value)

    def encode_result(self, value: object) -> bytes:
        text = text_of(value)
        return checked_text_of(plain(value)) if text is None else text

    def decode_value(self, raw: bytes) -> object:
        value: object = orjson.loads(raw)
        return value

    def dump(self, value: object) -> bytes:
        try:
            return self._stored.dumps(value)
        except TypeError:
            # An error's text is from people's code, and whatever it holds, the outcome has to be recorded.
            return orjson.dumps(_storable(self._stored.unstructure(value)))

    def load(self, raw: bytes, kind: type[T]) -> T:
        """Raises `ValueError` for bytes that are no such value."""
        try:
            return self._stored.loads(raw, kind)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"not a stored {getattr(kind, '__name__', kind)}: {error!r}") from error


def _storable(value: object) -> object:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in value.items()}
    return [_storable(item) for item in value] if isinstance(value, (list, tuple)) else value
