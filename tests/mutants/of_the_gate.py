"""What the gate does not do without: it asks for itself, rules on the very bytes, sends once, and keeps count."""

from tests.mutants.protection import FORGE, In

GATE = "tests/activities/test_gate.py"
CLASSES = "tests/activities/test_effect_classes.py"
TOTALS = "tests/activities/test_gate_totals.py"
LOCALLY = "tests/activities/test_gate_locally.py"
PREPARING = In("activities/preparing.py", GATE)
TOOLS = In("activities/tools.py", GATE)
RULING = In("activities/ruling.py", GATE)
SENDING = In("activities/sending.py", CLASSES)
ASKING_PEOPLE = In("activities/people.py", "tests/activities/test_records.py")
KEYS = In("activities/keys.py", GATE)
IDENTITY = In("activities/identity.py", GATE)
ARGUMENTS = In("activities/arguments.py", GATE)
OFFERS = In("activities/offers.py", "tests/activities/test_offers.py")

_NO_RECORD = (
    'raise Refused("this run has no start record; without one nothing has an effect")',
    'start = StartRecord.model_validate({"run": run, "request": {}, "start": {"requester": "anybody", '
    '"automation": "refund", "business_key": "-", "input_digest": "sha256:" + 64 * "0", '
    '"issued_at": "2026-11-20T09:00:00Z"}})',
)
_NO_PIN = (
    'raise Refused(f"{name} was never accepted; an operator must pin it: interlock tools pin {name}")',
    "return definition",
)

FINDING_OUT = (
    PREPARING.off("gate: a start record", *_NO_RECORD, "test_without_a_start_record_nothing_has_an_effect"),
    PREPARING.off("gate: a tool somebody accepted", *_NO_PIN, "test_in_production_a_tool_nobody_accepted_is_refused"),
    PREPARING.off(
        "gate: the tool as it was accepted",
        "if accepted.pin != definition.pin():",
        "if False:",
        "test_a_tool_that_changed_since_first_contact_is_refused_until_it_is_pinned_anew",
    ),
    PREPARING.off(
        "gate: arguments of a size",
        "if size > most:",
        "if False:",
        "test_arguments_that_do_not_fit_are_refused_before_anything_is_sent",
    ),
    PREPARING.off(
        "gate: arguments that fit the schema",
        "if problem := misfit(arguments, definition.input_schema) or ",
        "if problem := '' or ",
        "test_arguments_that_do_not_fit_are_refused_before_anything_is_sent",
    ),
    PREPARING.off(
        "gate: the block that Claude wrote",
        "if (chosen.block, call.server, call.tool) not in named or not isinstance(block, dict):",
        "if not isinstance(block, dict):",
        "test_a_chosen_call_that_claude_did_not_ask_for_is_refused",
    ),
    PREPARING.off(
        "gate: no call with a known problem",
        " if not proposed.problem\n",
        "\n",
        "test_a_chosen_call_with_a_known_problem_is_refused",
    ),
    PREPARING.off(
        "gate: no effect as a local activity",
        "if activity.info().is_local and definition.effect_class is not EffectClass.READ:",
        "if False:",
        f"{LOCALLY}::test_an_effect_that_is_scheduled_as_a_local_activity_is_never_sent",
        f"{LOCALLY}::test_an_undo_that_is_scheduled_as_a_local_activity_is_never_sent",
    ),
    PREPARING.off(
        "gate: an undo undoes something",
        "return bool(sent)",
        "return True",
        "test_an_undo_is_sent_only_after_this_run_has_sent_what_it_undoes",
    ),
    PREPARING.off(
        "gate: an undo undoes its own run's effect",
        "if sent and all(wanted != [each.get(argument) for argument in undoes.same] for each in sent):",
        "if False:",
        "test_an_undo_of_anothers_effect_is_refused",
    ),
    PREPARING.off(
        "gate: an undo says what it undoes",
        "if missing := [argument for argument in undoes.same if arguments.get(argument) is None]:",
        "if missing := [argument for argument in undoes.same if argument not in {*arguments}]:",
        "test_an_undo_of_anothers_effect_is_refused",
    ),
    PREPARING.off(
        "gate: calls in the run's own name",
        "if not named or arguments.get(named) == run.workflow_id:",
        "if True:",
        "test_a_call_in_another_runs_name_is_refused",
    ),
    IDENTITY.off(
        "gate: the chain's first run",
        "first = await self._chains.first_run_id(info.workflow_id, info.workflow_run_id)",
        "first = info.workflow_run_id",
        "test_the_key_is_the_same_for_every_attempt_worker_and_temporal_run_of_the_chain",
    ),
    KEYS.off(
        "key: of this deployment",
        '        "deployment": deployment,\n',
        "",
        "test_everything_a_key_is_made_of_makes_another_key",
    ),
    KEYS.off(
        "key: of this run",
        '        "first_run_id": run.first_run_id,\n',
        "",
        "test_everything_a_key_is_made_of_makes_another_key",
    ),
    KEYS.off(
        "key: of this occurrence",
        '        "occurrence": occurrence,\n',
        "",
        "test_everything_a_key_is_made_of_makes_another_key",
    ),
    ARGUMENTS.off(
        "gate: a schema fetches nothing",
        "kind(schema, registry=Registry())",
        "kind(schema)",
        "test_a_schema_cannot_make_the_gate_fetch_anything",
    ),
    ARGUMENTS.off(
        "gate: arguments that somebody can sign",
        "if error is not None else _unwritable(arguments)",
        'if error is not None else ""',
        "test_arguments_that_do_not_fit_are_refused_before_anything_is_sent",
    ),
    OFFERS.off(
        "offer: only tools as they were accepted",
        "if wished and await _accepted(authority, definition, asker.at):",
        "if wished:",
        "test_a_tool_that_is_not_as_it_was_accepted_is_not_offered",
    ),
    OFFERS.off(
        "offer: only what policy could permit",
        "_matches(wanted, definition) and _possible(policy, asker, definition)",
        "_matches(wanted, definition)",
        "test_what_policy_can_never_permit_this_automation_is_not_offered",
    ),
)

_SENT_BEFORE = """            if standing is None or not standing.sends:
                raise
"""

ASKING = (
    TOOLS.off(
        "gate: a key names one action",
        "            refuse_another(prepared, standing)\n",
        "            pass\n",
        "test_a_key_cannot_name_two_actions",
    ),
    TOOLS.off(
        "gate: what is done is not done again",
        "if standing is not None and standing.final and standing.outcome is not None:",
        "if False:",
        "test_a_call_that_is_done_stays_done_when_policy_changes",
    ),
    TOOLS.off(
        "gate: policy is asked once more",
        "if permission.ruling.effect is not RulingEffect.PERMIT:\n            await self._tell(",
        "if False:\n            await self._tell(",
        "test_without_evidence_people_are_asked_and_with_it_the_call_is_made",
    ),
    TOOLS.off(
        "gate: what was sent and is forbidden now is unknown",
        "if standing is not None and standing.sends:",
        "if False:",
        "test_policy_that_changes_after_sending_does_not_make_the_call_unhappen",
    ),
    TOOLS.off(
        "gate: what was sent and cannot be ruled on now is unknown",
        _SENT_BEFORE,
        "            raise\n",
        "test_a_call_that_was_sent_before_the_rules_were_lost_is_unknown_and_not_refused",
    ),
    TOOLS.off(
        "gate: auditors are told of refused calls",
        "await self._tell_refused(call, str(refused))",
        "pass",
        "test_auditors_are_told_of_every_call_that_is_refused_or_not_permitted",
    ),
    TOOLS.off(
        "gate: auditors are told of rulings against a call",
        "            await self._tell(prepared, permission.ruling)\n",
        "",
        "test_auditors_are_told_of_every_call_that_is_refused_or_not_permitted",
    ),
    RULING.off(
        "gate: every decision is verified once more",
        "if problem := problem_with(decision, replace(about, taken_at=taken_at)):",
        "if (problem := problem_with(decision, about)) and not problem:",
        FORGE,
    ),
    RULING.off(
        "gate: a nonce counts once",
        "elif taken_at is None and not await self._used(decision, in_force):",
        "elif taken_at is None and await self._used(decision, in_force) is None:",
        FORGE,
    ),
    RULING.off(
        "gate: without rules or roster it refuses",
        "raise Refused(str(nothing)) from nothing",
        "raise",
        "test_while_nothing_is_in_force_calls_are_refused_with_the_way_out",
    ),
    RULING.off(
        "gate: the request of this very run",
        "find(prepared.call.evidence[0].approval_id, prepared.run.first_run_id)",
        "find(prepared.call.evidence[0].approval_id)",
        "test_evidence_is_held_against_the_request_of_this_very_run",
    ),
    RULING.off(
        "gate: what policy demands today",
        '            "obligations": demanded.obligations,\n',
        "",
        "test_evidence_counts_for_what_policy_demands_today",
    ),
    RULING.off(
        "gate: evidence is of this automation, whatever the request calls itself",
        '            "automation": automation,\n',
        "",
        "test_the_owners_signature_does_not_count_whatever_the_request_calls_itself",
    ),
    RULING.off(
        "gate: an answer to an escalation approves nothing",
        "if request is not None and request.kind is not RequestKind.APPROVAL:",
        "if False:",
        "test_an_answer_to_an_escalation_approves_nothing_since_no_action_was_shown",
    ),
    ASKING_PEOPLE.off(
        "asking: nobody signs what they were not shown",
        "if request.kind is not RequestKind.ESCALATION and alike is None:",
        "if False:",
        "test_nobody_is_asked_to_sign_what_they_cannot_be_shown",
    ),
    ASKING_PEOPLE.off(
        "asking: a request is named after its run",
        'if prefix != run.workflow_id or not re.fullmatch(r"[1-9][0-9]{0,8}", number):',
        'if not request.request_id.startswith(f"{run.workflow_id}#"):',
        "test_a_request_is_named_after_its_run_and_a_number",
    ),
    RULING.off(
        "gate: handed on when policy says so",
        "told if told is not None and early and told >= min(early.values()) else None",
        "told",
        "tests/activities/test_changed_since.py::test_the_next_role_counts_only_once_policy_hands_the_request_on",
    ),
    RULING.off(
        "gate: no longer than policy gives people",
        "            closes_at=closes_at,\n",
        "",
        "tests/activities/test_changed_since.py::test_no_request_counts_longer_than_policy_gives_people",
    ),
    RULING.off(
        "gate: people who are asked anew are asked for everything",
        "            ruling = demanded ",
        "            pass ",
        "tests/activities/test_changed_since.py::test_what_changed_since_the_decision_stops_the_effect_and_is_said"
        "[policy demands another role]",
    ),
    RULING.off(
        "gate: so much evidence and no more",
        "for decision in prepared.call.evidence[:MAX_PEOPLE]:",
        "for decision in prepared.call.evidence:",
        "test_of_a_flood_of_evidence_only_the_first_few_are_looked_at",
    ),
    RULING.off(
        "gate: what was asked for",
        "            request=prepared.start.request,\n",
        "            request=prepared.action.arguments,\n",
        "tests/activities/test_stolen_starts.py::test_a_stolen_start_statement_does_nothing_to_another_order",
        "tests/activities/test_stolen_starts.py::test_no_genuine_approval_makes_a_stolen_start_statement_worth_more",
    ),
    RULING.off(
        "gate: what the run has read",
        "taint=tuple(sorted(await self._taints.of(prepared.run))),",
        "taint=(),",
        "test_a_run_that_has_read_what_is_private_and_what_strangers_wrote_sends_nothing_out_unsigned",
    ),
    RULING.off(
        "totals: reserved before anything is sent",
        "if spending and shares and ruling.effect is RulingEffect.PERMIT:",
        "if False:",
        f"{TOTALS}::test_ten_credits_of_9_99_need_the_signature_that_one_of_99_90_needs",
    ),
    RULING.off(
        "totals: a rival that was faster is seen",
        "if reached != question.totals:",
        "if False:",
        f"{TOTALS}::test_a_rival_that_is_counted_between_ruling_and_reserving_is_seen",
    ),
    RULING.off(
        "totals: what cannot be counted is refused",
        "except CannotTotal as cannot:\n            raise Refused(str(cannot)) from cannot",
        "except CannotTotal:\n            return ()",
        f"{TOTALS}::test_a_credit_that_cannot_be_counted_is_refused",
    ),
)

_NOT_MINE = "        if sent is None:\n            raise ApplicationError("
_NEWER = "if not await self._ledger.finish(entry.key, entry.generation, state, outcome, content, now):"
_TAINT_FIRST = """        tainted = await self._taint(prepared)
        outcome = await self._exchange(prepared, entry, admitted)
"""

SENDING_ONCE = (
    SENDING.off(
        "sending: whoever lost the claim does not send",
        _NOT_MINE,
        "        sent = sent or entry\n        if sent is None:\n            raise ApplicationError(",
        "test_of_two_attempts_that_claim_at_once_one_sends",
    ),
    SENDING.off(
        "sending: to the end, whoever cancels",
        "return await to_the_end(self._carry_out(prepared, entry, admitted))",
        "return await self._carry_out(prepared, entry, admitted)",
        f"{GATE}::test_a_call_that_is_cancelled_under_way_is_still_recorded",
    ),
    SENDING.off(
        "sending: an overtaken attempt records nothing",
        _NEWER,
        f"{_NEWER[:-1]} and not entry:",
        "test_an_attempt_that_was_overtaken_records_nothing",
    ),
    SENDING.off(
        "taint: written before anything is read",
        _TAINT_FIRST,
        "".join(reversed(_TAINT_FIRST.splitlines(keepends=True))),
        f"{GATE}::test_a_taint_is_written_before_anything_is_read",
    ),
    SENDING.off(
        "totals: given back only without an effect",
        "if state in NO_EFFECT and entry.sends == 1:",
        "if entry.sends == 1:",
        f"{TOTALS}::test_a_credit_whose_outcome_nobody_knows_goes_on_counting",
    ),
    SENDING.off(
        "totals: given back without an effect",
        "            await self._totals.release(spending_of(prepared), now)\n",
        "            pass\n",
        f"{TOTALS}::test_a_credit_that_the_server_refuses_does_not_count",
    ),
    SENDING.off(
        "totals: kept for an earlier send that was never answered",
        "if state in NO_EFFECT and entry.sends == 1:",
        "if state in NO_EFFECT:",
        f"{TOTALS}::test_a_credit_whose_first_answer_was_lost_goes_on_counting_whatever_is_said_of_the_second",
    ),
    SENDING.off(
        "gate: a refusal says nothing of an earlier send",
        "if entry.sends > 1 and entry.effect_class is not EffectClass.READ:",
        "if False:",
        "test_a_refusal_says_nothing_of_an_earlier_send_that_was_never_answered",
    ),
    SENDING.off(
        "gate: what is sent is what was claimed",
        "        refuse_another(prepared, entry)  # a rival may have claimed the key for it meanwhile\n",
        "",
        f"{GATE}::test_whoever_loses_the_claim_to_another_call_sends_nothing",
    ),
)

OF_THE_GATE = (*FINDING_OUT, *ASKING, *SENDING_ONCE)
