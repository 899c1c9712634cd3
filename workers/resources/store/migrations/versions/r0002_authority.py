"""Revision 0002: documents in force, decisions, running totals, taints, the audit chain and the outbox."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create them. Pins are part of a document from now on; what development accepted is accepted anew."""
    op.drop_table("pins")
    op.add_column("requests", sa.Column("passed", sa.Text))
    _create_authority()
    _create_totals_and_taints()
    _create_audit()
    _create_outbox()


def _create_authority() -> None:
    op.create_table(
        "activations",
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("activation", sa.Text, nullable=False),
        sa.Column("proposed_at", sa.Text, nullable=False),
        sa.Column("activated_at", sa.Text),
        sa.PrimaryKeyConstraint("kind", "version", "digest", name="pk_activations"),
        sa.ForeignKeyConstraint(["digest"], ["contents.address"], name="fk_activations_contents"),
    )
    op.create_index(
        "ix_activations_active",
        "activations",
        ["kind", "version"],
        unique=True,
        sqlite_where=sa.text("activated_at IS NOT NULL"),
        postgresql_where=sa.text("activated_at IS NOT NULL"),
    )
    op.create_table(
        "endorsements",
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("signer", sa.Text, nullable=False),
        sa.Column("endorsement", sa.Text, nullable=False),
        sa.Column("endorsed_at", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("kind", "version", "digest", "signer", name="pk_endorsements"),
    )
    op.create_table(
        "grants",
        sa.Column("nonce", sa.Text, nullable=False),
        sa.Column("grant", sa.Text, nullable=False),
        sa.Column("recorded_at", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("nonce", name="pk_grants"),
    )
    op.create_table(
        "decisions",
        sa.Column("nonce", sa.Text, nullable=False),
        sa.Column("statement", sa.Text, nullable=False),
        sa.Column("approver", sa.Text, nullable=False),
        sa.Column("approval_id", sa.Text, nullable=False),
        sa.Column("first_run_id", sa.Text, nullable=False),
        sa.Column("used_at", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("nonce", name="pk_decisions"),
    )
    op.create_index("ix_decisions_approver_used_at", "decisions", ["approver", "used_at"])
    op.create_table(
        "start_nonces",
        sa.Column("nonce", sa.Text, nullable=False),
        sa.Column("workflow_id", sa.Text, nullable=False),
        sa.Column("first_run_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("nonce", name="pk_start_nonces"),
    )


def _create_totals_and_taints() -> None:
    op.create_table(
        "totals",
        sa.Column("total", sa.Text, nullable=False),
        sa.Column("of", sa.Text, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("total", "of", name="pk_totals"),
    )
    op.create_table(
        "reservations",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("total", sa.Text, nullable=False),
        sa.Column("of", sa.Text, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("reached", sa.BigInteger, nullable=False),
        sa.Column("reserved_at", sa.Text, nullable=False),
        sa.Column("released", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("key", "total", name="pk_reservations"),
    )
    op.create_table(
        "taints",
        sa.Column("workflow_id", sa.Text, nullable=False),
        sa.Column("first_run_id", sa.Text, nullable=False),
        sa.Column("taint", sa.Text, nullable=False),
        sa.Column("tool", sa.Text, nullable=False),
        sa.Column("tainted_at", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("workflow_id", "first_run_id", "taint", name="pk_taints"),
    )


def _create_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("previous", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.Column("workflow_id", sa.Text, nullable=False),
        sa.Column("first_run_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("once", sa.Text),
        sa.PrimaryKeyConstraint("stream", "seq", name="pk_audit"),
    )
    op.create_index(
        "ix_audit_once",
        "audit",
        ["workflow_id", "first_run_id", "kind", "once"],
        unique=True,
        sqlite_where=sa.text("once IS NOT NULL"),
        postgresql_where=sa.text("once IS NOT NULL"),
    )
    op.create_index("ix_audit_workflow_id_first_run_id", "audit", ["workflow_id", "first_run_id"])
    op.create_table(
        "audit_heads",
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("stream", name="pk_audit_heads"),
    )


def _create_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("notice", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("entered_at", sa.Text, nullable=False),
        sa.Column("next_at", sa.Text, nullable=False),
        sa.Column("leased_by", sa.Text),
        sa.Column("leased_until", sa.Text),
        sa.Column("last_problem", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", "channel", name="pk_outbox"),
    )
    op.create_index("ix_outbox_state_next_at", "outbox", ["state", "next_at"])
