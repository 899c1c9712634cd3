"""The audit chain as a file of JSON lines, which anybody verifies with nothing but a public key."""

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Literal, TextIO

from pydantic import ValidationError
from sqlalchemy import Connection

from contracts.audit import ChainLink, Checkpoint
from contracts.canonical import canonical_json, parse_json
from contracts.model import Model, Moment
from workers.resources.audit import rows
from workers.resources.audit.findings import Finding, Report
from workers.resources.audit.links import LinkCheck
from workers.resources.audit.signed_heads import signed_heads
from workers.resources.audit.told import Accounts
from workers.resources.audit.verification import contents_changed, report_of
from workers.resources.checkpoint_file import Line


class Header(Model):
    """The first line."""

    interlock_audit: Literal[1] = 1
    deployment: str
    key_ids: tuple[str, ...]
    """Of the keys that signed the checkpoints. Whom to trust is not said here: it must be known from elsewhere."""
    exported_at: Moment


class Content(Model):
    """What a record names by its digest."""

    address: str
    base64: str


class End(Model):
    """The last line: an export without it was cut off."""

    links: int
    checkpoints: int


class ExportLine(Model):
    """A line; exactly one field is set."""

    header: Header | None = None
    checkpoint: Checkpoint | None = None
    file: str | None = None
    """With a checkpoint: the file it stood in."""
    link: ChainLink | None = None
    content: Content | None = None
    end: End | None = None


class ExportUnusable(Exception):
    """The file is no export; the message says what is wrong."""


def write_export(
    connection: Connection,
    files: Mapping[str, Iterable[Line]],
    deployment: str,
    now: datetime,
    out: TextIO,
    with_content: bool = False,
) -> End:
    """Write all checkpoints, all links and, if wanted, the contents that records name; how much it was."""
    checkpoints = [(name, line.checkpoint) for name, lines in files.items() for line in lines if line.checkpoint]
    key_ids = tuple(sorted({checkpoint.key_id for _, checkpoint in checkpoints}))
    _put(out, ExportLine(header=Header(deployment=deployment, key_ids=key_ids, exported_at=now)))
    for name, checkpoint in checkpoints:
        _put(out, ExportLine(file=name, checkpoint=checkpoint))
    accounts, check = Accounts(), LinkCheck(signed_heads({}, {}))
    for link, _ in rows.links(connection):
        _put(out, ExportLine(link=link))
        record = check.take(link)
        if record is not None:
            accounts.take(link, record)
    if with_content:
        for address, content in rows.contents(connection):
            if address in accounts.contents and content is not None:
                encoded = base64.b64encode(content).decode()
                _put(out, ExportLine(content=Content(address=address, base64=encoded)))
    end = End(links=check.records, checkpoints=len(checkpoints))
    _put(out, ExportLine(end=end))
    return end


def verify_export(path: Path, keys: Mapping[str, str]) -> tuple[Header, Report]:
    """Verify an export: key id -> public key. Raises ExportUnusable."""
    header = _header(path)
    files: dict[str, list[Line]] = {}
    for number, line in _lines(path):
        if line is not None and line.checkpoint is not None:
            files.setdefault(line.file or "", []).append(Line(number, line.checkpoint))
    check, accounts = LinkCheck(signed_heads(files, keys, header.deployment)), Accounts()
    end, has_contents = None, False
    for number, line in _lines(path):
        end = line.end if line is not None else None
        has_contents |= line is not None and line.content is not None
        if line is None:
            problem = "is no line of an export"
            check.precise.append(Finding(stream=path.name, seq=number, problem=problem))
        elif line.link is not None and (record := check.take(line.link)) is not None:
            accounts.take(line.link, record)
    check.finish()
    notes: list[str] = []
    damaged = list(contents_changed(accounts, _contents(path), notes)) if has_contents else []
    report = report_of(check, damaged, header.exported_at, tuple(notes))
    counted = End(links=check.records, checkpoints=sum(map(len, files.values())))
    return header, report.model_copy(update={"cut_off": _cut_off(end, counted)})


def _cut_off(end: End | None, counted: End) -> str:
    if end is None:
        return "the export has no last line: it was cut off"
    if end != counted:
        return f"the export says that it holds {end.links} records and {end.checkpoints} checkpoints, and does not"
    return ""


def _header(path: Path) -> Header:
    _, first = next(_lines(path), (0, None))
    if first is None or first.header is None:
        raise ExportUnusable(f"{str(path)!r} does not begin like an export; give a file of `interlock audit export`")
    return first.header


def _lines(path: Path) -> Iterator[tuple[int, ExportLine | None]]:
    """Number and meaning of every line; None for one that means nothing. A last one that was cut off is left out."""
    try:
        with path.open("rb") as file:
            for number, text in enumerate(file, start=1):
                if text.endswith(b"\n"):
                    yield number, _line(text)
    except OSError as error:
        raise ExportUnusable(f"{str(path)!r} cannot be read: {error.strerror}; correct its path") from error


def _line(text: bytes) -> ExportLine | None:
    try:
        return ExportLine.model_validate(parse_json(text))
    except (ValueError, ValidationError):
        return None


def _contents(path: Path) -> Iterator[tuple[str, bytes]]:
    for _, line in _lines(path):
        if line is not None and line.content is not None:
            try:
                yield line.content.address, base64.b64decode(line.content.base64, validate=True)
            except binascii.Error:
                yield line.content.address, b""


def _put(out: TextIO, line: ExportLine) -> None:
    out.write(canonical_json(line.model_dump(mode="json", exclude_none=True)).decode() + "\n")
