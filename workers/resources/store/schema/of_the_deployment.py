"""What is kept for all runs together: documents in force, the audit chain, notices, breakers, freezes, leases."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    literal_column,
)

from workers.resources.store.columns import JsonText, MomentText
from workers.resources.store.schema.metadata import METADATA

META = Table(
    "meta",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)
"""What is drawn once for the life of a store, such as the key behind pseudonyms."""

ACTIVATIONS = Table(
    "activations",
    METADATA,
    Column("kind", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("digest", Text, primary_key=True),
    Column("activation", JsonText, nullable=False),
    Column("proposed_at", MomentText, nullable=False),
    Column("activated_at", MomentText),
    ForeignKeyConstraint(["digest"], ["contents.address"]),
)
"""Documents that are or were in force, and proposals that wait for signatures. The highest active version counts."""

ACTIVE = Index(
    "ix_activations_active",
    ACTIVATIONS.c.kind,
    ACTIVATIONS.c.version,
    unique=True,
    sqlite_where=ACTIVATIONS.c.activated_at.is_not(None),
    postgresql_where=ACTIVATIONS.c.activated_at.is_not(None),
)
"""Of any number of rivals one becomes version n of its kind."""

ENDORSEMENTS = Table(
    "endorsements",
    METADATA,
    Column("kind", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("digest", Text, primary_key=True),
    Column("signer", Text, primary_key=True),
    Column("endorsement", JsonText, nullable=False),
    Column("endorsed_at", MomentText, nullable=False),
)

GRANTS = Table(
    "grants",
    METADATA,
    Column("nonce", Text, primary_key=True),
    Column("grant", JsonText, nullable=False),
    Column("recorded_at", MomentText, nullable=False),
)
"""Roles taken in an emergency (break-glass)."""

AUDIT = Table(
    "audit",
    METADATA,
    Column("stream", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("previous", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Column("workflow_id", Text, nullable=False),
    Column("first_run_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("once", Text),
    Index(None, "workflow_id", "first_run_id"),
)
"""The audit chain. Rows are only ever inserted; what follows `payload` repeats parts of it for look-ups."""

AUDITED_ONCE = Index(
    "ix_audit_once",
    AUDIT.c.workflow_id,
    AUDIT.c.first_run_id,
    AUDIT.c.kind,
    AUDIT.c.once,
    unique=True,
    sqlite_where=AUDIT.c.once.is_not(None),
    postgresql_where=AUDIT.c.once.is_not(None),
)

AUDITED_ORPHANS = Index(
    "ix_audit_orphans",
    AUDIT.c.workflow_id,
    AUDIT.c.first_run_id,
    AUDIT.c.seq,
    sqlite_where=AUDIT.c.kind == literal_column("'orphaned'"),
    postgresql_where=AUDIT.c.kind == literal_column("'orphaned'"),
)

AUDIT_HEADS = Table(
    "audit_heads",
    METADATA,
    Column("stream", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("hash", Text, nullable=False),
)

OUTBOX = Table(
    "outbox",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("notice", JsonText, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("entered_at", MomentText, nullable=False),
    Column("next_at", MomentText, nullable=False),
    Column("leased_by", Text),
    Column("leased_until", MomentText),
    Column("last_problem", Text, nullable=False),
    Index(None, "state", "next_at"),
)
"""Notices to people: one row per message, recipient and channel."""

BREAKERS = Table(
    "breakers",
    METADATA,
    Column("server", Text, primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("open", Boolean, nullable=False),
    Column("outcomes", JsonText, nullable=False),
    Column("open_until", MomentText),
    Column("opens_in_a_row", Integer, nullable=False),
    Column("probe_owner", Text),
    Column("probe_until", MomentText),
    Column("problem", Text, nullable=False),
    Column("changed_at", MomentText, nullable=False),
)
"""The breaker of each server, shared by all workers; a server without a row has never failed."""

RATES = Table(
    "rates",
    METADATA,
    Column("server", Text, primary_key=True),
    Column("tokens", Float, nullable=False),
    Column("filled_at", MomentText, nullable=False),
)
"""What is left of each server's rate, for servers that declare one."""

FREEZES = Table(
    "freezes",
    METADATA,
    Column("nonce", Text, primary_key=True),
    Column("freeze", JsonText, nullable=False),
    Column("frozen_at", MomentText, nullable=False),
    Column("thaw", JsonText),
    Column("thawed_at", MomentText),
)
"""Stop buttons that were pressed, and how each was taken back."""

FROZEN = Index(
    "ix_freezes_standing",
    FREEZES.c.frozen_at,
    sqlite_where=FREEZES.c.thawed_at.is_(None),
    postgresql_where=FREEZES.c.thawed_at.is_(None),
)

LEASES = Table(
    "leases",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("until", MomentText, nullable=False),
)
"""Work that one worker does for all of them."""
