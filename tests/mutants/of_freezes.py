"""What the stop button rests on: it is asked before every send, and only a thaw that may ends a freeze."""

from tests.mutants.protection import In

GATE = "tests/activities/test_gate_freezes.py"
STORE = "tests/workers/store/test_freezes.py"
AUTHORITY = "tests/workers/store/test_audit_of_authority.py"
SENDING = In("activities/sending.py", GATE)
TOOLS = In("activities/tools.py", GATE)
THAWING = In("activities/thawing.py", GATE)
STORED = In("workers/resources/freezes.py", GATE)
STEPS = In("workflows/steps.py", "tests/workflows/test_frozen.py")
VERIFICATION = In("workers/resources/audit/verification.py", AUTHORITY)
TOLD = In("workers/resources/audit/told.py", AUTHORITY)

_NO_THAW = "test_a_thaw_that_does_not_count_takes_nothing_back"
_WHEN_RECORDED = "test_an_operator_who_was_none_when_it_was_recorded_takes_nothing_back_with_an_older_date"
_REVOKED = f"{STORE}::test_a_key_that_is_revoked_later_takes_its_thaws_along_in_a_worker_that_has_verified_them"
_THAWED = '        told.values |= {"thaw": record.about, "thawed_at": rfc3339(record.at)}\n'

HELD = (
    SENDING.off(
        "freezes: asked before every send",
        "        await hold_if_frozen(self._freezes, automation, action.server, action.tool)\n",
        "",
        "test_what_is_frozen_is_not_sent_and_is_sent_once_after_the_thaw",
    ),
    SENDING.off(
        "freezes: the automation of the start record",
        "action, automation = prepared.action, prepared.start.start.automation",
        "action, automation = prepared.action, prepared.run.workflow_id.partition('/')[0]",
        "test_the_automation_is_that_of_the_start_record_whatever_the_workflow_is_called",
    ),
    TOOLS.off(
        "freezes: nothing is refused for what is repaired",
        "await hold_if_frozen(self._freezes, start.start.automation, call.server, call.tool)",
        "pass",
        "test_what_is_frozen_is_not_refused_because_its_server_is_down_or_changed_meanwhile",
    ),
    TOOLS.off(
        "freezes: before any breaker",
        "except (Refused, Held, ApplicationError) as failure:",
        "except (Refused, ApplicationError) as failure:",
        "test_what_is_frozen_says_so_also_while_the_breaker_of_its_server_is_open",
    ),
    STEPS.off(
        "freezes: a run waits as long as it is frozen",
        "if not held_to_the_last(error):",
        "if held_to_the_last(error) or error:",
        "test_a_run_that_is_frozen_for_three_days_keeps_its_place_and_then_ends_well",
    ),
    STORED.off(
        "freezes: what cannot be read is over everything",
        "return freeze if freeze.nonce == row.nonce else None",
        "return freeze",
        "test_a_freeze_that_cannot_be_verified_holds_all_the_same",
    ),
)

THAWED = (
    THAWING.off(
        "thaw: its signature", "if not is_signed_by(key.public, purpose,", "if not (key.public, purpose,", _NO_THAW
    ),
    THAWING.off("thaw: of this freeze", "if thaw.freeze != nonce:", "if False:", _NO_THAW),
    THAWING.off("thaw: of this deployment", "if thaw.deployment != deployment.id:", "if False:", _NO_THAW),
    THAWING.off("thaw: after the freeze", "if frozen_at is not None and min(", "if False and min(", _NO_THAW),
    THAWING.off(
        "thaw: by an operator",
        "if not may_stop(then.roster, then.grants, person.subject, moment):",
        "if False:",
        _NO_THAW,
    ),
    THAWING.off(
        "thaw: with one's own key",
        "if person.subject != statement.subject or person.service:",
        "if person.service:",
        _NO_THAW,
    ),
    THAWING.off(
        "thaw: unsigned in development alone",
        'return "" if deployment.mode is Mode.DEVELOPMENT else _problem(thaw, SignedFor.THAW, then)',
        'return "" if deployment.mode else _problem(thaw, SignedFor.THAW, then)',
        _NO_THAW,
    ),
    THAWING.off(
        "thaw: entitled when it was recorded",
        "for moment in (statement.issued_at, then.at):",
        "for moment in (statement.issued_at,):",
        _WHEN_RECORDED,
    ),
    THAWING.off(
        "thaw: with a key that counts",
        "if problem := key.problem_at(moment) or person.problem_at(moment):",
        "if problem := person.problem_at(moment):",
        _WHEN_RECORDED,
    ),
    STORED.off("thaw: with a key nobody has revoked since", "revoked_since(thaw, roster) or await", "await", _REVOKED),
    STORED.off("thaw: verified anew under another roster", "roster is not self._under:", "not self._under:", _REVOKED),
    STORED.off(
        "thaw: by the roster of that time",
        "roster=await self._rosters.roster_at(at)",
        "roster=await self._rosters.roster()",
        f"{STORE}::test_who_was_entitled_is_asked_of_the_roster_of_that_time",
    ),
)

TOLD_OF = (
    VERIFICATION.off(
        "audit: freezes as they were recorded",
        '        *compared("freeze", accounts.freezes, rows.freezes(connection)),\n',
        "",
        "test_a_thaw_that_was_taken_out_is_found",
    ),
    TOLD.off(
        "audit: a thaw that was dated back",
        f"{_THAWED}        self._in_order(place, record)\n",
        _THAWED,
        "test_a_thaw_that_was_dated_back_is_found",
    ),
)

OF_FREEZES = (*HELD, *THAWED, *TOLD_OF)
