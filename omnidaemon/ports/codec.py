"""The codec: the only place that knows how values look as bytes, on the wire and in a store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TypeVar

from omnidaemon.domain.task import Task, Unreadable

T = TypeVar("T")


class Codec(ABC):
    """Stateless and callable from any thread. Everything is JSON text in UTF-8."""

    @abstractmethod
    def encode_task(self, task: Task | Unreadable) -> bytes:
        """The wire form of a task, with its schema number; an unreadable one gives back the bytes that came.

        `InvalidValue` for a text that is none in UTF-8, such as half a surrogate pair."""

    @abstractmethod
    def decode_task(self, raw: bytes, *, task_id: str, topic: str) -> Task | Unreadable:
        """The task that these bytes are. Never raises: what cannot be read comes as `Unreadable` under the id and topic
        that the caller knows it by. Keys that are not known here are passed over."""

    @abstractmethod
    def encode_payload(self, value: object) -> bytes:
        """The JSON text of a payload: plain JSON values only, else `PayloadNotJson`."""

    @abstractmethod
    def encode_result(self, value: object) -> bytes:
        """The JSON text of what a handler returned: also pydantic models, attrs and data classes, datetimes, enums,
        bytes (as base64), sets and tuples. Raises `TypeError` with the path of what cannot be encoded."""

    @abstractmethod
    def decode_value(self, raw: bytes) -> object:
        """The value of JSON text, a payload or a result. `ValueError` when it is none."""

    @abstractmethod
    def dump(self, value: object) -> bytes:
        """The stored form of a value of the domain or the ports. A text that is none in UTF-8 is escaped: an error's
        comes from people's code, and the outcome has to be recorded."""

    @abstractmethod
    def load(self, raw: bytes, kind: type[T]) -> T:
        """The value of this kind whose stored form these bytes are; unknown keys are passed over."""
