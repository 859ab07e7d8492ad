"""What shall happen at which failpoint: read from one environment variable, which nothing but this package reads."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import cache

import attrs

from omnidaemon.domain.errors import BackendUnavailable
from omnidaemon.testing.chaos.points import Failpoint, Side, failpoints

VARIABLE = "CHAOS_FAILPOINTS"
_ORDER = re.compile(
    r"(?P<point>[a-z]+:\w+\.\w+)=(?P<action>kill|raise|delay|watch)(\((?P<seconds>[\d.]+)\))?(@(?P<call>\d+))?"
)


class Action(StrEnum):
    """`KILL` is SIGKILL to the own process. `RAISE` is what an adapter raises when its server is away. `DELAY` holds
    the call, or its answer, up. `WATCH` says on stderr how long the call took."""

    KILL = "kill"
    RAISE = "raise"
    DELAY = "delay"
    WATCH = "watch"


@attrs.frozen(kw_only=True)
class Order:
    """An action at a point: at the call of this number, from 1, or at every call when it is None."""

    point: Failpoint
    action: Action
    seconds: float = 0.0
    call: int | None = None

    def __str__(self) -> str:
        length = f"({self.seconds:g})" if self.action is Action.DELAY else ""
        return f"{self.point}={self.action}{length}" + (f"@{self.call}" if self.call is not None else "")


class Plan:
    """The orders of one process, and the count of calls at each point. Callable from any thread."""

    def __init__(self, orders: Mapping[Failpoint, Order]) -> None:
        self._orders = orders
        self._calls: Counter[Failpoint] = Counter()
        self._lock = threading.Lock()

    def has_any(self) -> bool:
        """Whether anything may happen at all."""
        return bool(self._orders)

    def passes(self, side: Side, port: str, method: str, took_seconds: float = 0.0) -> float:
        """Pass a point: for how many seconds to wait there. Raises or kills, if that was ordered."""
        point = Failpoint(side=side, port=port, method=method)
        order = self._orders.get(point)
        if order is None:
            return 0.0
        with self._lock:
            self._calls[point] += 1
            if order.call not in (None, self._calls[point]):
                return 0.0
        return _ACTIONS[order.action](order, took_seconds)


def parsed(text: str) -> Plan:
    """The plan that a text orders: `after:RunStore.begin=kill@3 before:Inbox.ack=delay(0.5)`. `ValueError` for a point
    that there is not."""
    known = {str(point): point for point in failpoints()}
    orders: dict[Failpoint, Order] = {}
    for word in text.split():
        match = _ORDER.fullmatch(word)
        if match is None or match["point"] not in known:
            raise ValueError(f"{VARIABLE}: {word!r} orders nothing; points are such as 'after:RunStore.begin=kill@3'")
        point = known[match["point"]]
        orders[point] = Order(
            point=point,
            action=Action(match["action"]),
            seconds=float(match["seconds"] or 0),
            call=int(match["call"]) if match["call"] else None,
        )
    return Plan(orders)


def plan_of_this_process() -> Plan:
    """What the environment orders; nothing, unless the variable is set."""
    return _shared(os.environ.get(VARIABLE, ""))


# One for all buses and storages of the process, so that a call's number is the process's.
_shared = cache(parsed)


def watched(words: str) -> list[float]:
    """The seconds that `WATCH` has told of, in what a process wrote."""
    return [float(seconds) for seconds in _WATCHED.findall(words)]


_WATCHED = re.compile(r"^\w+:\w+\.\w+ took ([\d.]+) s$", re.MULTILINE)


def _kill(order: Order, _took: float) -> float:
    os.kill(os.getpid(), signal.SIGKILL)
    return order.seconds


def _raise(order: Order, _took: float) -> float:
    raise BackendUnavailable(order.point.port, "a failpoint", f"as ordered at {order.point}")


def _delay(order: Order, _took: float) -> float:
    return order.seconds


def _watch(order: Order, took: float) -> float:
    sys.stderr.write(f"{order.point} took {took:.4f} s\n")
    return 0.0


_ACTIONS: Mapping[Action, Callable[[Order, float], float]] = {
    Action.KILL: _kill,
    Action.RAISE: _raise,
    Action.DELAY: _delay,
    Action.WATCH: _watch,
}
