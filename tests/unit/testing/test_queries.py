"""What a store was asked, without the data: two listings that are alike look alike."""

from __future__ import annotations

import apsw
import pytest

from tests.chaos.queries import asked_of_sqlite, held_by_sqlite, without_data

ONE = "01890a5d-ac96-774b-bcce-b302099a8057"
OTHER = "01890a5dac96774bbcceb302099a8058"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (f"HGETALL {{omni}}:task:{ONE}", f"HGETALL {{omni}}:task:{OTHER}"),
        ("ZREVRANGEBYSCORE k (17 -inf LIMIT 0 100", "ZREVRANGEBYSCORE k (99 -inf LIMIT 0 100"),
    ],
)
def test_ids_and_positions_are_left_out(one, other):
    assert without_data(one) == without_data(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ZREVRANGE k 0 99", "ZRANGE k 0 99"),
        ("ZRANGEBYSCORE k 1 2 LIMIT 0 100", "ZRANGEBYSCORE k 1 2 LIMIT 0 1000"),
        ("XREAD COUNT 5 STREAMS k 0", "XREAD COUNT 500 STREAMS k 0"),
        (f"HMGET {ONE} a", f"HMGET {ONE} a b"),
    ],
)
def test_commands_and_how_much_they_read_are_kept(one, other):
    assert without_data(one) != without_data(other)


def test_statements_of_sqlite_come_with_their_plans(tmp_path):
    connection = apsw.Connection(str(tmp_path / "data.db"))
    connection.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT)")
    connection.execute("INSERT INTO things (name) VALUES ('a'), ('b')")
    with asked_of_sqlite(tmp_path) as asked:
        connection.execute("SELECT name FROM things WHERE id = ?", (1,)).fetchall()
        connection.execute("SELECT id FROM things WHERE name = :name", {"name": "a"}).fetchall()
    connection.execute("SELECT 1").fetchall()
    assert asked == [
        "SELECT name FROM things WHERE id = ?: SEARCH things USING INTEGER PRIMARY KEY (rowid=?)",
        "SELECT id FROM things WHERE name = :name: SCAN things",
    ]
    assert held_by_sqlite(tmp_path) == {"rows of things": 2}
    connection.close()
