"""The tables, as the list of steps that lead to them. One only appends to it: files of every version exist.

Times are microseconds since 1970 in UTC, so that they compare as integers; leases and holds are seconds of the steady
clock, which means something within one boot only. JSON stands where nothing is ever searched for.
"""

from __future__ import annotations

from typing import Final

_BUS: Final = """
CREATE TABLE bus_subscriptions (
    topic TEXT NOT NULL,
    agent TEXT NOT NULL,
    awaits_backlog INTEGER NOT NULL,  -- 1 while what waited on the topic is being moved to it
    PRIMARY KEY (topic, agent)
) STRICT, WITHOUT ROWID;

-- One row per task and agent; agent '' while the topic has none. seq is the task's own, the same for each of its
-- agents, and is never given twice: it tells a delivery from a later one that got the same row number.
CREATE TABLE bus_messages (
    message_id INTEGER PRIMARY KEY,
    topic TEXT NOT NULL,
    agent TEXT NOT NULL,
    seq INTEGER NOT NULL,
    task_id TEXT NOT NULL,
    holder TEXT,
    held_until REAL NOT NULL DEFAULT 0,
    body BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX bus_messages_in_order ON bus_messages (topic, agent, seq);
"""

_STORE: Final = """
-- Numbers that are never given twice, also not after the rows that had them are gone.
CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    latest INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE boots (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    boot_id TEXT NOT NULL
) STRICT;

CREATE TABLE lapse_guard (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    last_seen REAL,
    resumed_at REAL,            -- NULL while there was no gap
    heard_seconds REAL NOT NULL,
    shortest_lease REAL NOT NULL,
    longest_lease REAL NOT NULL
) STRICT;

CREATE TABLE lanes (
    incarnation TEXT NOT NULL,
    lane TEXT NOT NULL,
    counter INTEGER NOT NULL,
    used_at INTEGER NOT NULL,
    PRIMARY KEY (incarnation, lane)
) STRICT, WITHOUT ROWID;

CREATE TABLE tasks (
    position INTEGER PRIMARY KEY,
    task_id TEXT NOT NULL UNIQUE,
    topic TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    is_logged INTEGER NOT NULL,  -- 0 until its publisher has come
    agents TEXT,      -- JSON array: those subscribed then, less those whose run was deleted; NULL if there were none
    is_cancelled INTEGER NOT NULL DEFAULT 0,
    unreadable TEXT,  -- JSON: why this version could not read the body; NULL when it could
    body BLOB NOT NULL
) STRICT;
CREATE INDEX tasks_by_topic ON tasks (topic);
CREATE INDEX tasks_cancelled ON tasks (is_cancelled) WHERE is_cancelled = 1;

-- Which agents have still to begin which tasks, for listings; agent '' for a task published before its topic had any.
CREATE TABLE unbegun (
    topic TEXT NOT NULL,
    agent TEXT NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (topic, agent, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
    run_id INTEGER PRIMARY KEY,
    task_id TEXT NOT NULL,
    agent TEXT NOT NULL,
    topic TEXT NOT NULL,
    position INTEGER NOT NULL,  -- the task's, so that listings by state come in its order
    state TEXT NOT NULL,
    queued_at INTEGER NOT NULL,
    life INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    owner TEXT,
    request TEXT,
    attempts INTEGER NOT NULL,
    crashes INTEGER NOT NULL,
    due_at INTEGER,
    lease_until REAL,
    lease_seconds REAL NOT NULL,
    is_cancel_requested INTEGER NOT NULL,
    is_acked INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    seconds REAL NOT NULL,
    result BLOB,
    errors BLOB,            -- JSON, NULL when there are none
    question TEXT,
    default_answer BLOB,
    answers BLOB,           -- JSON, NULL when there are none
    UNIQUE (task_id, agent)
) STRICT;
-- Without those that run: they are few, and every run would pass through.
CREATE INDEX runs_by_state ON runs (state, topic, agent, position) WHERE state <> 'running';
-- Two indexes, since runs that crashed are few and looked at apart: one at its last chance must not hide behind others.
CREATE INDEX runs_due ON runs (topic, agent, due_at) WHERE due_at IS NOT NULL AND crashes = 0;
CREATE INDEX runs_due_after_crash ON runs (topic, agent, due_at) WHERE due_at IS NOT NULL AND crashes > 0;
-- By their length first: there are few lengths, and after a gap each is judged from a time of its own.
CREATE INDEX runs_running ON runs (lease_seconds, lease_until) WHERE state = 'running';
-- For retention; dead letters have a limit of their own and may be many.
CREATE INDEX runs_ended ON runs (finished_at) WHERE state IN ('succeeded', 'cancelled', 'skipped');
CREATE INDEX runs_dead ON runs (finished_at) WHERE state = 'dead';

CREATE TABLE tombstones (
    task_id TEXT NOT NULL,
    agent TEXT NOT NULL,        -- '' for the whole task
    until INTEGER NOT NULL,
    PRIMARY KEY (task_id, agent)
) STRICT, WITHOUT ROWID;
CREATE INDEX tombstones_by_end ON tombstones (until);

CREATE TABLE idempotency_keys (
    topic TEXT NOT NULL,
    key TEXT NOT NULL,
    task_id TEXT NOT NULL,
    reserved_at INTEGER NOT NULL,
    is_confirmed INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (topic, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_by_task ON idempotency_keys (task_id);
CREATE INDEX idempotency_keys_unconfirmed ON idempotency_keys (reserved_at) WHERE is_confirmed = 0;

CREATE TABLE schedules (
    task_id TEXT PRIMARY KEY,
    free_at INTEGER NOT NULL,   -- when it is due, or its present holder taken for dead
    position INTEGER NOT NULL   -- the task's
) STRICT, WITHOUT ROWID;
CREATE INDEX schedules_by_time ON schedules (free_at);
CREATE INDEX schedules_by_position ON schedules (position);

CREATE TABLE agents (
    topic TEXT NOT NULL,
    agent TEXT NOT NULL,
    record BLOB NOT NULL,       -- JSON
    PRIMARY KEY (topic, agent)
) STRICT, WITHOUT ROWID;

CREATE TABLE workers (
    incarnation TEXT PRIMARY KEY,
    seen_at INTEGER NOT NULL,
    report BLOB NOT NULL        -- JSON
) STRICT, WITHOUT ROWID;

CREATE TABLE metrics (
    topic TEXT NOT NULL,
    agent TEXT NOT NULL,
    tasks_received INTEGER NOT NULL,
    tasks_processed INTEGER NOT NULL,
    tasks_failed INTEGER NOT NULL,
    tasks_skipped INTEGER NOT NULL,
    tasks_retried INTEGER NOT NULL,
    tasks_dead_lettered INTEGER NOT NULL,
    tasks_cancelled INTEGER NOT NULL,
    tasks_crashed INTEGER NOT NULL,
    attempts_timed INTEGER NOT NULL,
    seconds_sum REAL NOT NULL,
    PRIMARY KEY (topic, agent)
) STRICT, WITHOUT ROWID;

CREATE TABLE timings (
    topic TEXT NOT NULL,
    agent TEXT NOT NULL,
    bucket INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    PRIMARY KEY (topic, agent, bucket)
) STRICT, WITHOUT ROWID;

CREATE TABLE journal (
    position INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    task_id TEXT NOT NULL,
    topic TEXT NOT NULL,
    agent TEXT,
    attempt INTEGER NOT NULL,
    detail TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX journal_by_task ON journal (task_id);
"""

_OUTBOX: Final = """
ALTER TABLE runs ADD COLUMN return_address BLOB;  -- JSON, NULL for most: who hears of the run's end

-- What has to be told of ended runs. It outlives the run: a requeue changes the one and not the other.
CREATE TABLE outbox (
    notification_id TEXT PRIMARY KEY,
    position INTEGER NOT NULL,
    kind TEXT NOT NULL,
    task_id TEXT NOT NULL,
    topic TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'pending',
    attempts INTEGER NOT NULL DEFAULT 0,
    fence INTEGER NOT NULL DEFAULT 0,
    due_at INTEGER,             -- when it is due, or its present holder taken for dead; NULL once it is settled
    settled_at INTEGER,
    reason TEXT,                -- why it was given up
    log BLOB,                   -- JSON, NULL when there is none
    notification BLOB NOT NULL  -- JSON: the run as it ended
) STRICT;
CREATE UNIQUE INDEX outbox_by_position ON outbox (position);
CREATE INDEX outbox_due ON outbox (kind, due_at, position) WHERE due_at IS NOT NULL;
CREATE INDEX outbox_by_status ON outbox (status, position);
CREATE INDEX outbox_by_topic ON outbox (topic, position);
CREATE INDEX outbox_by_task ON outbox (task_id, position);
CREATE INDEX outbox_settled ON outbox (settled_at) WHERE settled_at IS NOT NULL;
"""

_CHEAPER_ENDS: Final = """
-- What it holds is the same: whatever ends has its time, and nothing else has. To look for a state in a list costs each
-- change of a run more than its row does.
DROP INDEX runs_ended;
CREATE INDEX runs_ended ON runs (finished_at) WHERE finished_at IS NOT NULL AND state <> 'dead';
"""

_HOLDS: Final = """
-- Who has received which stretch of a queue. What is in it and nobody else's is held until then; a message's own row is
-- not touched for that.
CREATE TABLE bus_holds (
    topic TEXT NOT NULL,
    agent TEXT NOT NULL,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    holder TEXT NOT NULL,
    held_until REAL NOT NULL,
    PRIMARY KEY (topic, agent, first_seq)
) STRICT, WITHOUT ROWID;
ALTER TABLE bus_messages DROP COLUMN holder;
ALTER TABLE bus_messages DROP COLUMN held_until;
"""

_REVISIONS: Final = """
-- Who remembers a run changes it only where it is still at the same revision, instead of reading it again. So that no
-- other run is ever taken for it, row numbers are given once from here on.
ALTER TABLE runs ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
INSERT INTO counters (name, latest) SELECT 'runs', ifnull(max(run_id), 0) FROM runs;
"""

_ENTRIES: Final = """
-- Events that are alike but for their tasks are one entry, under the position of the first.
CREATE TABLE journal_entries (
    position INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    topic TEXT NOT NULL,
    agent TEXT,
    attempt INTEGER NOT NULL,
    detail TEXT NOT NULL,
    at INTEGER NOT NULL,
    task_ids TEXT NOT NULL      -- JSON array: each takes a position
) STRICT;
-- Where the entries with a task's events stand, as far as neither the task nor one of its runs says it.
CREATE TABLE journal_places (
    task_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (task_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX journal_places_by_position ON journal_places (position);
INSERT INTO journal_entries SELECT position, kind, topic, agent, attempt, detail, at, json_array(task_id) FROM journal;
INSERT INTO journal_places SELECT task_id, position FROM journal;
DROP TABLE journal;
ALTER TABLE tasks ADD COLUMN entry INTEGER;                     -- that of its publication
ALTER TABLE runs ADD COLUMN entries TEXT NOT NULL DEFAULT '';   -- those of its latest events, each after a comma
"""

MIGRATIONS: Final = (_BUS + _STORE, _OUTBOX, _CHEAPER_ENDS, _HOLDS, _REVISIONS, _ENTRIES)
"""What `Database` is opened with, whichever of bus and store is in the file."""
