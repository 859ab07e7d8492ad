"""`omni webhook`: what is told of ended runs, to URLs and to topics; each attempt, and once more."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from omnidaemon.domain.errors import OmniDaemonError
from omnidaemon.entrypoints import shapes
from omnidaemon.entrypoints.cli import webhook_views
from omnidaemon.entrypoints.cli.commands.task import say_cursor, say_strange
from omnidaemon.entrypoints.cli.exit_codes import ExitCode, exit_code
from omnidaemon.entrypoints.cli.options import Cursor, Json, Limit, Topic, WrongUse
from omnidaemon.entrypoints.cli.screen import note, screen
from omnidaemon.entrypoints.cli.session import session
from omnidaemon.entrypoints.cli.views import Lines
from omnidaemon.entrypoints.unheard import strange_name


async def list_(
    *,
    status: Annotated[str | None, Parameter(help="One of pending, delivered, failed.")] = None,
    kind: Annotated[str | None, Parameter(help="One of webhook, reply.")] = None,
    task: Annotated[str | None, Parameter(help="Those of this task alone.")] = None,
    topic: Topic = None,
    limit: Limit = 20,
    cursor: Cursor = None,
    as_json: Json = False,
) -> None:
    """List webhooks and replies, newest first, with each attempt to send them."""
    async with session() as opened:
        page = await opened.client.list_webhooks(
            status=status, kind=kind, topic=topic, task_id=task, limit=limit, cursor=cursor
        )
        strange = "" if page.webhooks else await strange_name(opened.client, topic)
    answer = shapes.webhook_page(page)
    screen(as_json=as_json).show(answer, *webhook_views.webhooks_views(page.webhooks))
    say_strange(strange)
    say_cursor(page.cursor, as_json=as_json)


async def redeliver(
    *webhook_ids: Annotated[str, Parameter(help="The id that `omni webhook list` shows.")], as_json: Json = False
) -> ExitCode:
    """Send webhooks or replies now, whatever came of them, with all attempts before them."""
    if not webhook_ids:
        raise WrongUse("name webhooks by their ids; `omni webhook list` shows them")
    done: list[str] = []
    failed: list[shapes.Shape] = []
    code = ExitCode.DONE
    async with session() as opened:
        for webhook_id in dict.fromkeys(webhook_ids):
            try:
                await opened.client.redeliver_webhook(webhook_id)
            except OmniDaemonError as error:  # one that cannot be sent keeps none of the others
                failed.append({"id": webhook_id, **shapes.failure(error)})
                note(f"omni: {error}")
                code = exit_code(error)
            else:
                done.append(webhook_id)
    views = [Lines.of(*(f"{each} is due now" for each in done))] if done else []  # what failed was told
    screen(as_json=as_json).show({"redelivered": done, "failed": failed}, *views)
    return code
