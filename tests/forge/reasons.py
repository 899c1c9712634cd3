"""Which check a refusal comes from: each has a sentence of its own, for the people who read it."""

import re

from contracts.decisions import Check

SAYS: dict[Check, str] = {
    Check.SHAPE: r"key_id, nonce and signature stand together",
    Check.DEPLOYMENT: r"\bdeployment is '",
    Check.NAMESPACE: r"\bnamespace is '",
    Check.RUN: r"\b(workflow_id|first_run_id) is '",
    Check.OPEN_REQUEST: r"this run has no request|nothing can be decided by it any more|is not open in this run",
    Check.ACTION: r"\baction_digest is '|it is for another action than this",
    Check.DISPLAY: r"\bdisplay_digest is '|it is for a request that was shown otherwise",
    Check.VERDICT: r"is no answer to this request",
    Check.UNSIGNED: r"unsigned decisions count in development mode only",
    Check.KEY: r"is in nobody's name|sign with your own key",
    Check.KEY_VALIDITY: r"key k-\w+ (was revoked at|counts from)",
    Check.SIGNATURE: r"the signature was not made by",
    Check.ISSUED_LATER: r"in the future; check the clock",
    Check.ISSUED_BEFORE_ASKED: r"before anybody was asked",
    Check.EXPIRED: r"\bexpired at .*; decide again",
    Check.OUTLIVES_REQUEST: r"it would count until",
    Check.PERSON: r"is nobody of the roster|is a service; people decide|was entitled until|is entitled from",
    Check.SELF_APPROVAL: r"asked for this run and may not decide on it",
    Check.OWNER: r"owns the automation",
    Check.ABSENT: r"is recorded as absent",
    Check.ROLE: r"cannot decide as|in an emergency only|who may not decide this|once the request is handed on",
    Check.ALREADY_DECIDED: r"has approved already",
    Check.QUORUM: r"fills no place of the quorum",
    Check.RATE: r"times within an hour",
    Check.NONCE: r"its nonce was used",
}


def check_that_says(reason: str) -> Check | None:
    """The check whose sentence this is; None when it is no check's."""
    return next((check for check, words in SAYS.items() if re.search(words, reason)), None)
