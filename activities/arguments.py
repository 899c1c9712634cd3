"""Do arguments fit a tool's schema? It comes from outside: it may be wrong, and must not make us fetch anything."""

import json
from functools import lru_cache

from jsonschema import Draft202012Validator, SchemaError, ValidationError
from jsonschema.exceptions import best_match
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for
from pydantic import JsonValue
from referencing import Registry
from referencing.exceptions import Unresolvable

from contracts.canonical import canonical_json


def misfit(arguments: JsonValue, schema: dict[str, JsonValue]) -> str:
    """Why `arguments` may not be sent to a tool with this schema, in one line; empty when they fit."""
    try:
        validator, broken = _validator_of(json.dumps(schema))
        if broken:
            return f"the schema itself is broken: {broken}"
        error = best_match(validator.iter_errors(arguments))
    except (Unresolvable, RecursionError) as unfollowed:
        return f"the schema itself cannot be followed: {unfollowed}"
    return _rule_broken(error) if error is not None else _unwritable(arguments)


@lru_cache(maxsize=512)
def _validator_of(written: str) -> tuple[Validator, str]:
    """For a schema, and what is wrong with it; made once of each, as it takes longer than to look at arguments."""
    schema = json.loads(written)
    kind: type[Validator] = validator_for(schema, default=Draft202012Validator)
    # An empty registry: references are followed within the schema only. The default one would download them.
    validator = kind(schema, registry=Registry())
    try:
        kind.check_schema(schema)
    except SchemaError as error:
        return validator, f"{error.json_path}: {error.message}"
    return validator, ""


def _rule_broken(error: ValidationError) -> str:
    """Where, and which rule of the schema; never the value, which belongs in the store alone."""
    return f"{error.json_path}: must satisfy {error.validator} {json.dumps(error.validator_value)[:120]}"


def _unwritable(arguments: JsonValue) -> str:
    """What has no canonical form has no digest, so nobody could approve it: numbers beyond 2**53, broken text."""
    try:
        canonical_json(arguments)
    except (ValueError, RecursionError) as error:
        return f"they have no canonical form: {error}"
    return ""
