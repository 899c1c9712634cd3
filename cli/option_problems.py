"""What a contract refuses of the options that people gave, in a sentence that names the option and the way out."""

from collections.abc import Mapping

from pydantic import ValidationError

from cli.exits import WrongInput


def option_problem(error: ValidationError, options: Mapping[str, str]) -> WrongInput:
    """The first problem. `options`: field of the contract -> the option that fills it, where it has another name."""
    problem = error.errors(include_url=False)[0]
    field = str(problem["loc"][0]) if problem["loc"] else ""
    option = options.get(field, f"--{field.replace('_', '-')}") if field else ""
    given, limits = problem["input"], problem.get("ctx", {})
    match problem["type"]:
        case "value_error":
            words = problem["msg"].removeprefix("Value error, ")
        case "string_too_long":
            words = f"has {len(given)} characters and may have {limits['max_length']}; shorten it"
        case "string_too_short":
            words = f"has {len(given)} characters and needs at least {limits['min_length']}; write more"
        case _:
            words = f"{given!r:.60} cannot be used: {problem['msg']}; give another"
    return WrongInput(f"{option} {words}".strip())
