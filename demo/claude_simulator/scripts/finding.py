"""How scripts find values in a request, and fail by name when one is not there."""

import json
import re
from dataclasses import dataclass

from demo.claude_simulator.answers import Call
from demo.claude_simulator.conversation import Request, ToolResult, ToolUse
from demo.claude_simulator.errors import ApiError
from demo.claude_simulator.json_values import Json

READ_RESULT = "read_result"
_READS_ON = re.compile(r'read_result\(ref="(r\d+\.\d+)"')


def missing(what: str, where: str) -> ApiError:
    return ApiError(f"The simulator's script needs {what} and did not find it in {where}")


def user_text(request: Request) -> str:
    """What people and the product said, without tool results."""
    return "\n".join(message.text for message in request.messages if message.role == "user")


def offers(request: Request, name: str) -> bool:
    return any(tool.name == name for tool in request.tools)


def call(request: Request, name: str, **arguments: Json) -> Call:
    """A tool call as the offered schema allows it."""
    for tool in request.tools:
        if tool.name == name:
            if unknown := sorted(set(arguments) - tool.properties):
                raise missing(f"the arguments {unknown}", f"the input_schema of the tool {name!r}")
            if unfilled := sorted(tool.required - set(arguments)):
                raise ApiError(f"The tool {name!r} requires {unfilled}, which the simulator's script cannot know")
            return Call(name, arguments)
    raise missing(f"the tool {name!r}", "the tools offered")


@dataclass(frozen=True)
class Done:
    """A tool call of this conversation and what came back."""

    use: ToolUse
    result: ToolResult

    @property
    def text(self) -> str:
        return self.result.text

    @property
    def refused(self) -> bool:
        return self.result.is_error

    def value(self, name: str) -> str:
        """A value by its name; tool results may be cut, so this reads text and not a whole document."""
        found = values(self.text, name)
        if not found:
            raise missing(f"the value {name!r}", f"the result of {self.use.name!r}: {self.text[:120]!r}")
        return found[0]

    def whole(self, name: str) -> int:
        value = self.value(name)
        if not re.fullmatch(r"-?\d+", value):
            raise missing(f"a whole number {name!r}", f"the result of {self.use.name!r}, which has {value!r}")
        return int(value)


def calls_done(request: Request, since: int = 0) -> list[Done]:
    """Every answered tool call from message number `since` on, in order."""
    uses = {use.id: use for message in request.messages[since:] for use in message.tool_uses}
    results = [result for message in request.messages[since:] for result in message.tool_results]
    return [Done(uses[result.tool_use_id], result) for result in results if result.tool_use_id in uses]


def reference(done: Done) -> str | None:
    """By which reference a result can be read further, if it says that not all of it is shown."""
    found = _READS_ON.search(done.text)
    return found[1] if found else None


def read_further(request: Request, ref: str) -> list[Done]:
    """What was read in that result since, in order."""
    return [each for each in calls_done(request) if each.use.name == READ_RESULT and each.use.input.get("ref") == ref]


def last_done(done: list[Done], name: str) -> Done | None:
    return next((each for each in reversed(done) if each.use.name == name), None)


def values(text: str, name: str) -> list[str]:
    """Every scalar that stands behind a JSON name in a text, cut or not; null counts as absent."""
    found = re.findall(rf'"{re.escape(name)}"\s*:\s*("(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?=[\s,}}\]])|true|false)', text)
    return [json.loads(value, strict=False) if value.startswith('"') else value for value in found]


def quoted(text: str, most: int) -> str:
    """A piece of somebody else's text on one line."""
    line = " ".join(text.split())
    return repr(line if len(line) <= most else f"{line[: most - 3]}...")
