"""The port to the audit chain, for what is not recorded together with a change of the store itself."""

from typing import Protocol

from contracts.audit import AuditRecord


class Audit(Protocol):
    """Every append commits before it returns."""

    async def append(self, *records: AuditRecord) -> None:
        """Append in one transaction; a record with `once` that stands already is left out."""
