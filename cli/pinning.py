"""What would change if tools were accepted as they are published now, shown and carried out."""

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pydantic import JsonValue

from activities.manifest import difference
from cli.exits import Refused, WrongInput
from cli.manifests import Pinned, Pins, Seen, Wanted, name_of, state_of
from contracts.authority import PinnedTool
from contracts.canonical import canonical_json, parse_json
from contracts.model import Model
from contracts.tools import ToolDefinition

Forms = Mapping[str, dict[str, JsonValue]]
"""`server.tool` -> the definition as it was accepted."""


class Change(Model):
    """One tool that is not as it was accepted."""

    name: str
    accepted: PinnedTool | None
    """None for a new tool."""
    published: ToolDefinition | None
    """None for a tool that is published no longer."""

    def line(self, forms: Forms) -> str:
        """What changed, in a line."""
        if self.published is None:
            return f"{self.name}: no longer published"
        if self.accepted is None:
            return f"{self.name}: new, {self.published.pin()}"
        return f"{self.name}: {difference(forms[self.name], self.published.as_published())}"

    def unified(self, forms: Forms) -> Iterator[str]:
        """The same as a unified diff of pretty JSON, without line ends."""
        old = _pretty(forms[self.name]) if self.accepted else []
        new = _pretty(self.published.as_published()) if self.published else []
        return difflib.unified_diff(old, new, f"accepted {self.name}", f"published {self.name}", lineterm="")


def changes(pins: Pins, seen: Iterable[Seen], chosen: Sequence[Wanted]) -> tuple[tuple[Change, ...], int]:
    """The tools that are not as they were accepted, by name, and how many are; of `chosen`, or of all when empty.

    Nothing is said of servers that could not be asked. Raises WrongInput for a tool that was never heard of.
    """
    seen = list(seen)
    silent = {each.server for each in seen if each.problem}
    published = {name_of(tool): tool for each in seen for tool in each.tools}
    known = sorted(name for name in published.keys() | pins.keys() if name.partition(".")[0] not in silent)
    meant = [name for name in known if not chosen or any(one.covers(name) for one in chosen)]
    for one in chosen:
        if one.tool and one.server not in silent and f"{one.server}.{one.tool}" not in known:
            own = ", ".join(name for name in known if one.server == name.partition(".")[0])
            raise WrongInput(f"there is no tool {one.server}.{one.tool}; there are: {own or 'none'}")
    same = [name for name in meant if name in published and state_of(published[name], pins) is Pinned.YES]
    found = (
        Change(name=name, accepted=pins.get(name), published=published.get(name)) for name in meant if name not in same
    )
    return tuple(found), len(same)


def amended(pins: Pins, changed: Iterable[Change]) -> JsonValue:
    """The pins document once these changes are accepted."""
    document = dict(pins)
    for change in changed:
        document.pop(change.name, None)
        if change.published is not None:
            pin = change.published.pin()
            document[change.name] = PinnedTool(pin=pin, definition=pin)
    return {name: pinned.model_dump(mode="json") for name, pinned in sorted(document.items())}


async def accepted_forms(changed: Iterable[Change]) -> Forms:
    """What had been accepted of the tools that changed. Raises Refused when the store has lost it."""
    from cli.office import office_here

    wanted = {change.name: change.accepted.definition for change in changed if change.accepted}
    if not wanted:
        return {}
    forms = {}
    async with office_here() as office:
        for name, address in wanted.items():
            form = parse_json(await office.contents.get(address) or b"null")
            if not isinstance(form, dict):
                raise Refused(f"what was accepted of {name} is not in the store; restore it from a backup")
            forms[name] = form
    return forms


async def keep(changed: Iterable[Change]) -> None:
    """Keep the definitions that are about to be accepted: under their pins, which are their addresses."""
    from cli.office import office_here

    async with office_here() as office:
        for change in changed:
            if change.published is not None:
                await office.contents.put(canonical_json(change.published.as_published()))


def _pretty(form: Mapping[str, JsonValue]) -> list[str]:
    return json.dumps(form, indent=2, sort_keys=True, ensure_ascii=False).splitlines()
