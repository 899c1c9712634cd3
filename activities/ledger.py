"""The port to the ledger: what was claimed, sent and answered, one entry per idempotency key."""

from enum import StrEnum
from typing import Protocol

from pydantic import JsonValue

from activities.conversations import RunKey
from contracts.model import Model, Moment
from contracts.tools import EffectClass, Purpose, ToolOutcome


class LedgerState(StrEnum):
    """Where an entry stands. All but the first three are final."""

    CLAIMED = "claimed"
    SENT = "sent"
    UNKNOWN = "unknown"
    DONE = "done"
    SAID_NO = "said_no"
    REFUSED = "refused"
    ADOPTED = "adopted"
    """No answer came, and it was found that it happened: by a lookup, or by a person."""
    NOT_HAPPENED = "not_happened"
    """No answer came, and a person says that it did not happen."""
    ABANDONED = "abandoned"
    """No answer came, and nobody asks any more whether it happened; or it was never sent, and never will be."""


UNFINISHED = (LedgerState.CLAIMED, LedgerState.SENT, LedgerState.UNKNOWN)


class Claim(Model):
    """What is entered before anything is sent."""

    key: str
    workflow_id: str
    first_run_id: str
    step: str
    occurrence: str
    server: str
    tool: str
    pin: str
    effect_class: EffectClass
    purpose: Purpose
    action_digest: str
    arguments: dict[str, JsonValue]
    requester: str = ""
    policy_digest: str = ""
    """Of the rules that permitted it."""
    rule_ids: tuple[str, ...] = ()
    roster_digest: str = ""
    evidence: tuple[str, ...] = ()
    """Nonces of the decisions that permitted it."""
    credential: str = ""
    """Reference of the credential it is made with."""
    resource: str | None = None
    """Digest of what it changes; None for reads."""
    question: str | None = None
    """Digest of what it asks, whoever asks; None for effects."""
    action: bytes = b""
    """What `action_digest` names, kept with the claim."""


class LedgerEntry(Model):
    """One entry as it stands."""

    key: str
    action_digest: str
    effect_class: EffectClass
    state: LedgerState
    generation: int
    """Grows with every send; only the holder of the current generation may finish."""
    sends: int
    first_sent_at: Moment | None = None
    last_sent_at: Moment | None = None
    resource: str | None = None
    lookups: int = 0
    """How often it was looked up since the last send, and not found."""
    looked_up_at: Moment | None = None
    outcome: ToolOutcome | None = None
    """Set once final, and while unknown."""

    @property
    def final(self) -> bool:
        """Nothing more will be sent for this key."""
        return self.state not in UNFINISHED


class Answered(Model):
    """An answer to a read that stands in the store."""

    outcome: ToolOutcome
    at: Moment


class KnownResult(Model):
    """An answer that stands in the store."""

    occurrence: str
    tool: str
    """`server.tool`."""
    address: str
    """Of its content."""


class Ledger(Protocol):
    """Every write commits before it returns."""

    async def claim(self, claim: Claim, at: Moment) -> LedgerEntry:
        """Enter `claim`, or return the entry that stands under its key, unchanged."""

    async def send_new(self, claim: Claim, owner: str, at: Moment) -> LedgerEntry | None:
        """As `claim`, and then `mark_sent`, at one moment: for reads, of whose claim nothing is told.

        None, and nothing is entered, where an entry stands under the key.
        """

    async def mark_sent(self, key: str, generation: int, owner: str, at: Moment) -> LedgerEntry | None:
        """Compare-and-set on key and generation, from claimed, sent or unknown to sent, generation + 1, sends + 1.

        Lookups are counted from here anew. None: somebody else was faster, or the entry is final; nothing may be sent.
        """

    async def finish(
        self,
        key: str,
        generation: int,
        state: LedgerState,
        outcome: ToolOutcome,
        content: bytes | None,
        at: Moment,
        who: str = "",
        evidence: str = "",
    ) -> bool:
        """Record the outcome, and the content under its digest, in one transaction.

        `who` says so, where a person does, by the decision with the nonce `evidence`; auditors are told.
        False: the generation is no longer current; nothing was written.
        """

    async def release(self, key: str, generation: int, at: Moment | None = None) -> None:
        """Take the last send back: nothing reached the server. Only for the current generation.

        Back to claimed, or to unknown when an earlier send was never answered. `at` is for the audit chain.
        """

    async def looked_up(self, key: str, generation: int, lookups: int, at: Moment) -> LedgerEntry | None:
        """It was looked up once more and not found: compare-and-set on key, generation and `lookups`, to unknown.

        None: somebody else was faster, or the entry is final.
        """

    async def find(self, key: str) -> LedgerEntry | None:
        """The entry of `key`, or None."""

    async def answered(self, question: str, since: Moment) -> Answered | None:
        """The newest answer of a server to this question that came at `since` or later, whoever asked; else None."""

    async def written_since(self, resource: str, since: Moment, besides: str) -> bool:
        """Whether an effect under another key than `besides` on this resource was first sent later than `since`."""

    async def sent(
        self, workflow_id: str, first_run_id: str, server: str, tool: str
    ) -> tuple[dict[str, JsonValue], ...]:
        """The arguments of every forward effect (any class but read) that this run has sent, whatever came of it."""

    async def results_of(self, run: RunKey, step: str, most: int) -> tuple[KnownResult, ...]:
        """The answers of a run's step that have content, the newest first."""
