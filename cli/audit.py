"""`interlock audit`: what happened in a run, whether the account of it is whole, and a copy for others to verify."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from pydantic import JsonValue

from cli import exits
from cli.auditing import Told, account_of, exported, public_key, verified, verified_export
from cli.connection import AddressOption, NamespaceOption
from cli.exits import Refused, WrongInput
from cli.outside import as_argument
from cli.printing import local_time, say, say_json
from cli.server import someone

if TYPE_CHECKING:
    from workers.resources.audit.findings import Report

app = typer.Typer(no_args_is_help=True, add_completion=False)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
AsOption = Annotated[str, typer.Option("--as", help="Who looks; the record will have it.", envvar="INTERLOCK_APPROVER")]
CheckpointsOption = Annotated[
    list[Path] | None,
    typer.Option("--checkpoints", help="A file of checkpoints (or INTERLOCK_AUDIT_CHECKPOINTS); repeatable."),
]
KeyOption = Annotated[
    list[str] | None, typer.Option("--key", help="A public key to believe, base64url; repeatable.", metavar="PUBLIC")
]
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_SAID_FIRST: Final = ("state", "effect", "verdict", "event", "taint", "total", "check")
"""Facts that say in a word what has happened."""
_LISTED: Final = 10
"""Of a longer list only its length is told; `--json` has all of it."""
_MEANING: Final = {
    0: "the audit chain is whole",
    1: "the audit chain WAS TAMPERED WITH; keep store and checkpoints as they are, and see the runbook",
    2: "the audit chain cannot be verified",
    3: "the audit chain is incomplete at its end; see that a worker with the key is running",
}


@app.command("show")
def show_command(
    run: Annotated[str, typer.Argument(help="The run, for example refund/A-17.")],
    as_json: JsonOption = False,
    who: AsOption = "",
) -> int:
    """Show what happened in a run, in order. That somebody has looked is recorded too."""
    account = asyncio.run(account_of(run, someone("--as", who)))
    if not account:
        raise Refused(f"nothing is recorded of a run {run!r}; see `interlock runs list`")
    if as_json:
        say_json([_document(told) for told in account])
        return exits.DONE
    for told in account:
        for line in _lines(told):
            say(line)
    say("next: interlock audit verify")
    return exits.DONE


@app.command("verify")
def verify_command(
    with_history: Annotated[
        bool, typer.Option("--with-history", help="Compare with what Temporal remembers of the runs, too.")
    ] = False,
    checkpoints: CheckpointsOption = None,
    key: KeyOption = None,
    export: Annotated[
        Path | None, typer.Option("--export", help="Verify an export instead of the store; needs --key.")
    ] = None,
    as_json: JsonOption = False,
    address: AddressOption = "",
    namespace: NamespaceOption = "",
) -> int:
    """Verify the audit chain: 0 whole, 1 tampered with, 2 no key or no checkpoint, 3 incomplete at its end."""
    if export is not None:
        if with_history or checkpoints:
            raise WrongInput("an export carries its checkpoints, and no history is asked; leave the other options out")
        report = verified_export(export, key or [])
    else:
        server = (address, namespace) if with_history else None
        report = asyncio.run(verified(checkpoints or [], key or [], server))
    if as_json:
        say_json({"verdict": report.verdict.name.lower(), **report.model_dump(mode="json")})
    else:
        for line in _told(report):
            say(line)
    return int(report.verdict)


@app.command("export")
def export_command(
    to: Annotated[Path, typer.Option("--to", help="The file to write; there must be none yet.")],
    with_content: Annotated[
        bool, typer.Option("--with-content", help="With what the records name by digest, personal content included.")
    ] = False,
    checkpoints: CheckpointsOption = None,
    who: AsOption = "",
) -> int:
    """Write the chain and its checkpoints to a file that anybody can verify with the public key."""
    end = asyncio.run(exported(to, checkpoints or [], someone("--as", who), with_content))
    say(f"wrote {end.links} records and {end.checkpoints} checkpoints to {to}")
    say(f"next: interlock audit verify --export {as_argument(str(to))} --key {public_key() or 'PUBLIC'}")
    return exits.DONE


def _lines(told: Told) -> Iterator[str]:
    record = told.record
    by = f" by {record.who}" if record.who else ""
    said = [
        _words(record.facts[name]) for name in _SAID_FIRST if record.facts.get(name) not in (None, record.kind.value)
    ]
    tool = ".".join(_words(record.facts[name]) for name in ("server", "tool") if name in record.facts)
    what = _DIGEST.sub(_short, " ".join(part for part in (tool, *said, record.about) if part))
    yield f"{local_time(record.at)}  {record.kind.value.replace('_', ' ')}{by}  {what}".rstrip()
    left = {name: value for name, value in record.facts.items() if name not in (*_SAID_FIRST, "server", "tool")}
    facts = ", ".join(f"{name} {_words(value)}" for name, value in left.items() if value not in ("", None, []))
    if facts:
        yield f"    {_DIGEST.sub(_short, facts)}"


def _short(digest: re.Match[str]) -> str:
    """Enough to tell one from another; `--json` has all of it."""
    return digest.group()[:19]


def _words(value: JsonValue) -> str:
    if isinstance(value, list) and len(value) > _LISTED:
        return f"{len(value)} in all"
    return value if isinstance(value, str) else json.dumps(value)


def _document(told: Told) -> JsonValue:
    return {"stream": told.stream, "seq": told.seq, **told.record.model_dump(mode="json")}


def _told(report: "Report") -> Iterator[str]:
    for finding in report.findings:
        yield f"WRONG {finding}"
    if report.found > len(report.findings):
        yield f"and {report.found - len(report.findings)} more"
    for note in report.notes:
        yield f"note: {note}"
    yield f"{report.records} records, {report.checkpoints} checkpoints"
    if report.uncovered:
        yield f"after the last checkpoint, where a loss would not show yet: {report.uncovered} records"
    for reason in (report.unverifiable, report.cut_off):
        if reason:
            yield reason
    yield _MEANING[int(report.verdict)]
