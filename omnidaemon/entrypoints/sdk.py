"""The SDK: a client that also registers agents and runs them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self, TypedDict, TypeVar, Unpack

from omnidaemon.app.agents import Handler, handler_name
from omnidaemon.bootstrap.overrides import container_with
from omnidaemon.bootstrap.settings import Settings, load_settings
from omnidaemon.bootstrap.sidecars import Sidecars
from omnidaemon.bootstrap.worker import Worker
from omnidaemon.domain.errors import AlreadyStarted, InvalidValue
from omnidaemon.domain.policy import DeliveryPolicy
from omnidaemon.entrypoints.client import Client
from omnidaemon.entrypoints.registration import Hook, Registration, run_hooks
from omnidaemon.entrypoints.sync_sdk import SyncSDK
from omnidaemon.ports.backend import BusFactory, StorageFactory
from omnidaemon.ports.telemetry import Level

F = TypeVar("F", bound=Handler)
H = TypeVar("H", bound=Hook)

_DEFAULT_POLICY = DeliveryPolicy()


class AgentOptions(TypedDict, total=False):
    """The options of `agent` and `register_agent`."""

    name: str | None
    tools: Sequence[object]
    description: str
    policy: DeliveryPolicy
    concurrency: int
    when_stopped: str


class OmniDaemonSDK(Client):
    """One program's face of OmniDaemon. Making one reads settings and opens nothing.

    `settings` come from omnidaemon.toml, .env and the environment unless they are given. `event_bus` and
    `result_store` are factories such as `SqliteResultStore(path=…)`, and take the place of those that settings name.
    `container` holds the parts, for overriding before the first use: `sdk.container.clock.override(…)`.

    While it runs agents, threads of this whole process take turns more often (`sys.setswitchinterval`), since agents
    that keep the interpreter busy would starve the engine; what was set before comes back with the last stop().
    """

    def __init__(
        self,
        *,
        event_bus: BusFactory | None = None,
        result_store: StorageFactory | None = None,
        settings: Settings | None = None,
    ) -> None:
        self.container = container_with(settings or load_settings(), event_bus, result_store)
        super().__init__(self.container)
        self.registration = Registration()
        self.sidecars = Sidecars(self._runtimes)
        self.worker: Worker | None = None
        self.sync = SyncSDK(self)

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.container.settings()

    # --- agents -------------------------------------------------------------------------------------------------------

    def agent(
        self,
        topic: str,
        *,
        name: str | None = None,
        tools: Sequence[object] = (),
        description: str = "",
        policy: DeliveryPolicy = _DEFAULT_POLICY,
        concurrency: int = 100,
        when_stopped: str = "hold",
    ) -> Callable[[F], F]:
        """Register the decorated function as an agent on this topic; it is returned unchanged.

        It is called with the decoded payload, and with a `Context` when it takes a second argument. A plain function
        runs in a thread. At most `concurrency` attempts run at once in one worker. Raises `InvalidInput`,
        `DuplicateAgent`, and `AlreadyStarted` after start().
        """
        if callable(topic):
            named = handler_name(topic) or type(topic).__name__
            raise InvalidValue("the topic of @sdk.agent", named, 'a topic, not the function: @sdk.agent("greet.user")')

        def register(handler: F) -> F:
            if self.worker is not None:
                raise AlreadyStarted("agents are registered before start()")
            self.registration.add(
                topic,
                handler,
                name=name,
                tools=tools,
                description=description,
                policy=policy,
                concurrency=concurrency,
                when_stopped=when_stopped,
            )
            return handler

        return register

    async def register_agent(self, topic: str, callback: Handler, **options: Unpack[AgentOptions]) -> None:
        """Register a callable, with the options and errors of `agent`."""
        self.agent(topic, **options)(callback)

    def on_startup(self, hook: H) -> H:
        """Call this once per worker process, on the agents' loop, before the first task: load models, open pools."""
        self.registration.startup.append(hook)
        return hook

    def on_shutdown(self, hook: H) -> H:
        """Call this once per worker process, on the agents' loop, after the last task."""
        self.registration.shutdown.append(hook)
        return hook

    # --- running ------------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Run the agents until the process is told to stop: SIGTERM and Ctrl-C drain, a second one releases. Waits for
        a bus and a store that are away.

        Serves the HTTP API where OMNIDAEMON_API_ENABLED says so; the process ends with one line and exit code 1 when
        its address is taken. Raises `UnguardedAddress` for one beyond this machine without keys, `AgentFileError` where
        there are neither agents nor an API, `BlockingCall` inside of a running event loop, and `NotMainThread` on
        another thread than the main one, where `async with sdk` works.
        """
        from omnidaemon.entrypoints.http.binding import AddressUnavailable  # noqa: PLC0415 - for this call alone
        from omnidaemon.entrypoints.http.serve_options import ServeOptions  # noqa: PLC0415 - likewise
        from omnidaemon.entrypoints.serving import run_sdks  # noqa: PLC0415 - sets logging up

        try:
            run_sdks([self], api=ServeOptions())
        except AddressUnavailable as error:
            sys.exit(f"omnidaemon: {error}")

    async def start(self, *, wait_for_backends: bool = False) -> None:
        """Run the agents on this loop, and return once they are ready. `AlreadyStarted` when they run.

        While bus or store is away `BackendUnavailable` is raised; with `wait_for_backends` it is waited for instead, as
        `run()` does, and a log line says so. What somebody has to mend is raised at once, such as a wrong password.
        Nothing is left running when it raises or is cancelled; if start-up hooks have run, shutdown hooks have too.
        """
        if self.worker is not None:
            raise AlreadyStarted("this SDK runs already")
        self.worker = worker = Worker(
            self.container,
            dict(self.registration.agents),
            self.publish_from,
            self.sidecars,
            is_patient=wait_for_backends,
        )
        try:
            await self.sidecars.start_begins()
            await run_hooks(self.registration.startup)
            try:
                await worker.start()
            except BaseException as error:
                for failure in await self._run_shutdown_hooks():
                    error.add_note(f"then a shutdown hook failed: {failure!r}")
                raise
        except BaseException:
            self.worker = None
            self.sidecars.worker_is_forgotten()
            raise

    async def stop(self) -> None:
        """Drain: take nothing more, let what runs finish, give the rest back. Then close everything. Idempotent.

        Raises what shutdown hooks raised, once all of them have run and everything is closed.
        """
        worker, self.worker = self.worker, None
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.close)
            stack.push_async_callback(self.sync.close_from_loop)
            if worker is not None:
                stack.callback(self.sidecars.worker_is_forgotten)
                stack.push_async_callback(self._shut_down)
                await worker.stop()

    async def _shut_down(self) -> None:
        failures = await self._run_shutdown_hooks()
        if len(failures) > 1:
            raise ExceptionGroup("several shutdown hooks failed", failures)
        if failures:
            raise failures[0]

    async def _run_shutdown_hooks(self) -> list[Exception]:
        """Run them all, also when some fail; what those raised."""
        failures: list[Exception] = []
        for hook in self.registration.shutdown:
            try:
                await run_hooks([hook])
            except Exception as error:  # noqa: BLE001 - people's code: the next hook has a pool of its own to close
                name = getattr(hook, "__qualname__", repr(hook))
                self.container.telemetry().say(
                    Level.ERROR, f"shutdown hook {name} failed: {type(error).__name__}: {error}"
                )
                failures.append(error)
        return failures

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
