"""What keeps decisions honest: signatures, the checks of a decision, entitlement, quorums, the roster."""

from tests.mutants.protection import FORGE, In, Protection

EVIDENCE = In("activities/evidence.py", "tests/forge/test_forge.py")
SHAPE = In("contracts/decisions.py", "tests/contracts/test_decisions.py")
DECIDING = In("activities/deciding.py", "tests/activities/test_deciding.py")
STORE_STEPS = In("workflows/store_steps.py", "tests/workflows/test_refund_approval.py")
ENTITLEMENT = In("activities/entitlement.py", "tests/activities/test_entitlement.py")
QUORUM = In("activities/quorum.py", "tests/activities/test_deciding.py")
SIGNING = In("contracts/signing.py", "tests/contracts/test_signing.py")
ROSTER = In("contracts/roster.py", "tests/contracts/test_roster.py")
CANONICAL = In("contracts/canonical.py", "tests/contracts/test_canonical.py")


def _check(name: str, function: str) -> Protection:
    """One check of a decision, by name: it is left out of the table of checks."""
    return EVIDENCE.off(f"decision: {name.lower()}", f"    Check.{name}: {function},\n", "", FORGE)


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

_UNLESS = "        if record is None:\n            return None\n"
_REGISTERED = f"""{_UNLESS}        request = await self._inbox.find(decision.approval_id, run.first_run_id)
        return Circumstances(
            deployment=self._deployment,
            roster=await self._authority.roster(),
            grants=await self._authority.break_glass(),
            run=run,
            start=record.start,"""

AS_THEY_ARRIVE = (
    DECIDING.off(
        "decisions: an approval that has closed its request counts after a lost task",
        "return await self._decided.taken_at(decision) is not None",
        "return False",
        "test_an_approval_that_has_closed_its_request_counts_in_the_check_that_follows_a_lost_task",
    ),
    STORE_STEPS.off(
        "decisions: what is no approval closes its request once history has it",
        "step = _quickly if request.outcome == APPROVED else _record",
        "step = _quickly",
        "test_an_approval_closes_its_request_at_once_and_any_other_answer_only_when_history_has_it",
    ),
    DECIDING.off(
        "decision: one person approves once",
        "if approver_of(decision, about.roster) in people:",
        "if False:",
        "test_of_a_batch_each_is_held_against_those_before_it",
    ),
    DECIDING.off(
        "decision: fills a place of the quorum", "if sum(after.values()) <= sum(before.values()):", "if False:", FORGE
    ),
    DECIDING.off("decision: so many an hour", "if not about.freely and recently >= cap:", "if False:", FORGE),
    DECIDING.off(
        "decision: a nonce counts once",
        "if not await self._decided.use(decision, approver, about.now):",
        "if await self._decided.use(decision, approver, about.now) is None:",
        FORGE,
    ),
    DECIDING.off(
        "decision: for a run with a start record",
        _REGISTERED,
        _REGISTERED.replace(_UNLESS, "").replace("record.start,", "record.start if record else None,"),
        "test_nothing_can_be_decided_for_a_run_nobody_registered",
    ),
    DECIDING.off(
        "decision: a refusal is told to auditors",
        "        await self._note_refusals(check.arrived, answers)\n",
        "",
        "test_a_refusal_is_told_to_auditors_once",
    ),
    DECIDING.off(
        "decision: of a batch each counts beside those before it",
        "                counted.append(decision)\n",
        "                pass\n",
        "test_of_a_batch_each_is_held_against_those_before_it",
    ),
)

_EMERGENCY = "test_an_emergency_that_is_not_exactly_as_it_must_be_gives_no_role"
_TIMELY = "timely = grant.issued_at <= now < grant.expires_at <= grant.issued_at + LONGEST_BREAK_GLASS"
_COUNTS = "if timely and genuine and counts and grant.role in person.break_glass:"
_OWN = "if found is None or found[0].subject != subject or grant.subject != subject:"

WHO_MAY = (
    ENTITLEMENT.off(
        "emergency: not before it begins",
        _TIMELY,
        "timely = now < grant.expires_at <= grant.issued_at + LONGEST_BREAK_GLASS",
        f"{_EMERGENCY}[not yet]",
    ),
    ENTITLEMENT.off(
        "emergency: not after it is over",
        _TIMELY,
        "timely = grant.issued_at <= now and grant.expires_at <= grant.issued_at + LONGEST_BREAK_GLASS",
        f"{_EMERGENCY}[over]",
    ),
    ENTITLEMENT.off(
        "emergency: no longer than four hours",
        _TIMELY,
        "timely = grant.issued_at <= now < grant.expires_at",
        f"{_EMERGENCY}[too long]",
    ),
    ENTITLEMENT.off(
        "emergency: signed",
        _COUNTS,
        "if timely and counts and grant.role in person.break_glass:",
        f"{_EMERGENCY}[edited]",
        f"{_EMERGENCY}[unsigned]",
    ),
    ENTITLEMENT.off(
        "emergency: a role that is listed for the person",
        _COUNTS,
        "if timely and genuine and counts:",
        "test_a_role_nobody_may_take_in_an_emergency_is_not_taken",
    ),
    ENTITLEMENT.off(
        "emergency: with a key that counts",
        _COUNTS,
        "if timely and genuine and grant.role in person.break_glass:",
        "test_an_emergency_signed_with_a_revoked_key_gives_no_role",
    ),
    ENTITLEMENT.off(
        "emergency: with a key of one's own",
        _OWN,
        "if found is None or grant.subject != subject:",
        "test_nobody_takes_a_role_in_an_emergency_with_the_key_of_another",
    ),
    ENTITLEMENT.off(
        "emergency: for the person named",
        _OWN,
        "if found is None or found[0].subject != subject:",
        f"{_EMERGENCY}[another person]",
    ),
    ENTITLEMENT.off(
        "emergency: never part of a quorum",
        "if not (holding.break_glass and _demanded(request, obligation.role) > 1):",
        "if True:",
        "test_a_role_taken_in_an_emergency_fills_no_place_of_a_quorum",
    ),
    ENTITLEMENT.off(
        "entitlement: nobody asked for decides",
        "*start.on_behalf_of, *([start.signer]",
        "*([start.signer]",
        "test_those_for_whom_a_service_asked_may_not_decide",
    ),
    ENTITLEMENT.off(
        "entitlement: whoever signed the start does not decide",
        ", *([start.signer] if start.signer else []))",
        ")",
        "test_whoever_signed_the_start_may_not_decide",
    ),
    ENTITLEMENT.off(
        "entitlement: one name for one person",
        "    return frozenset(map(roster.subject_of, names))",
        "    return frozenset(names)",
        "test_whoever_asked_may_not_decide_under_any_of_their_names",
    ),
    ENTITLEMENT.off(
        "entitlement: no help of somebody excluded",
        " or excluded & {subject, *holding.chain}:",
        ":",
        "test_a_role_lent_by_whoever_asked_does_not_count",
    ),
    ENTITLEMENT.off(
        "entitlement: services decide nothing",
        "    if person.service:\n",
        "    if False:\n",
        "test_what_a_service_holds_it_neither_uses_nor_lends",
    ),
    ENTITLEMENT.off(
        "entitlement: services lend nothing",
        "if not services & {subject, *holding.chain})",
        "if not services & {subject})",
        "test_what_a_service_holds_it_neither_uses_nor_lends",
    ),
    ENTITLEMENT.off(
        "entitlement: the next role only once handed on",
        "handed_on = request.handed_on_at is not None and due is not None and max(request.handed_on_at, due) <= now",
        "handed_on = True",
        "test_the_next_role_may_decide_once_the_request_is_handed_on_and_the_first_one_still_may",
        "test_the_next_role_is_told_to_wait_for_the_handing_on",
    ),
    ENTITLEMENT.off(
        "entitlement: each rule is handed on in its own time",
        "due is not None and max(request.handed_on_at, due) <= now",
        "due is not None and request.handed_on_at <= now",
        "test_a_rule_is_handed_on_in_its_own_time_though_another_one_was_before",
    ),
    SHAPE.off(
        "decision: a nonce that no database stumbles over",
        "nonce: str | None = Field(default=None, max_length=100, pattern=NONCE)",
        "nonce: str | None = Field(default=None, max_length=100)",
        "test_a_nonce_that_a_database_could_stumble_over_is_no_decision",
    ),
    EVIDENCE.off(
        "decision: nobody dates it back to before an absence",
        "decided_at=about.taken_at,",
        "decided_at=decision.issued_at,",
        "tests/activities/test_changed_since.py::test_who_is_away_cannot_date_a_decision_back",
    ),
    ENTITLEMENT.off(
        "entitlement: everybody decides in development alone",
        "return deployment.mode is Mode.DEVELOPMENT and not roster.people",
        "return not roster.people",
        "test_everybody_decides_only_in_development_and_only_without_a_roster",
    ),
    ENTITLEMENT.off(
        "entitlement: a roster in development counts",
        "return deployment.mode is Mode.DEVELOPMENT and not roster.people",
        "return deployment.mode is Mode.DEVELOPMENT",
        "test_everybody_decides_only_in_development_and_only_without_a_roster",
    ),
    QUORUM.off("quorum: everybody is spoken for once", " and not souls & spoken_for:", ":", FORGE),
    QUORUM.off(
        "quorum: only approvals count",
        "if decision.verdict is Verdict.APPROVE:",
        "if decision:",
        "tests/activities/test_gate.py::test_evidence_that_does_not_verify_here_and_now_does_not_count",
    ),
    QUORUM.off(
        "quorum: every role has its own",
        "return all(counts.get(role, 0) >= quorum",
        "return any(counts.get(role, 0) >= quorum",
        "test_one_person_fills_one_place_even_with_two_of_the_demanded_roles",
    ),
)

THE_ROSTER = (
    ROSTER.off(
        "roster: a delegation ends",
        "lent.valid_from <= now < lent.valid_until",
        "lent.valid_from <= now",
        "test_a_delegation_counts_within_its_time",
    ),
    ROSTER.off(
        "roster: a delegation begins",
        "lent.valid_from <= now < lent.valid_until",
        "now < lent.valid_until",
        "test_a_delegation_counts_within_its_time",
    ),
    ROSTER.off(
        "roster: a circle of delegations creates nothing",
        "if not counts or lent.delegator in (subject, *path):",
        "if not counts:",
        "test_a_circle_of_delegations_comes_to_an_end_and_creates_nothing",
        "test_in_a_circle_nobody_is_lent_their_own_role",
    ),
    ROSTER.off(
        "roster: a chain has an end",
        "if len(path) >= LONGEST_CHAIN:",
        "if len(path) >= 10 * LONGEST_CHAIN:",
        "test_a_chain_ends_at_its_greatest_length",
    ),
    ROSTER.off(
        "roster: whoever has left holds and lends nothing",
        "if person is None or person.problem_at(now):",
        "if person is None:",
        "test_whoever_is_no_longer_entitled_lends_nothing",
    ),
    ROSTER.off(
        "roster: only what was lent is held",
        "if held.role in lent.roles:",
        "if held:",
        "test_only_the_roles_that_were_lent_are_held",
    ),
    ROSTER.off(
        "roster: a key belongs to one person",
        '(("name", names), ("key", keys))',
        '(("name", names),)',
        "test_a_key_belongs_to_one_person",
    ),
    ROSTER.off(
        "roster: a name belongs to one person",
        '(("name", names), ("key", keys))',
        '(("key", keys),)',
        "test_a_name_belongs_to_one_person_in_whatever_spelling",
        "test_a_subject_stands_once",
    ),
    ROSTER.off(
        "roster: a key is named after itself",
        "if key_id_of(self.public) != self.key_id:",
        "if False:",
        "test_a_key_must_carry_the_name_of_its_public_half",
    ),
    ROSTER.off(
        "roster: a revoked key counts no more",
        "if self.revoked_at is not None:",
        "if False:",
        "test_a_key_counts_within_its_time_and_never_once_it_was_revoked",
    ),
    ROSTER.off(
        "roster: a key counts within its time",
        "if not self.valid_from <= now < self.valid_until:",
        "if False:",
        "test_a_key_counts_within_its_time_and_never_once_it_was_revoked",
    ),
)

SIGNATURES = (
    SIGNING.off(
        "signature: for one purpose",
        'f"interlock/{purpose.value}/v1"',
        '"interlock/v1"',
        "test_a_signature_verifies_for_the_purpose_it_was_made_for_and_for_no_other",
    ),
    SIGNING.off(
        "signature: one spelling",
        "if len(data) != length or as_text(data) != text:",
        "if len(data) != length:",
        "test_a_second_spelling_of_a_signature_is_refused",
    ),
    SIGNING.off(
        "signature: no key for which anybody can sign",
        "if y >= _FIELD or y in _SMALL_ORDER:",
        "if False:",
        "test_a_public_key_for_which_anybody_could_sign_is_refused",
    ),
    SIGNING.off(
        "signature: over the whole statement",
        'exclude={"signature"})',
        'exclude={"signature", "note", "role"})',
        FORGE,
    ),
    CANONICAL.off(
        "canonical: no field twice",
        "if name in seen:",
        "if False:",
        "test_a_field_given_twice_is_refused_at_any_depth",
    ),
    CANONICAL.off(
        "canonical: no number beyond all numbers",
        "if not math.isfinite(number):",
        "if False:",
        "test_json_that_no_number_can_hold_is_refused",
    ),
)

OF_DECISIONS = (*CHECKS_OF_A_DECISION, *AS_THEY_ARRIVE, *WHO_MAY, *THE_ROSTER, *SIGNATURES)
