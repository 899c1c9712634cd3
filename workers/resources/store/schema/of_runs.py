"""What is kept of runs: inputs, conversations, calls, requests, decisions, totals and what was spent."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKeyConstraint, Index, Integer, LargeBinary, Table, Text

from workers.resources.store.columns import JsonText, MomentText
from workers.resources.store.schema.metadata import METADATA

CONTENTS = Table(
    "contents",
    METADATA,
    Column("address", Text, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("erased_at", MomentText),
)
"""Bytes by their digest. Where a subject was erased the row stays, empty, with the moment of that."""

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
    Column("address", Text),
    Column("facts", JsonText),
    Column("asked_of", Text, nullable=False, server_default=""),
    Column("stubbed_before", Integer, nullable=False, server_default="0"),
    Column("folded_before", Integer, nullable=False, server_default="0"),
    Column("folded", Text, nullable=False, server_default=""),
)
"""One turn of a conversation. `address`: digest of the conversation up to and with its answer; `facts`: what the
machine knew; `asked_of`: the model that was asked. Results of turns before `stubbed_before` are shown as one line
each, turns before `folded_before` not at all: what stands in their place has the content address `folded`."""

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
    Column("resource", Text),
    Column("question", Text),
    Column("lookups", Integer, nullable=False, server_default="0"),
    Column("looked_up_at", MomentText),
    # Checked at commit: the row's compare-and-set decides whether the content is written at all.
    ForeignKeyConstraint(["content"], ["contents.address"], deferrable=True, initially="DEFERRED"),
    Index(None, "workflow_id", "first_run_id", "step"),
)
"""`resource`: digest of what an effect changes; `question`: digest of what a read asks, whoever asks it."""

LEDGER_RESOURCES = Index(
    "ix_ledger_resource",
    LEDGER.c.resource,
    LEDGER.c.first_sent_at,
    sqlite_where=LEDGER.c.resource.is_not(None),
    postgresql_where=LEDGER.c.resource.is_not(None),
)

LEDGER_QUESTIONS = Index(
    "ix_ledger_question",
    LEDGER.c.question,
    LEDGER.c.finished_at,
    sqlite_where=LEDGER.c.question.is_not(None),
    postgresql_where=LEDGER.c.question.is_not(None),
)

LEDGER_UNFINISHED = Index(
    "ix_ledger_unfinished",
    LEDGER.c.workflow_id,
    LEDGER.c.first_run_id,
    sqlite_where=LEDGER.c.state.in_(["claimed", "sent", "unknown"]),
    postgresql_where=LEDGER.c.state.in_(["claimed", "sent", "unknown"]),
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
    Column("erased_at", MomentText),
)

UNENDED = Index(
    "ix_starts_unended",
    STARTS.c.registered_at,
    STARTS.c.workflow_id,
    STARTS.c.first_run_id,
    sqlite_where=STARTS.c.ending.is_(None),
    postgresql_where=STARTS.c.ending.is_(None),
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

CHILDREN = Table(
    "children",
    METADATA,
    Column("workflow_id", Text, primary_key=True),
    Column("first_run_id", Text),
    Column("parent_workflow_id", Text, nullable=False),
    Column("parent_first_run_id", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("occurrence", Text, nullable=False),
    Column("start", JsonText, nullable=False),
    Column("entered_at", MomentText, nullable=False),
    Index(None, "parent_workflow_id", "parent_first_run_id"),
)
"""A child run as its parent has entered it: the statement by which it begins, and the one run that was registered by
it (`first_run_id`, empty before)."""

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
    Column("passed", JsonText),
)
"""Requests to people. A case started anew under the same workflow id counts its requests from one again."""

OPEN_REQUESTS = Index(
    "ix_requests_open",
    REQUESTS.c.deadline,
    REQUESTS.c.opened_at,
    sqlite_where=REQUESTS.c.closed_at.is_(None),
    postgresql_where=REQUESTS.c.closed_at.is_(None),
)

OPEN_REQUESTS_OF_RUNS = Index(
    "ix_requests_open_of_runs",
    REQUESTS.c.workflow_id,
    REQUESTS.c.first_run_id,
    sqlite_where=REQUESTS.c.closed_at.is_(None),
    postgresql_where=REQUESTS.c.closed_at.is_(None),
)

DECISIONS = Table(
    "decisions",
    METADATA,
    Column("nonce", Text, primary_key=True),
    Column("statement", Text, nullable=False),
    Column("approver", Text, nullable=False),
    Column("approval_id", Text, nullable=False),
    Column("first_run_id", Text, nullable=False),
    Column("used_at", MomentText, nullable=False),
    Column("note", Text, nullable=False, server_default=""),
    Index(None, "approver", "used_at"),
)
"""A nonce and the digest of the one statement that has used it."""

START_NONCES = Table(
    "start_nonces",
    METADATA,
    Column("nonce", Text, primary_key=True),
    Column("workflow_id", Text, nullable=False),
    Column("first_run_id", Text, nullable=False),
)

TOTALS = Table(
    "totals",
    METADATA,
    Column("total", Text, primary_key=True),
    Column("of", Text, primary_key=True),
    Column("amount", BigInteger, nullable=False),
)
"""Running totals: what was reserved and not released."""

RESERVATIONS = Table(
    "reservations",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("total", Text, primary_key=True),
    Column("of", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("reached", BigInteger, nullable=False),
    Column("action_digest", Text, nullable=False, server_default=""),
    Column("reserved_at", MomentText, nullable=False),
    Column("released", Boolean, nullable=False),
)
"""What one action has added to each total, and what the total came to by it."""

TAINTS = Table(
    "taints",
    METADATA,
    Column("workflow_id", Text, primary_key=True),
    Column("first_run_id", Text, primary_key=True),
    Column("taint", Text, primary_key=True),
    Column("tool", Text, nullable=False),
    Column("tainted_at", MomentText, nullable=False),
)

SPENT = Table(
    "spent",
    METADATA,
    Column("workflow_id", Text, primary_key=True),
    Column("first_run_id", Text, primary_key=True),
    Column("day", Text, primary_key=True),
    Column("requester", Text, nullable=False),
    Column("automation", Text, nullable=False),
    Column("turns", BigInteger, nullable=False),
    Column("tokens", BigInteger, nullable=False),
    Column("cost_micros", BigInteger, nullable=False),
    Index(None, "requester", "automation", "day"),
)
"""What a run has spent on Claude, by day (UTC): committed with the answer that it was spent for."""

SPENT_INSIDE = Table(
    "spent_inside",
    METADATA,
    Column("workflow_id", Text, primary_key=True),
    Column("first_run_id", Text, primary_key=True),
    Column("turns", BigInteger, nullable=False),
    Column("tokens", BigInteger, nullable=False),
    Column("cost_micros", BigInteger, nullable=False),
)
"""What all runs inside a run have spent; of which day, and for whom, stands with each of them."""

EXTENSIONS = Table(
    "extensions",
    METADATA,
    Column("nonce", Text, primary_key=True),
    Column("workflow_id", Text, nullable=False),
    Column("first_run_id", Text, nullable=False),
    Column("extension", JsonText, nullable=False),
    Column("approver", Text, nullable=False),
    Column("extended_at", MomentText, nullable=False),
    Index(None, "workflow_id", "first_run_id"),
)
"""What people have added to the budget of a run."""
