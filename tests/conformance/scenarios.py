"""Which scenarios of the suite ask for fixtures: tools, prompts and resources that only a server made for tests has."""

from typing import Final

VERSIONS: Final = ("2026-07-28", "2025-11-25")

FIXTURE_TOOLS: Final = frozenset(
    {
        "tools-call-simple-text",
        "tools-call-image",
        "tools-call-audio",
        "tools-call-embedded-resource",
        "tools-call-mixed-content",
        "tools-call-with-logging",
        "tools-call-error",
        "tools-call-with-progress",
        "tools-call-sampling",
        "tools-call-elicitation",
        "elicitation-sep1034-defaults",
        "elicitation-sep1330-enums",
        "input-required-result-basic-elicitation",
        "input-required-result-basic-sampling",
        "input-required-result-basic-list-roots",
        "input-required-result-request-state",
        "input-required-result-multiple-input-requests",
        "input-required-result-multi-round",
        "input-required-result-missing-input-response",
        "input-required-result-non-tool-request",
        "input-required-result-result-type",
        "input-required-result-tampered-state",
        "input-required-result-capability-check",
        "input-required-result-ignore-extra-params",
    }
)
FIXTURE_RESOURCES: Final = frozenset(
    {
        "resources-read-text",
        "resources-read-binary",
        "resources-templates-read",
        "resources-subscribe",
        "resources-unsubscribe",
    }
)
FIXTURE_PROMPTS: Final = frozenset(
    {
        "completion-complete",
        "prompts-get-simple",
        "prompts-get-with-args",
        "prompts-get-embedded-resource",
        "prompts-get-with-image",
    }
)
FIXTURE_CHECKS: Final = {
    "server-stateless": frozenset(
        {
            "sep-2575-server-rejects-undeclared-capability",
            "sep-2575-missing-capability-http-400",
            "sep-2575-http-server-no-independent-requests-on-stream",
            "sep-2575-server-no-log-without-loglevel",
        }
    )
}
"""Scenario -> those of its checks that ask for a fixture, where the others do not."""
WITHOUT_A_FIXTURE: Final = "Not testable: server does not list the diagnostic tool"
"""How the suite itself says so. Any other failure of such a check counts."""


def fixture_of(scenario: str) -> str:
    """What kind of fixture a scenario asks for; empty when it can be asked of any server."""
    kinds = {"tool": FIXTURE_TOOLS, "resource": FIXTURE_RESOURCES, "prompt": FIXTURE_PROMPTS}
    return next((kind for kind, scenarios in kinds.items() if scenario in scenarios), "")
