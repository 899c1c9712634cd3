"""What `interlock audit` does with the store, the checkpoints and the histories."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from cli.connection import connect, find_server
from cli.exits import WrongInput
from cli.office import office_here, settings_with_store
from contracts.audit import AuditKind, AuditRecord, ChainLink
from contracts.canonical import parse_json
from workers.settings import Settings

if TYPE_CHECKING:
    from activities.conversations import RunKey
    from workers.resources.audit.export import End
    from workers.resources.audit.findings import Report
    from workers.resources.audit.told import Accounts
    from workers.resources.checkpoint_file import Line
    from workers.resources.store import Store


@dataclass(frozen=True)
class Told:
    """A record in its place."""

    stream: str
    seq: int
    record: AuditRecord


async def account_of(run: str, who: str) -> list[Told]:
    """What the chain tells of all runs under this workflow id; if it tells anything, also that `who` has looked."""
    from workers.resources.audit.rows import records_of_run

    async with office_here() as office:
        links = await asyncio.to_thread(office.store.at_one_moment, lambda each: list(records_of_run(each, run)))
        if links:
            looked = AuditRecord(
                kind=AuditKind.READ, at=datetime.now(UTC), workflow_id=run, who=who, about="audit show"
            )
            await office.audit.append(looked)
    return [Told(link.stream, link.seq, _record_of(link)) for link in links]


async def verified(files: Sequence[Path], keys: Sequence[str], server: tuple[str, str] | None) -> "Report":
    """Verify the store's chain; with a server (address, namespace) against its histories too."""
    from workers.resources.audit.signed_heads import signed_heads
    from workers.resources.audit.verification import verify_store

    settings = settings_with_store()
    believed, lines = _believed(settings, keys), _lines(settings, files)
    signed = signed_heads(lines, believed, settings.deployment)
    async with office_here() as office:
        now = datetime.now(UTC)
        report, accounts = await asyncio.to_thread(
            office.store.at_one_moment, lambda connection: verify_store(connection, signed, now)
        )
        return report if server is None else await _compared_with_history(office.store, report, accounts, server)


async def _compared_with_history(
    store: "Store", report: "Report", accounts: "Accounts", server: tuple[str, str]
) -> "Report":
    from workers.resources.audit.history import Histories, disagreements, done_by_run, runs_of

    histories = Histories(await connect(find_server(*server)))
    await histories.read(runs_of(accounts))
    findings = await asyncio.to_thread(
        lambda: tuple(disagreements(histories.calls, done_by_run(accounts), lambda run: _done_now(store, run)))
    )
    forgotten = sum(not calls.complete for calls in histories.calls.values())
    compared = f"compared with the histories of {len(histories.calls) - forgotten} runs"
    return report.with_more(findings, (f"{compared}; {forgotten} runs are forgotten by Temporal, at least in part",))


def _done_now(store: "Store", run: "RunKey") -> set[str]:
    from workers.resources.audit.rows import records_of_run

    links = store.at_one_moment(lambda each: list(records_of_run(each, run.workflow_id, run.first_run_id)))
    records = (_record_of(link) for link in links)
    return {each.about for each in records if each.kind is AuditKind.OUTCOME and each.facts.get("state") == "done"}


def verified_export(path: Path, keys: Sequence[str]) -> "Report":
    """Verify an export with nothing but public keys. Raises WrongInput."""
    from contracts.signing import key_id_of
    from workers.resources.audit.export import ExportUnusable, verify_export

    try:
        return verify_export(path, {key_id_of(public): public for public in keys})[1]
    except ExportUnusable as unusable:
        raise WrongInput(str(unusable)) from unusable
    except ValueError as wrong:
        raise _no_key(wrong) from wrong


async def exported(to: Path, files: Sequence[Path], who: str, with_content: bool) -> "End":
    """Write an export; that `who` has taken it stands in it. Raises WrongInput."""
    from workers.resources.audit.export import write_export

    settings = settings_with_store()
    async with office_here() as office:
        now = datetime.now(UTC)
        about = "audit export with content" if with_content else "audit export"
        lines = _lines(settings, files)
        with _new_file(to) as out:
            await office.audit.append(AuditRecord(kind=AuditKind.COMMAND, at=now, who=who, about=about))
            return await asyncio.to_thread(
                office.store.at_one_moment,
                lambda connection: write_export(connection, lines, settings.deployment, now, out, with_content),
            )


def _new_file(path: Path) -> TextIO:
    """A file for its owner alone, since an account names people. Raises WrongInput when it is there already."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError as error:
        raise WrongInput(f"--to {str(path)!r} is there already; name a file there is not") from error
    except FileNotFoundError as error:
        raise WrongInput(f"--to {str(path)!r}: the folder does not exist; make it, or name another") from error
    except OSError as error:
        raise WrongInput(f"--to {str(path)!r} cannot be written: {error.strerror}; name another place") from error
    return os.fdopen(descriptor, "w", encoding="utf-8")


def public_key() -> str:
    """The public half of the key that signs here; empty when it is not known here."""
    return next(iter(_believed(settings_with_store(), ()).values()), "")


def _believed(settings: Settings, keys: Sequence[str]) -> dict[str, str]:
    from workers.auditing import believed_keys
    from workers.resources.key_file import KeyFileUnusable

    try:
        return believed_keys(settings, keys)
    except KeyFileUnusable as unusable:
        raise WrongInput(str(unusable)) from unusable
    except ValueError as wrong:
        raise _no_key(wrong) from wrong


def _no_key(wrong: ValueError) -> WrongInput:
    return WrongInput(f"--key takes a public key: {wrong}; `interlock audit export` prints the one that signs here")


def _lines(settings: Settings, files: Sequence[Path]) -> Mapping[str, "list[Line]"]:
    """Every line of every file, read before the store is looked at: no checkpoint is newer than the chain then."""
    from workers.auditing import checkpoint_file
    from workers.resources.checkpoint_file import CheckpointsUnusable, read_lines

    usual = checkpoint_file(settings)
    chosen = files or ([usual] if usual.exists() else [])
    try:
        return {str(path): list(read_lines(path)) for path in chosen}
    except CheckpointsUnusable as unusable:
        raise WrongInput(str(unusable)) from unusable


def _record_of(link: ChainLink) -> AuditRecord:
    return AuditRecord.model_validate(parse_json(link.payload))
