"""The named protections: where each stands, how it is switched off, and which tests must then fail."""

from dataclasses import dataclass

FORGE = "tests/forge/test_forge.py"
GATE = "tests/activities/test_gate.py"


@dataclass(frozen=True)
class Protection:
    """One protection. `there` stands exactly once in the file; with `instead` in its place nobody is protected."""

    name: str
    file: str
    there: str
    instead: str
    tests: tuple[str, ...]


def _check(name: str, function: str) -> Protection:
    """One check of a decision, by name: it is left out of the table of checks."""
    row = f"    Check.{name}: {function},\n"
    return Protection(f"decision: {name.lower()}", "activities/evidence.py", row, "", (FORGE,))


CHECKS_OF_A_DECISION = (
    _check("SHAPE", "_shape"),
    _check("DEPLOYMENT", "_deployment"),
    _check("NAMESPACE", "_namespace"),
    _check("RUN", "_run"),
    _check("OPEN_REQUEST", "_open_request"),
    _check("ACTION", "_action"),
    _check("DISPLAY", "_display"),
    _check("VERDICT", "_verdict"),
    _check("UNSIGNED", "_unsigned"),
    _check("KEY", "_key"),
    _check("KEY_VALIDITY", "_key_validity"),
    _check("SIGNATURE", "_signature"),
    _check("ISSUED_LATER", "_issued_later"),
    _check("ISSUED_BEFORE_ASKED", "_issued_before_asked"),
    _check("EXPIRED", "_expired"),
    _check("OUTLIVES_REQUEST", "_outlives_request"),
    _check("PERSON", "_entitled(Check.PERSON)"),
    _check("SELF_APPROVAL", "_entitled(Check.SELF_APPROVAL)"),
    _check("OWNER", "_entitled(Check.OWNER)"),
    _check("ABSENT", "_entitled(Check.ABSENT)"),
    _check("ROLE", "_entitled(Check.ROLE)"),
)
