"""What keeps starts, rules, roster and pins genuine: signed statements, and rules that say no when in doubt."""

from tests.mutants.protection import In

STARTS = In("activities/starts.py", "tests/activities/test_signed_starts.py")
AUTHORITY = In("workers/resources/authority.py", "tests/workers/resources/test_authority.py")
ACTIVATING = In("activities/activating.py", "tests/workers/resources/test_authority.py")
ENGINE = In("policies/engine.py", "tests/policies/test_engine.py")
ANNOTATIONS = In("policies/annotations.py", "tests/policies/test_engine.py")
RECORDS = "tests/activities/test_records.py"

_UNFIT = "test_a_statement_that_lacks_one_thing_starts_nothing"
_IN_TIME = "if not now - REGISTERED_WITHIN <= start.issued_at <= now + SKEW:"
_KEY = "if problem := key.problem_at(now) or key.problem_at(start.issued_at) or person.problem_at(now):"
_GENUINE = 'if not start.nonce or not is_signed_by(key.public, SignedFor.START, start, start.signature or ""):'
_IN_ANOTHERS_NAME = (
    "if not person.service and (roster.subject_of(start.requester) != person.subject or start.on_behalf_of):"
)

WHO_STARTS = (
    STARTS.off(
        "start: signed in production",
        'return "" if self._deployment.mode is Mode.DEVELOPMENT else _unsigned(self._deployment)',
        'return ""',
        f"{_UNFIT}[unsigned]",
    ),
    STARTS.off(
        "start: for this deployment", "if start.deployment != self._deployment.id:", "if False:", f"{_UNFIT}[elsewhere]"
    ),
    STARTS.off("start: not of long ago", _IN_TIME, "if not start.issued_at <= now + SKEW:", f"{_UNFIT}[old]"),
    STARTS.off(
        "start: not of the future",
        _IN_TIME,
        "if not now - REGISTERED_WITHIN <= start.issued_at:",
        f"{_UNFIT}[of tomorrow]",
    ),
    STARTS.off(
        "start: for this input",
        "if start.input_digest != digest(wanted.request):",
        "if False:",
        f"{RECORDS}::test_a_start_statement_for_something_else_registers_nothing",
    ),
    STARTS.off(
        "start: of this automation",
        "if start.automation != info.workflow_type:",
        "if False:",
        f"{RECORDS}::test_a_start_statement_for_something_else_registers_nothing",
    ),
    STARTS.off(
        "start: for this workflow id",
        "if start.signature is not None and start.workflow_id != info.workflow_id:",
        "if False:",
        f"{_UNFIT}[another run]",
    ),
    STARTS.off(
        "start: with the signer's own key",
        "if start.signer != person.subject:",
        "if False:",
        f"{_UNFIT}[another signer]",
    ),
    STARTS.off(
        "start: nobody asks in another's name",
        _IN_ANOTHERS_NAME,
        "if not person.service and start.on_behalf_of:",
        f"{_UNFIT}[another requester]",
    ),
    STARTS.off(
        "start: only a service asks for others",
        _IN_ANOTHERS_NAME,
        "if not person.service and roster.subject_of(start.requester) != person.subject:",
        f"{_UNFIT}[on behalf]",
    ),
    STARTS.off(
        "start: with a key that counts today",
        _KEY,
        "if problem := person.problem_at(now):",
        f"{_UNFIT}[revoked key]",
    ),
    STARTS.off(
        "start: with a key that counted then",
        _KEY,
        "if problem := key.problem_at(now) or person.problem_at(now):",
        f"{_UNFIT}[before the key]",
    ),
    STARTS.off(
        "start: by somebody who has not left",
        _KEY,
        "if problem := key.problem_at(now) or key.problem_at(start.issued_at):",
        f"{_UNFIT}[has left]",
    ),
    STARTS.off("start: with a nonce", _GENUINE, _GENUINE.replace("not start.nonce or ", ""), f"{_UNFIT}[no nonce]"),
    STARTS.off("start: a genuine signature", _GENUINE, "if not start.nonce:", f"{_UNFIT}[edited]"),
)

_FOLLOWS = "if found.activation.version != number or found.activation.previous != previous:"
_EMPTY = "if version == 0 and self._deployment.mode is not Mode.DEVELOPMENT:"

IN_FORCE = (
    AUTHORITY.off(
        "in force: signed",
        "    if missing:\n",
        "    if False:\n",
        "test_rules_that_no_operator_has_signed_do_not_count",
    ),
    AUTHORITY.off(
        "in force: for this deployment",
        "if activation.deployment != deployment.id:",
        "if False:",
        "test_a_document_of_another_deployment_does_not_count",
    ),
    AUTHORITY.off(
        "in force: every roster follows the one before",
        _FOLLOWS,
        "if found.activation.version != number:",
        "test_a_roster_that_does_not_follow_the_one_before_it_does_not_count",
    ),
    AUTHORITY.off(
        "in force: signed under the roster before",
        "_refuse_unsigned(found, rosters[-1] if rosters else roster, self._deployment)",
        "_refuse_unsigned(found, roster, self._deployment)",
        "test_a_roster_cannot_appoint_those_who_sign_it",
    ),
    AUTHORITY.off(
        "in force: the first roster is the one named",
        'if number == 1 and self._roster_root not in ("", found.activation.digest):',
        "if False:",
        "test_the_first_roster_must_be_the_one_that_operators_have_named",
    ),
    AUTHORITY.off(
        "in force: no key of its signers was revoked since",
        "if owner is not None and owner[1].revoked_at is not None:",
        "if False:",
        "test_rules_signed_by_somebody_who_has_left_stay_in_force_and_those_of_a_revoked_key_do_not",
    ),
    AUTHORITY.off(
        "in force: verified anew under every roster",
        "if loaded is not None and (loaded.version, loaded.rosters) == (version, rosters):",
        "if loaded is not None and loaded.version == version:",
        "test_a_worker_that_runs_already_no_longer_believes_what_a_key_has_signed_that_is_revoked_now",
    ),
    AUTHORITY.off(
        "in force: by the roster of that time",
        "if each.at <= found.at]",
        "]",
        "test_whoever_became_an_operator_later_has_not_signed_what_was_made_active_before",
    ),
    AUTHORITY.off(
        "in force: no rules without a roster",
        "if self._deployment.mode is not Mode.DEVELOPMENT and not before:",
        "if False:",
        "test_rules_that_were_made_active_before_any_roster_say_so",
    ),
    AUTHORITY.off(
        "in force: no roster is no roster of everybody",
        _EMPTY,
        "if False:",
        "test_in_production_nothing_is_in_force_until_somebody_has_signed_it",
    ),
    AUTHORITY.off(
        "in force: production accepts no tool by itself",
        "if known is not None or self._deployment.mode is not Mode.DEVELOPMENT:",
        "if known is not None:",
        "test_in_production_nothing_is_in_force_until_somebody_has_signed_it",
    ),
    AUTHORITY.off(
        "in force: emergencies of this deployment",
        "if grant.deployment == self._deployment.id",
        "if grant",
        "test_a_role_taken_in_an_emergency_of_another_deployment_counts_for_nothing_here",
    ),
    ACTIVATING.off(
        "activating: by holders of the role",
        "if all(held.role != role or held.break_glass for held in roster.holdings(person.subject, moment)):",
        "if False:",
        "test_rules_that_no_operator_has_signed_do_not_count",
    ),
    ACTIVATING.off(
        "activating: by distinct people",
        "people = {each.signer for each in endorsements if not problem_with_endorsement(each, activation, roster, at)}",
        "people = [each for each in endorsements if not problem_with_endorsement(each, activation, roster, at)]",
        "test_one_person_with_two_keys_signs_once",
    ),
    ACTIVATING.off(
        "activating: a genuine signature",
        'return "" if endorsement.is_genuine(key.public) else ',
        'return "" if True else ',
        "test_a_signature_under_another_document_is_none_under_this",
    ),
    ACTIVATING.off(
        "activating: under this very document",
        "if endorsement.activation != activation:",
        "if False:",
        "test_an_old_signature_is_none_under_a_later_document",
    ),
    ACTIVATING.off(
        "activating: with one's own key, and no service",
        "if person.subject != endorsement.signer or person.service:",
        "if False:",
        "test_neither_a_service_nor_anybody_in_anothers_name_signs_documents",
    ),
    ACTIVATING.off(
        "activating: with a key that counted then",
        "if problem := key.problem_at(moment) or person.problem_at(moment):",
        "if problem := '':",
        "test_a_document_signed_with_a_key_that_was_over_does_not_count",
    ),
    ACTIVATING.off(
        "activating: nobody dates back",
        "for moment in (endorsement.signed_at, at):",
        "for moment in (endorsement.signed_at,):",
        "test_who_was_entitled_when_they_say_they_signed_must_be_so_when_it_is_put_in_force",
    ),
    ACTIVATING.off(
        "activating: freely in development alone",
        "if mode is Mode.DEVELOPMENT:",
        "if mode:",
        "test_rules_that_no_operator_has_signed_do_not_count",
    ),
)

_TOGETHER = 'if not given.keys() >= set(DEMANDS) or rule.effect != "forbid":'

RULES = (
    ENGINE.off(
        "rules: any error refuses",
        "        if answer.errors:\n",
        "        if False:\n",
        "test_a_permit_that_cannot_be_evaluated_does_not_hide_behind_one_that_can",
    ),
    ENGINE.off(
        "rules: what no rule permits is forbidden",
        "        if answer.allowed:\n",
        "        if answer.allowed or not answer.rules:\n",
        "test_what_no_rule_permits_is_forbidden_with_a_reason",
    ),
    ENGINE.off(
        "rules: nobody signs what is forbidden all the same",
        'if unsaid := tuple(rule.id for rule in rules if "approve" not in rule.annotations):',
        "if unsaid := ():",
        "test_a_rule_without_annotations_is_not_fulfilled_by_those_who_sign_for_another_rule",
    ),
    ENGINE.off(
        "rules: nobody signs what no rule permits",
        "if not never.allowed:  # whoever signs",
        "if never.errors:  # whoever signs",
        "test_nobody_is_asked_to_sign_what_no_rule_permits",
    ),
    ENGINE.off(
        "rules: what is undeclared is refused",
        "for problem in undeclared(rules.rules, declared_totals(rules.files), declared_calendars(rules.files)):",
        "for problem in ():",
        "tests/policies/test_document.py::test_a_total_that_nobody_declares_is_refused_since_its_rule_would_never_apply",
    ),
    ENGINE.off(
        "rules: problems of annotations refuse",
        "for problem in (*unreadable, *problems_with(rules)):",
        "for problem in unreadable:",
        "test_rules_that_cannot_be_used_are_refused_naming_the_file_and_what_is_wrong",
    ),
    ANNOTATIONS.off(
        "rules: an unknown annotation refuses",
        "if unknown := sorted(given.keys() - ANNOTATIONS):",
        "if unknown := sorted(given.keys() - given.keys()):",
        "test_rules_that_cannot_be_used_are_refused_naming_the_file_and_what_is_wrong",
    ),
    ANNOTATIONS.off(
        "rules: demands stand on a forbid",
        _TOGETHER,
        "if not given.keys() >= set(DEMANDS):",
        "test_rules_that_cannot_be_used_are_refused_naming_the_file_and_what_is_wrong",
    ),
    ANNOTATIONS.off(
        "rules: demands stand together",
        "if not given.keys() & {*DEMANDS, *TIMES}:",
        "if not given.keys() >= set(DEMANDS):",
        "test_rules_that_cannot_be_used_are_refused_naming_the_file_and_what_is_wrong",
    ),
    ANNOTATIONS.off(
        "rules: every rule has a name",
        "    if not rule.id:\n",
        "    if False:\n",
        "test_rules_that_cannot_be_used_are_refused_naming_the_file_and_what_is_wrong",
    ),
    ANNOTATIONS.off(
        "rules: a name of its own",
        "if rule.id and rule.id in seen:",
        "if False:",
        "test_an_id_may_not_be_used_in_two_files",
    ),
    ANNOTATIONS.off(
        "rules: somebody must sign",
        "if asked.quorum < 1:",
        "if False:",
        "test_rules_that_cannot_be_used_are_refused_naming_the_file_and_what_is_wrong",
    ),
)

OF_DOCUMENTS = (*WHO_STARTS, *IN_FORCE, *RULES)
