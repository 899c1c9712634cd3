"""Revision 0003: what counts in a running total counts for one action, and notes of decisions are kept."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the digests. What was reserved before counts on, and cannot be reserved again."""
    op.add_column("reservations", sa.Column("action_digest", sa.Text, nullable=False, server_default=""))
    op.add_column("decisions", sa.Column("note", sa.Text, nullable=False, server_default=""))
