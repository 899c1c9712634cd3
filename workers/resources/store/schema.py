"""The tables, the same on SQLite and PostgreSQL; a change comes with a migration. No row is ever deleted."""

from sqlalchemy import Column, ForeignKeyConstraint, Index, Integer, LargeBinary, MetaData, Table, Text

from workers.resources.store.columns import JsonText, MomentText

METADATA = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)
REVISION_TABLE = "schema_revision"

META = Table(
    "meta",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)
"""What is drawn once for the life of a store, such as the key behind pseudonyms."""

CONTENTS = Table(
    "contents",
    METADATA,
    Column("address", Text, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

TURNS = Table(
    "turns",
    METADATA,
    Column("workflow_id", Text, primary_key=True),
    Column("first_run_id", Text, primary_key=True),
    Column("conversation", Text, primary_key=True),
    Column("turn", Integer, primary_key=True, autoincrement=False),
    Column("user", JsonText, nullable=False),
    Column("asked_at", MomentText, nullable=False),
    Column("assistant", JsonText),
    Column("outcome", JsonText),
    Column("answered_at", MomentText),
    Column("offered", Text, nullable=False),
    Column("system", Text, nullable=False),
)

LEDGER = Table(
    "ledger",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("workflow_id", Text, nullable=False),
    Column("first_run_id", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("occurrence", Text, nullable=False),
    Column("server", Text, nullable=False),
    Column("tool", Text, nullable=False),
    Column("pin", Text, nullable=False),
    Column("effect_class", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("action_digest", Text, nullable=False),
    Column("arguments", JsonText, nullable=False),
    Column("claimed_at", MomentText, nullable=False),
    Column("state", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("sends", Integer, nullable=False),
    Column("owner", Text),
    Column("first_sent_at", MomentText),
    Column("last_sent_at", MomentText),
    Column("outcome", JsonText),
    Column("content", Text),
    Column("finished_at", MomentText),
    # Checked at commit: the row's compare-and-set decides whether the content is written at all.
    ForeignKeyConstraint(["content"], ["contents.address"], deferrable=True, initially="DEFERRED"),
    Index(None, "workflow_id", "first_run_id", "step"),
)

STARTS = Table(
    "starts",
    METADATA,
    Column("workflow_id", Text, primary_key=True),
    Column("first_run_id", Text, primary_key=True),
    Column("automation", Text, nullable=False),
    Column("business_key", Text, nullable=False),
    Column("start", JsonText, nullable=False),
    Column("request", JsonText, nullable=False),
    Column("registered_at", MomentText, nullable=False),
    Column("ending", Text),
    Column("ended_at", MomentText),
)

CASES = Table(
    "cases",
    METADATA,
    Column("automation", Text, primary_key=True),
    Column("business_key", Text, primary_key=True),
    Column("holding", Integer, primary_key=True, autoincrement=False),
    Column("workflow_id", Text, nullable=False),
    Column("first_run_id", Text, nullable=False),
    Column("taken_at", MomentText, nullable=False),
    ForeignKeyConstraint(["workflow_id", "first_run_id"], ["starts.workflow_id", "starts.first_run_id"]),
)
"""Who holds a business key: the row with the highest `holding`; the others held it before."""

REQUESTS = Table(
    "requests",
    METADATA,
    Column("request_id", Text, primary_key=True),
    Column("first_run_id", Text, primary_key=True),
    Column("workflow_id", Text, nullable=False),
    Column("entry", JsonText, nullable=False),
    Column("opened_at", MomentText, nullable=False),
    Column("deadline", MomentText),
    Column("closed_at", MomentText),
    Column("closing", JsonText),
)
"""Requests to people. A case started anew under the same workflow id counts its requests from one again."""

OPEN_REQUESTS = Index(
    "ix_requests_open",
    REQUESTS.c.deadline,
    REQUESTS.c.opened_at,
    sqlite_where=REQUESTS.c.closed_at.is_(None),
    postgresql_where=REQUESTS.c.closed_at.is_(None),
)

PINS = Table(
    "pins",
    METADATA,
    Column("server", Text, primary_key=True),
    Column("tool", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("pin", Text, nullable=False),
    Column("definition", Text, nullable=False),
    Column("pinned_at", MomentText, nullable=False),
    ForeignKeyConstraint(["definition"], ["contents.address"]),
)
"""Accepted tool definitions: the row with the highest `version` is in force; the others were before."""
