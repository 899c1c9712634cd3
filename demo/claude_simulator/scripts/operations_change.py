"""The operations change's `planning`: read what is to be changed, then write the plan from what was asked and read."""

import json
import re
from collections.abc import Callable, Iterator

from demo.claude_simulator.answers import Answer
from demo.claude_simulator.conversation import Request
from demo.claude_simulator.json_values import Json, JsonObject
from demo.claude_simulator.scripts.finding import Done, call, calls_done, last_done, missing, quoted, user_text, values

CHANGES = "changes__changes_of"
READS = {
    "deployment": ("releases__find_service", "service"),
    "credential_rotation": ("vault__find_credential", "credential"),
    "data_deletion": ("archive__find_dataset", "dataset"),
}


def plan(request: Request) -> Answer:
    kind, subject = _line(request, "kind"), _line(request, "subject")
    if kind not in READS:
        raise missing(f"a kind that is one of {', '.join(READS)}", f"the line 'kind: {kind}'")
    tool, named = READS[kind]
    wanted = {tool: {named: subject}, CHANGES: {"subject": subject}}
    done = calls_done(request, since=_last_change(request))
    if unread := [name for name in wanted if last_done(done, name) is None]:
        return Answer(
            text=f"I will look at {subject}, and at what else is being changed there.",
            thought=f"A plan for {subject} has to rest on how it is now.",
            calls=tuple(call(request, name, **wanted[name]) for name in unread),
        )
    read = last_done(done, tool)
    assert read is not None
    content: JsonObject = {"summary": _summary(request, kind, subject), "steps": list(_STEPS[kind](request, read))}
    return Answer(json.dumps(content, ensure_ascii=False), f"What I need to know of {subject} is read.")


def _deployment(request: Request, read: Done) -> Iterator[Json]:
    service, version = _line(request, "subject"), _line(request, "version")
    if version == "none":
        raise missing("a version to deploy", "the line 'version: none'")
    tried: JsonObject = {"canary": version, "canary_status": "healthy"}
    runs: JsonObject = {"version": version, "status": "healthy"}
    for stage, expected, check in (
        ("canary", f"one instance runs {version} and answers", tried),
        ("all", f"every instance runs {version}, instead of {read.value('version')}", runs),
    ):
        arguments: JsonObject = {"service": service, "version": version, "stage": stage}
        yield _step("releases.deploy", arguments, expected, check, "releases.roll_back")


def _rotation(request: Request, read: Done) -> Iterator[Json]:
    reference, old = _line(request, "reference"), read.whole("current_version")
    named: JsonObject = {"credential": _line(request, "subject")}
    issued: JsonObject = {"issued_by": reference}
    yield _step("vault.issue_version", named, "a second version is valid", issued, "vault.withdraw_version")
    for consumer in values(read.text, "consumer"):
        switched: JsonObject = {f"consumer {consumer}": "pending"}
        arguments: JsonObject = {**named, "consumer": consumer}
        yield _step(
            "vault.switch_consumer", arguments, f"{consumer} uses the new version", switched, "vault.switch_back"
        )
    revoked: JsonObject = {"revoked_version": old, "revoked_by": reference}
    yield _step("vault.revoke_version", {**named, "version": old}, f"version {old} opens nothing any more", revoked)


def _deletion(request: Request, read: Done) -> Iterator[Json]:
    reference = _line(request, "reference")
    named: JsonObject = {"dataset": _line(request, "subject")}
    hours = int(_line(request, "keep_hours"))
    marked: JsonObject = {"status": "marked", "marked_by": reference}
    purged: JsonObject = {"status": "purged", "purged_by": reference}
    kept: JsonObject = {**named, "keep_hours": hours}
    gone: JsonObject = {**named, "content_digest": read.value("content_digest")}
    yield _step("archive.mark_for_deletion", kept, f"it can be restored for {hours} hours", marked, "archive.restore")
    yield _step("archive.purge", gone, f"its {read.whole('row_count')} rows are gone for good", purged)


_STEPS: dict[str, Callable[[Request, Done], Iterator[Json]]] = {
    "deployment": _deployment,
    "credential_rotation": _rotation,
    "data_deletion": _deletion,
}


def _step(tool: str, arguments: JsonObject, expected: str, check: JsonObject, undo: str = "") -> Json:
    return {
        "tool": tool,
        "arguments": _named(arguments),
        "expected": expected,
        "check": _named(check),
        "undo": undo,
    }


def _named(given: JsonObject) -> Json:
    return [{"name": name, "value": value} for name, value in given.items()]


def _summary(request: Request, kind: str, subject: str) -> str:
    heard = re.findall(r"^(note from [^:\n]+:.*|the plan was refused:.*)$", user_text(request), re.MULTILINE)
    what = (
        f"{kind.replace('_', ' ').capitalize()} of {subject}, step by step; a step that fails undoes those before it."
    )
    return f"{what} I was told: {quoted(heard[-1], 120)}" if heard else what


def _line(request: Request, name: str) -> str:
    """The latest line `name: value` of the user messages."""
    found = re.findall(rf"^{name}:[ \t]*(\S+)[ \t]*$", user_text(request), re.MULTILINE)
    if not found:
        raise missing(f"a line '{name}: ...'", "the user messages")
    return str(found[-1])


def _last_change(request: Request) -> int:
    """Facts that changed make everything read before them worthless."""
    changed = [
        number
        for number, message in enumerate(request.messages)
        if message.role == "user" and re.search(r"^changed: ", message.text, re.MULTILINE)
    ]
    return changed[-1] if changed else 0
