"""Verify the audit chain of a store: every link, every checkpoint, and every row that the chain tells of."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from sqlalchemy import Connection

from contracts.audit import GOVERNANCE
from contracts.canonical import digest
from workers.resources.audit import rows
from workers.resources.audit.findings import LISTED, Finding, Report
from workers.resources.audit.left import Left
from workers.resources.audit.links import LinkCheck
from workers.resources.audit.signed_heads import SignedHeads
from workers.resources.audit.told import Accounts, Place, compared


def verify_store(connection: Connection, signed: SignedHeads, now: datetime) -> tuple[Report, Accounts]:
    """The report, and what the chain tells. `connection` must see the store at one moment."""
    check, accounts = LinkCheck(signed), Accounts()
    for link, repeated in rows.links(connection):
        record = check.take(link, repeated)
        if record is not None:
            accounts.take(link, record)
    check.finish(rows.heads(connection))
    notes: list[str] = []
    left = Left(accounts.erased)
    disagreeing = [
        *compared("ledger entry", accounts.ledger, left.besides("ledger entry", rows.ledger(connection))),
        *compared("decision", accounts.decisions, rows.decisions(connection)),
        *compared("activation", accounts.activations, rows.activations(connection)),
        *compared("endorsement", accounts.endorsements, rows.endorsements(connection)),
        *compared("emergency role", accounts.grants, rows.grants(connection)),
        *compared("freeze", accounts.freezes, rows.freezes(connection)),
        *compared("extension", accounts.extensions, rows.extensions(connection)),
        *compared("turn", accounts.turns, rows.turns(connection, accounts.erased)),
        *compared("value of the store", accounts.kept, rows.kept(connection)),
        *accounts.dated_back,
        *compared("case", accounts.cases, rows.cases(connection)),
        *compared("start record", accounts.starts, left.besides("start record", rows.starts(connection))),
        *compared("start nonce", accounts.nonces, rows.start_nonces(connection)),
        *compared("child run", accounts.children, rows.children(connection)),
        *compared("request", accounts.requests, left.besides("request", rows.requests(connection))),
        *left.findings(),
        *compared("taint", accounts.taints, rows.taints(connection)),
        *compared("reservation", accounts.reservations, rows.reservations(connection)),
        *_totals_changed(connection),
        *contents_changed(accounts, rows.contents(connection), notes),
    ]
    return report_of(check, disagreeing, now, tuple(notes)), accounts


def _totals_changed(connection: Connection) -> Iterator[Finding]:
    for total, amount, reserved in rows.totals_that_differ(connection):
        problem = f"the running total {total!r} was changed in the store: it says {amount}, and {reserved} is reserved"
        yield Finding(stream="totals", seq=0, problem=problem)


def contents_changed(
    accounts: Accounts, contents: Iterable[tuple[str, bytes | None]], notes: list[str]
) -> Iterator[Finding]:
    """Contents that are not what their address says, or are gone, without an erasure; the others are noted.

    None stands for a content that is said to be erased.
    """
    missing = dict(accounts.contents)
    for address, content in contents:
        if content is not None:
            place = missing.pop(address, None)
            if place is not None and digest(content) != address:
                problem = f"the content {address} that this names was changed"
                yield Finding(stream=place[0], seq=place[1], problem=problem)
        elif address not in accounts.erased_contents:
            stream, seq = missing.pop(address, (GOVERNANCE, 0))
            problem = f"the content {address} was emptied, and no record tells that it was erased"
            yield Finding(stream=stream, seq=seq, problem=problem)
    yield from _gone(accounts, missing, notes)


def _gone(accounts: Accounts, missing: Mapping[str, Place], notes: list[str]) -> Iterator[Finding]:
    told = []
    for address, (stream, seq) in sorted(missing.items(), key=lambda each: each[1]):
        erased = address in accounts.erased_contents
        if address in accounts.stored and not erased:
            problem = f"the content {address} that this names is gone, and no record tells that it was erased"
            yield Finding(stream=stream, seq=seq, problem=problem)
        else:
            told.append(f"{stream} {seq}: {address} {'was erased' if erased else 'is not there'}")
    notes.extend(told[:LISTED])
    notes.extend([f"{len(told) - LISTED} more contents are erased or not there"] * (len(told) > LISTED))


def report_of(check: LinkCheck, disagreeing: Iterable[Finding], now: datetime, notes: tuple[str, ...] = ()) -> Report:
    """What was found, the most precise first."""
    signed = check.signed
    findings = [*_in_order(check.precise), *_in_order(check.between), *signed.findings, *_in_order(disagreeing)]
    return Report(
        records=check.records,
        checkpoints=signed.count,
        uncovered=check.uncovered(),
        overdue=not signed.unverifiable and check.is_overdue(now),
        unverifiable=signed.unverifiable,
        findings=tuple(findings[:LISTED]),
        found=len(findings),
        notes=(*signed.notes, *notes),
    )


def _in_order(findings: Iterable[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda found: (found.stream, found.seq, found.through))
