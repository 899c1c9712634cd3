"""Revision 0005: how conversations are shown, what runs spend on Claude, extensions of budgets, and erasure."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add them. Conversations from before are shown in full, and what they cost is not counted again."""
    _add_to_turns()
    op.add_column("contents", sa.Column("erased_at", sa.Text))
    op.add_column("starts", sa.Column("erased_at", sa.Text))
    op.create_index(
        "ix_requests_open_of_runs",
        "requests",
        ["workflow_id", "first_run_id"],
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "spent",
        sa.Column("workflow_id", sa.Text, nullable=False),
        sa.Column("first_run_id", sa.Text, nullable=False),
        sa.Column("day", sa.Text, nullable=False),
        sa.Column("requester", sa.Text, nullable=False),
        sa.Column("automation", sa.Text, nullable=False),
        sa.Column("turns", sa.BigInteger, nullable=False),
        sa.Column("tokens", sa.BigInteger, nullable=False),
        sa.Column("cost_micros", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("workflow_id", "first_run_id", "day", name="pk_spent"),
    )
    op.create_index("ix_spent_requester_automation_day", "spent", ["requester", "automation", "day"])
    op.create_table(
        "extensions",
        sa.Column("nonce", sa.Text, nullable=False),
        sa.Column("workflow_id", sa.Text, nullable=False),
        sa.Column("first_run_id", sa.Text, nullable=False),
        sa.Column("extension", sa.Text, nullable=False),
        sa.Column("approver", sa.Text, nullable=False),
        sa.Column("extended_at", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("nonce", name="pk_extensions"),
    )
    op.create_index("ix_extensions_workflow_id_first_run_id", "extensions", ["workflow_id", "first_run_id"])


def _add_to_turns() -> None:
    op.add_column("turns", sa.Column("address", sa.Text))
    op.add_column("turns", sa.Column("facts", sa.Text))
    for name, kind, default in (
        ("asked_of", sa.Text, ""),
        ("stubbed_before", sa.Integer, "0"),
        ("folded_before", sa.Integer, "0"),
        ("folded", sa.Text, ""),
    ):
        op.add_column("turns", sa.Column(name, kind, nullable=False, server_default=default))
