"""How values of the domain and the ports look in a store: cattrs' form, but for the few kinds named here."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cattrs.preconf.orjson import OrjsonConverter, make_converter
from cattrs.strategies import configure_tagged_union

from omnidaemon.adapters.codecs.task_form import fields_of, payload_of, task_of
from omnidaemon.adapters.codecs.timestamps import from_text, in_utc
from omnidaemon.adapters.codecs.value_form import use_value_form
from omnidaemon.domain.names import Subscription
from omnidaemon.domain.policy import Decision
from omnidaemon.domain.task import Task, Unreadable


def stored_form() -> OrjsonConverter:
    """A converter with all the hooks.

    Times are ISO text in UTC; bytes base64, also those that are JSON text, so that they come back to the letter; a
    subscription is `topic/agent`, which serves as a key too; a task has its wire form. Every other value is an object
    of its fields, defaults included: a default that changes later does not change what was stored.
    """
    converter = make_converter(detailed_validation=False)
    converter.register_unstructure_hook(datetime, in_utc)
    converter.register_structure_hook(datetime, lambda text, _: from_text(text))
    converter.register_unstructure_hook(bytes, lambda value: base64.b64encode(value).decode())
    converter.register_structure_hook(bytes, lambda text, _: base64.b64decode(text, validate=True))
    converter.register_unstructure_hook(Subscription, str)
    converter.register_structure_hook(Subscription, lambda text, _: Subscription.checked(*text.split("/")))
    converter.register_unstructure_hook(Task, fields_of)
    converter.register_structure_hook(Task, lambda fields, _: task_of(fields, payload_of(fields)))
    # What is typed as any value is JSON already.
    converter.register_structure_hook_func(lambda kind: kind is object, lambda value, _: value)

    def task_or_unreadable(fields: Mapping[str, Any], _: object) -> Task | Unreadable:
        return converter.structure(fields, Task) if "schema" in fields else converter.structure(fields, Unreadable)

    converter.register_unstructure_hook(Task | Unreadable, lambda value: converter.unstructure(value, type(value)))
    converter.register_structure_hook(Task | Unreadable, task_or_unreadable)
    use_value_form(converter)
    configure_tagged_union(Decision, converter, tag_name="decision")
    return converter
