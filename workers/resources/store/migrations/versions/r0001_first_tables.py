"""Revision 0001: conversations, contents, ledger, start records, requests and pins."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the first tables."""
    _create_kept_bytes()
    _create_conversations()
    _create_ledger()
    _create_register_of_runs()
    _create_requests()


def _create_kept_bytes() -> None:
    op.create_table(
        "meta",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_meta"),
    )
    op.create_table(
        "contents",
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("address", name="pk_contents"),
    )
    op.create_table(
        "pins",
        sa.Column("server", sa.Text, nullable=False),
        sa.Column("tool", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("pin", sa.Text, nullable=False),
        sa.Column("definition", sa.Text, nullable=False),
        sa.Column("pinned_at", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("server", "tool", "version", name="pk_pins"),
        sa.ForeignKeyConstraint(["definition"], ["contents.address"], name="fk_pins_contents"),
    )


def _create_conversations() -> None:
    op.create_table(
        "turns",
        sa.Column("workflow_id", sa.Text, nullable=False),
        sa.Column("first_run_id", sa.Text, nullable=False),
        sa.Column("conversation", sa.Text, nullable=False),
        sa.Column("turn", sa.Integer, nullable=False),
        sa.Column("user", sa.Text, nullable=False),
        sa.Column("asked_at", sa.Text, nullable=False),
        sa.Column("assistant", sa.Text),
        sa.Column("outcome", sa.Text),
        sa.Column("answered_at", sa.Text),
        sa.Column("offered", sa.Text, nullable=False),
        sa.Column("system", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("workflow_id", "first_run_id", "conversation", "turn", name="pk_turns"),
    )


def _create_ledger() -> None:
    op.create_table(
        "ledger",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("workflow_id", sa.Text, nullable=False),
        sa.Column("first_run_id", sa.Text, nullable=False),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("occurrence", sa.Text, nullable=False),
        sa.Column("server", sa.Text, nullable=False),
        sa.Column("tool", sa.Text, nullable=False),
        sa.Column("pin", sa.Text, nullable=False),
        sa.Column("effect_class", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("action_digest", sa.Text, nullable=False),
        sa.Column("arguments", sa.Text, nullable=False),
        sa.Column("claimed_at", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("sends", sa.Integer, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("first_sent_at", sa.Text),
        sa.Column("last_sent_at", sa.Text),
        sa.Column("outcome", sa.Text),
        sa.Column("content", sa.Text),
        sa.Column("finished_at", sa.Text),
        sa.PrimaryKeyConstraint("key", name="pk_ledger"),
        sa.ForeignKeyConstraint(
            ["content"],
            ["contents.address"],
            name="fk_ledger_contents",
            deferrable=True,
            initially="DEFERRED",
        ),
    )
    op.create_index("ix_ledger_workflow_id_first_run_id_step", "ledger", ["workflow_id", "first_run_id", "step"])


def _create_register_of_runs() -> None:
    op.create_table(
        "starts",
        sa.Column("workflow_id", sa.Text, nullable=False),
        sa.Column("first_run_id", sa.Text, nullable=False),
        sa.Column("automation", sa.Text, nullable=False),
        sa.Column("business_key", sa.Text, nullable=False),
        sa.Column("start", sa.Text, nullable=False),
        sa.Column("request", sa.Text, nullable=False),
        sa.Column("registered_at", sa.Text, nullable=False),
        sa.Column("ending", sa.Text),
        sa.Column("ended_at", sa.Text),
        sa.PrimaryKeyConstraint("workflow_id", "first_run_id", name="pk_starts"),
    )
    op.create_table(
        "cases",
        sa.Column("automation", sa.Text, nullable=False),
        sa.Column("business_key", sa.Text, nullable=False),
        sa.Column("holding", sa.Integer, nullable=False),
        sa.Column("workflow_id", sa.Text, nullable=False),
        sa.Column("first_run_id", sa.Text, nullable=False),
        sa.Column("taken_at", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("automation", "business_key", "holding", name="pk_cases"),
        sa.ForeignKeyConstraint(
            ["workflow_id", "first_run_id"],
            ["starts.workflow_id", "starts.first_run_id"],
            name="fk_cases_starts",
        ),
    )


def _create_requests() -> None:
    op.create_table(
        "requests",
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("first_run_id", sa.Text, nullable=False),
        sa.Column("workflow_id", sa.Text, nullable=False),
        sa.Column("entry", sa.Text, nullable=False),
        sa.Column("opened_at", sa.Text, nullable=False),
        sa.Column("deadline", sa.Text),
        sa.Column("closed_at", sa.Text),
        sa.Column("closing", sa.Text),
        sa.PrimaryKeyConstraint("request_id", "first_run_id", name="pk_requests"),
    )
    op.create_index(
        "ix_requests_open",
        "requests",
        ["deadline", "opened_at"],
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
