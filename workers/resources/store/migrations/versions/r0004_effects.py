"""Revision 0004: what effects change and reads ask, lookups, breakers, rates, freezes, leases, and sweeping."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create them. What was sent before changes no resource that is known, and answers no question."""
    _add_to_ledger()
    _create_breakers()
    _create_freezes()
    op.create_table(
        "leases",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("until", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )
    _create_lookups_of_sweepers()


def _create_lookups_of_sweepers() -> None:
    for name, table, columns, where in (
        ("ix_starts_unended", "starts", ["registered_at", "workflow_id", "first_run_id"], "ending IS NULL"),
        ("ix_audit_orphans", "audit", ["workflow_id", "first_run_id", "seq"], "kind = 'orphaned'"),
    ):
        op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def _add_to_ledger() -> None:
    op.add_column("ledger", sa.Column("resource", sa.Text))
    op.add_column("ledger", sa.Column("question", sa.Text))
    op.add_column("ledger", sa.Column("lookups", sa.Integer, nullable=False, server_default="0"))
    op.add_column("ledger", sa.Column("looked_up_at", sa.Text))
    for name, columns, where in (
        ("ix_ledger_resource", ["resource", "first_sent_at"], "resource IS NOT NULL"),
        ("ix_ledger_question", ["question", "finished_at"], "question IS NOT NULL"),
        ("ix_ledger_unfinished", ["workflow_id", "first_run_id"], "state IN ('claimed', 'sent', 'unknown')"),
    ):
        op.create_index(name, "ledger", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def _create_breakers() -> None:
    op.create_table(
        "breakers",
        sa.Column("server", sa.Text, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("open", sa.Boolean, nullable=False),
        sa.Column("outcomes", sa.Text, nullable=False),
        sa.Column("open_until", sa.Text),
        sa.Column("opens_in_a_row", sa.Integer, nullable=False),
        sa.Column("probe_owner", sa.Text),
        sa.Column("probe_until", sa.Text),
        sa.Column("problem", sa.Text, nullable=False),
        sa.Column("changed_at", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("server", name="pk_breakers"),
    )
    op.create_table(
        "rates",
        sa.Column("server", sa.Text, nullable=False),
        sa.Column("tokens", sa.Float, nullable=False),
        sa.Column("filled_at", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("server", name="pk_rates"),
    )


def _create_freezes() -> None:
    op.create_table(
        "freezes",
        sa.Column("nonce", sa.Text, nullable=False),
        sa.Column("freeze", sa.Text, nullable=False),
        sa.Column("frozen_at", sa.Text, nullable=False),
        sa.Column("thaw", sa.Text),
        sa.Column("thawed_at", sa.Text),
        sa.PrimaryKeyConstraint("nonce", name="pk_freezes"),
    )
    op.create_index(
        "ix_freezes_standing",
        "freezes",
        ["frozen_at"],
        sqlite_where=sa.text("thawed_at IS NULL"),
        postgresql_where=sa.text("thawed_at IS NULL"),
    )
