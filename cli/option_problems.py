"""What a contract refuses of the options that people gave, in a sentence that names the option and the way out."""

from collections.abc import Mapping

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from cli.exits import WrongInput


def option_problem(error: ValidationError, options: Mapping[str, str]) -> WrongInput:
    """The first problem. `options`: field of the contract -> the option that fills it, where it has another name."""
    problem = error.errors(include_url=False)[0]
    field = str(problem["loc"][0]) if problem["loc"] else ""
    option = options.get(field, f"--{field.replace('_', '-')}") if field else ""
    match problem["type"]:
        case "value_error":
            words = problem["msg"].removeprefix("Value error, ")
        case "string_too_long" | "string_too_short":
            words = of_its_length(problem)
        case _:
            words = f"{problem['input']!r:.60} cannot be used: {problem['msg']}; give another"
    return WrongInput(f"{option} {words}".strip())


def of_its_length(problem: ErrorDetails) -> str:
    """A text that is too long or too short."""
    has, limits = f"has {len(problem['input'])} characters and", problem.get("ctx", {})
    if problem["type"] == "string_too_long":
        return f"{has} may have {limits['max_length']}; shorten it"
    return f"{has} needs at least {limits['min_length']}; write more"
