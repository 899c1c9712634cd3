"""Prepared statements: what the driver is given and gives back is what SQLAlchemy would have made of it."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Integer,
    MetaData,
    Select,
    Table,
    Text,
    bindparam,
    create_engine,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError, OperationalError

from workers.resources.store.columns import JsonText, MomentText
from workers.resources.store.prepared import Prepared

AT = datetime(2026, 11, 30, 12, 0, 0, 5000, tzinfo=UTC)
KEPT = Table(
    "kept",
    MetaData(),
    Column("name", Text, primary_key=True),
    Column("size", Integer, nullable=False),
    Column("open", Boolean, nullable=False),
    Column("facts", JsonText),
    Column("at", MomentText),
)
ROWS: tuple[dict[str, Any], ...] = (
    {"name": "one", "size": 1, "open": True, "facts": {"a": [1, None, "ä"]}, "at": AT},
    {"name": "two", "size": 2, "open": False, "facts": None, "at": None},
)
SOME = select(KEPT).where(KEPT.c.size.in_([1, 2]), KEPT.c.at == bindparam("then", type_=MomentText))
INSERT = Prepared(KEPT.insert())
GROW = Prepared(
    update(KEPT)
    .where(KEPT.c.name == bindparam("of_name"))
    .values(size=KEPT.c.size + 10, facts=bindparam("new_facts", type_=JsonText), at=None)
    .returning(KEPT)
)


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A database in memory, with two rows."""
    engine = create_engine("sqlite://")
    KEPT.metadata.create_all(engine)
    with engine.connect() as opened:
        assert INSERT.run(opened, *ROWS) == 2
        yield opened
    engine.dispose()


def through_sqlalchemy(connection: Connection, query: Select[Any], values: dict[str, Any]) -> Sequence[dict[str, Any]]:
    """The rows as SQLAlchemy finds them."""
    return [dict(row) for row in connection.execute(query, values).mappings()]


@pytest.mark.parametrize(
    ("query", "values"),
    [
        (select(KEPT).order_by(KEPT.c.name), {}),
        (select(KEPT.c.at, KEPT.c.facts.label("known")).where(KEPT.c.open), {}),
        (SOME, {"then": AT}),
        (SOME.limit(bindparam("most")), {"then": AT, "most": 0}),
    ],
    ids=["all", "labelled", "by values and by constants", "none"],
)
def test_what_was_written_is_found_with_its_types(
    connection: Connection, query: Select[Any], values: dict[str, Any]
) -> None:
    assert Prepared(query).all(connection, values) == through_sqlalchemy(connection, query, values)


def test_every_value_comes_back_as_it_was_written(connection: Connection) -> None:
    assert Prepared(select(KEPT).order_by(KEPT.c.name)).all(connection) == list(ROWS)


def test_a_change_returns_the_row_as_it_stands_afterwards(connection: Connection) -> None:
    changed = GROW.one_or_none(connection, {"of_name": "one", "new_facts": [AT.year]})
    assert changed == {"name": "one", "size": 11, "open": True, "facts": [2026], "at": None}
    assert GROW.one_or_none(connection, {"of_name": "nobody", "new_facts": None}) is None


def test_a_value_that_is_missing_is_named_and_nothing_is_changed(connection: Connection) -> None:
    with pytest.raises(KeyError, match="new_facts"):
        GROW.all(connection, {"of_name": "one"})
    assert Prepared(select(KEPT.c.size)).scalars(connection) == [1, 2]


def test_several_rows_where_one_was_looked_for_are_an_error(connection: Connection) -> None:
    with pytest.raises(ValueError, match="2 rows"):
        Prepared(select(KEPT)).one_or_none(connection)


def test_a_scalar_of_no_row_is_none(connection: Connection) -> None:
    size = Prepared(select(KEPT.c.size).where(KEPT.c.name == bindparam("of_name")))
    assert (size.scalar(connection, {"of_name": "two"}), size.scalar(connection, {"of_name": "three"})) == (2, None)


def test_what_the_driver_raises_is_what_sqlalchemy_raises(connection: Connection) -> None:
    with pytest.raises(IntegrityError):
        INSERT.run(connection, ROWS[0])
    KEPT.drop(connection)
    with pytest.raises(OperationalError, match="no such table"):
        Prepared(select(KEPT)).all(connection)
