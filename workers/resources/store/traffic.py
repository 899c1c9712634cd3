"""What went to each server lately, as the ledger has it."""

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, case, func, select

from activities.ledger import LedgerState
from contracts.model import Moment
from workers.resources.store.columns import MomentText
from workers.resources.store.schema import LEDGER

_ANSWERED = (LedgerState.DONE, LedgerState.SAID_NO, LedgerState.REFUSED)
_NOT_LOST = [state.value for state in (*_ANSWERED, LedgerState.SENT)]
"""Of these the last send was answered, or still may be."""
_TRAFFIC = (
    select(
        LEDGER.c.server,
        func.sum(LEDGER.c.sends).label("calls"),
        func.sum(LEDGER.c.sends - case((LEDGER.c.state.in_(_NOT_LOST), 1), else_=0)).label("unanswered"),
    )
    .where(LEDGER.c.sends > 0, LEDGER.c.last_sent_at >= bindparam("since", type_=MomentText))
    .group_by(LEDGER.c.server)
)


@dataclass(frozen=True)
class Traffic:
    """Sends to one server. What could not be sent at all is not among them."""

    calls: int = 0
    unanswered: int = 0
    """Those to which no answer came, whether or not a later one was answered."""


def traffic(connection: Connection, since: Moment) -> dict[str, Traffic]:
    """Server -> all sends of the calls that were last sent `since` then."""
    rows = connection.execute(_TRAFFIC, {"since": since})
    return {row.server: Traffic(calls=row.calls, unanswered=row.unanswered) for row in rows}
