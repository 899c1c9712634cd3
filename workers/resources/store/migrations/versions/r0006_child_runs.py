"""Revision 0006: child runs, and what the runs inside a run spend."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add both; no run from before has a child."""
    op.create_table(
        "children",
        sa.Column("workflow_id", sa.Text, nullable=False),
        sa.Column("first_run_id", sa.Text),
        sa.Column("parent_workflow_id", sa.Text, nullable=False),
        sa.Column("parent_first_run_id", sa.Text, nullable=False),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("occurrence", sa.Text, nullable=False),
        sa.Column("start", sa.Text, nullable=False),
        sa.Column("entered_at", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("workflow_id", name="pk_children"),
    )
    op.create_index(
        "ix_children_parent_workflow_id_parent_first_run_id",
        "children",
        ["parent_workflow_id", "parent_first_run_id"],
    )
    op.create_table(
        "spent_inside",
        sa.Column("workflow_id", sa.Text, nullable=False),
        sa.Column("first_run_id", sa.Text, nullable=False),
        sa.Column("turns", sa.BigInteger, nullable=False),
        sa.Column("tokens", sa.BigInteger, nullable=False),
        sa.Column("cost_micros", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("workflow_id", "first_run_id", name="pk_spent_inside"),
    )
