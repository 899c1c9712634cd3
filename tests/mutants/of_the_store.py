"""What the store does not do without: one winner, nothing without its record, a chain that shows every change."""

from tests.mutants.protection import In

WRITERS = In("workers/resources/store/writers.py", "tests/workers/store/test_writers.py")
LEDGER = In("workers/resources/store/ledger.py", "tests/workers/store/test_ledger.py")
AUDIT = In("workers/resources/store/audit.py", "tests/workers/store/test_chain.py")
DECIDED = In("workers/resources/store/decided.py", "tests/workers/store/test_decided.py")
TOTALS = In("workers/resources/store/totals.py", "tests/workers/store/test_totals.py")
TAINTS = In("workers/resources/store/taints.py", "tests/workers/store/test_taints.py")
DOCUMENTS = In("workers/resources/store/documents.py", "tests/workers/resources/test_authority.py")
STARTS = In("workers/resources/store/starts.py", "tests/workers/store/test_starts.py")
ROOM = In("workers/resources/store/load.py", "tests/workers/store/test_load.py")
LOAD = ROOM.tests
CONTENTS = In("workers/resources/store/contents.py", "tests/workers/store/test_conversations.py")
INBOX = In("workers/resources/store/inbox.py", "tests/workers/store/test_inbox.py")
STORE = In("workers/resources/store/store.py", "tests/workers/store/test_opening.py")
ASSEMBLY = In("workers/assembly.py", "tests/workers/test_assembly.py")
OFFICE = In("workers/office.py", "tests/workers/test_assembly.py")
VERIFYING = "tests/workers/store/test_audit_verification.py"
OF_AUTHORITY = "tests/workers/store/test_audit_of_authority.py"
GENUINE = "tests/workers/store/test_genuine_checkpoints.py"
LINKS = In("workers/resources/audit/links.py", VERIFYING)
ERASABLE = In("workers/resources/store/erasure_records.py", OF_AUTHORITY)
TOLD = In("workers/resources/audit/told.py", VERIFYING)
SIGNED_HEADS = In("workers/resources/audit/signed_heads.py", VERIFYING)
VERIFICATION = In("workers/resources/audit/verification.py", VERIFYING)
CHECKPOINTS = In("workers/resources/checkpoints.py", VERIFYING)

_FINAL = "    LEDGER.c.state.in_([state.value for state in UNFINISHED]),\n"
_GENERATION = '    LEDGER.c.generation == bindparam("of_generation"),\n' + _FINAL

THE_LEDGER = (
    LEDGER.off(
        "ledger: only the current generation",
        _GENERATION,
        _GENERATION.replace("==", ">="),
        "test_nobody_sends_with_an_older_generation[sqlite]",
        "test_a_worker_that_was_overtaken_writes_neither_outcome_nor_content[sqlite]",
    ),
    LEDGER.off(
        "ledger: what is final stays",
        _FINAL,
        "",
        "test_nothing_is_sent_for_a_key_that_is_final[sqlite]",
        "test_a_final_outcome_may_be_recorded_twice_and_never_changed[sqlite]",
    ),
    LEDGER.off(
        "ledger: an undo is no effect to undo",
        "        LEDGER.c.purpose == Purpose.FORWARD.value,\n",
        "",
        "test_neither_reading_nor_compensating_counts_as_having_sent[sqlite]",
    ),
    *(
        LEDGER.off(
            f"ledger: {what} stands with its record",
            f"append(connection, ledger_records.{record})",
            f"_ = ledger_records.{record}",
            f"tests/workers/store/test_chain.py::test_every_move_of_the_ledger_is_told_and_none_without[sqlite-{what}]",
        )
        for what, record in (
            ("a claim", "claimed(claim, at)"),
            ("a send", "sent(row, at)"),
            ("an outcome", "finished(row, at, who, evidence)"),
            ("a release", 'released(row, at or row["last_sent_at"])'),
        )
    ),
)

_PAST = 'return bool(_STATEMENT.scalar(connection, {"of_nonce": row["nonce"]}) == statement)'

ROWS = (
    WRITERS.off(
        "store: one of several writes that fails takes no other with it",
        "                self._write_each(several)\n",
        "                for each in several:\n                    each.done.set_exception(error)\n",
        "test_of_several_one_fails_and_the_others_are_written",
        "test_what_failed_beside_others_leaves_nothing_in_the_database",
    ),
    DECIDED.off(
        "store: a nonce is for one statement", _PAST, "return True", "test_a_nonce_counts_for_one_statement[sqlite]"
    ),
    DECIDED.off(
        "store: a decision stands with its record",
        "append(connection, _record(decision, approver, statement, at))",
        "pass",
        "test_a_decision_that_counts_is_told_to_auditors_once[sqlite]",
    ),
    DECIDED.off(
        "store: decisions of the last hour",
        'DECISIONS.c.approver == bindparam("of_approver"),',
        'DECISIONS.c.approver != bindparam("of_approver"),',
        "test_the_decisions_of_one_person_since_a_moment_are_counted[sqlite]",
    ),
    TOTALS.off(
        "totals: counted once for an action",
        "if not standing.released:",
        "if False:",
        "test_reserving_again_returns_what_it_came_to_and_adds_nothing_even_when_others_came_between[sqlite]",
    ),
    TOTALS.off(
        "totals: attempts at one action wait for each other",
        "select(RESERVATIONS).where(_OF_KEY_AND_TOTAL).with_for_update()",
        "select(RESERVATIONS).where(_OF_KEY_AND_TOTAL)",
        "test_concurrent_attempts_at_an_action_that_was_released_are_counted_once[postgresql]",
    ),
    TOTALS.off(
        "totals: a changed action needs a key of its own",
        "if standing.action_digest != spending.action_digest:",
        "if False:",
        "test_a_key_that_stands_for_another_action_is_refused_and_nothing_of_it_is_kept[sqlite]",
    ),
    TAINTS.off(
        "taint: stands with its record",
        "            append(connection, *(tainted(reader, taint, by, at) for reader, taint, by in new))\n",
        "",
        "test_auditors_are_told_of_each_taint_once_with_the_tool_that_brought_it[sqlite]",
    ),
    STORE.off(
        "store: of one mode for life",
        "if found is not None and found != mode.value.encode():",
        "if False:",
        "test_a_store_is_of_the_mode_of_its_first_worker_for_life[sqlite]",
    ),
    ASSEMBLY.off(
        "store: its first worker says of which mode it is",
        "await asyncio.to_thread(store.keep_mode, settings.mode)",
        "pass",
        "test_a_store_in_which_unsigned_things_counted_is_opened_by_no_worker_and_no_command_of_production",
    ),
    OFFICE.off(
        "store: commands are of its mode, too",
        "await asyncio.to_thread(store.check_mode, settings.mode)",
        "pass",
        "test_a_store_in_which_unsigned_things_counted_is_opened_by_no_worker_and_no_command_of_production",
    ),
    DOCUMENTS.off(
        "documents: whoever was overtaken is told",
        "if version != activation.version - 1:",
        "if False:",
        "test_of_two_who_change_the_same_version_the_second_is_told",
    ),
    DOCUMENTS.off(
        "documents: the content is what was signed",
        'if digest(content) != activation.digest or row["digest"] != activation.digest:',
        "if False:",
        "test_a_document_that_was_changed_in_the_database_is_not_in_force",
    ),
    STARTS.off(
        "load: past the limit no run is registered",
        "if most_active and not has_room(connection, most_active):",
        "if False:",
        f"{LOAD}::test_past_the_limit_a_start_is_refused_and_holds_nothing[sqlite]",
        "tests/activities/test_records.py::"
        "test_a_start_past_the_load_is_refused_in_words_and_said_to_those_who_ask_before",
    ),
    STARTS.off(
        "load: a run that is registered is not refused",
        "            if standing is not None:\n",
        "            if standing is not None and has_room(connection, most_active):\n",
        f"{LOAD}::test_a_run_that_is_registered_is_never_refused_however_full_it_is[sqlite]",
    ),
    ROOM.off(
        "load: of two starts at once one takes the last place",
        "    alone(connection, _REGISTERING)\n",
        "",
        f"{LOAD}::test_whoever_asks_for_a_place_waits_until_the_one_before_has_taken_or_left_it[postgresql]",
    ),
    STARTS.off(
        "store: a statement starts one run",
        "        _use_nonce(connection, record)\n",
        "",
        "test_a_statement_that_started_one_run_starts_no_other[sqlite]",
    ),
    STARTS.off(
        "store: a name names one run",
        "        _take_name(connection, record.run)\n",
        "",
        "test_no_two_runs_are_ever_registered_under_one_name[sqlite]",
    ),
    STARTS.off(
        "store: a case is begun once",
        "if holder is not None and not start.again:",
        "if False:",
        "test_another_run_of_the_same_case_is_refused_and_leaves_no_record[sqlite]",
    ),
    STARTS.off(
        "store: the record of this very run",
        "return and_(STARTS.c.workflow_id == run.workflow_id, STARTS.c.first_run_id == run.first_run_id)",
        "return and_(STARTS.c.workflow_id == run.workflow_id)",
        "test_a_run_of_the_same_name_has_not_the_record_of_the_one_that_was_registered[sqlite]",
    ),
    CONTENTS.off(
        "store: content is what its address says",
        "if digest(content) != address:",
        "if False:",
        "test_content_that_was_changed_in_the_database_is_not_handed_out[sqlite]",
    ),
    INBOX.off(
        "store: the request of this very run",
        "if first_run_id else (_LATEST",
        "if not first_run_id else (_LATEST",
        "test_of_two_runs_with_the_same_request_id_each_finds_its_own[sqlite]",
    ),
)

_KINDS = "test_every_kind_of_tampering_is_found_where_it_was_done"
_EDITED = "test_an_edited_checkpoint_is_found_at_its_line"

THE_CHAIN = (
    AUDIT.off(
        "chain: what is recorded once",
        "if record.once and (name in told or _stands(connection, name)):",
        "if False:",
        "test_what_is_to_stand_once_stands_once_however_often_it_is_told[sqlite]",
    ),
    AUDIT.off(
        "chain: the head moves along",
        '        _ADVANCE.run(connection, {"of_stream": stream, "new_seq": seq, "new_hash": last})\n',
        '        if seq == 1:\n            _ADVANCE.run(connection, {"of_stream": stream, "new_seq": seq, '
        '"new_hash": last})\n',
        "test_every_record_follows_the_one_before_it[sqlite]",
    ),
    LINKS.off(
        "verify: a link has the hash of what it says",
        "if ChainLink.hash_of(link.stream, link.seq, link.previous, link.payload) != link.hash:",
        "if False:",
        _KINDS,
    ),
    LINKS.off(
        "verify: a link stands where the checkpoint saw it",
        "        self._as_signed(stream, link)\n",
        "",
        _KINDS,
    ),
    LINKS.off(
        "verify: columns say what the record says",
        "elif repeated is not None and repeated != _repeated_of(record):",
        "elif False:",
        "test_a_column_that_repeats_a_record_wrongly_is_found",
    ),
    TOLD.off(
        "verify: no row without a record",
        "if not row.optional:",
        "if False:",
        "test_an_entry_that_was_put_in_or_taken_out_is_found",
    ),
    TOLD.off(
        "verify: a row is as recorded",
        "        if differing:\n",
        "        if False:\n",
        "test_any_change_of_a_ledger_entry_is_found_at_its_last_record",
    ),
    TOLD.off(
        "verify: no record without a row",
        "for name in told.keys() - seen:",
        "for name in seen - seen:",
        "test_an_entry_that_was_put_in_or_taken_out_is_found",
    ),
    VERIFICATION.off(
        "verify: signatures under documents",
        '        *compared("endorsement", accounts.endorsements, rows.endorsements(connection)),\n',
        "",
        f"{OF_AUTHORITY}::test_rows_that_were_taken_out_are_missed_where_the_chain_tells_of_them[sqlite-endorsements]",
    ),
    VERIFICATION.off(
        "verify: emergency roles",
        '        *compared("emergency role", accounts.grants, rows.grants(connection)),\n',
        "",
        f"{OF_AUTHORITY}::test_rows_that_were_taken_out_are_missed_where_the_chain_tells_of_them[sqlite-grants]",
    ),
    VERIFICATION.off(
        "verify: start statements that were used",
        '        *compared("start nonce", accounts.nonces, rows.start_nonces(connection)),\n',
        "",
        f"{OF_AUTHORITY}::test_rows_that_were_taken_out_are_missed_where_the_chain_tells_of_them[sqlite-start_nonces]",
    ),
    VERIFICATION.off(
        "verify: requests to people",
        '        *compared("request", accounts.requests, left.besides("request", rows.requests(connection))),\n',
        "",
        f"{OF_AUTHORITY}::test_rows_that_were_taken_out_are_missed_where_the_chain_tells_of_them[sqlite-requests]",
    ),
    VERIFICATION.off(
        "verify: what runs have read",
        '        *compared("taint", accounts.taints, rows.taints(connection)),\n',
        "",
        f"{OF_AUTHORITY}::test_rows_that_were_taken_out_are_missed_where_the_chain_tells_of_them[sqlite-taints]",
    ),
    VERIFICATION.off(
        "verify: what counts in running totals",
        '        *compared("reservation", accounts.reservations, rows.reservations(connection)),\n',
        "",
        f"{OF_AUTHORITY}::test_any_change_of_a_row_is_found_and_named[sqlite-reservations-action_digest-another-action]",
    ),
    VERIFICATION.off(
        "verify: what was decided for the life of the store",
        '        *compared("value of the store", accounts.kept, rows.kept(connection)),\n',
        "",
        f"{OF_AUTHORITY}::test_rows_that_were_taken_out_are_missed_where_the_chain_tells_of_them[sqlite-meta]",
    ),
    VERIFICATION.off(
        "verify: who holds a business key",
        '        *compared("case", accounts.cases, rows.cases(connection)),\n',
        "",
        f"{OF_AUTHORITY}::test_rows_that_were_taken_out_are_missed_where_the_chain_tells_of_them[sqlite-cases]",
    ),
    VERIFICATION.off(
        "verify: nothing was dated back",
        "        *accounts.dated_back,\n",
        "",
        f"{OF_AUTHORITY}::test_a_document_that_was_dated_back_is_found",
    ),
    VERIFICATION.off(
        "verify: running totals",
        "        *_totals_changed(connection),\n",
        "",
        f"{OF_AUTHORITY}::test_a_running_total_that_is_not_what_is_reserved_of_it_is_found[sqlite]",
    ),
    ERASABLE.off(
        "verify: the whole statement of a start",
        ', "statement": json_digest(row["start"])}',
        "}",
        f"{OF_AUTHORITY}::test_any_change_of_a_row_is_found_and_named[sqlite-starts-start-value0-statement]",
    ),
    VERIFICATION.off(
        "verify: contents are what their address says",
        "if place is not None and digest(content) != address:",
        "if False:",
        "test_a_content_that_was_changed_is_found_and_one_that_is_not_there_is_said",
    ),
    SIGNED_HEADS.off(
        "checkpoints: a genuine signature",
        "        if self._is_forged(checkpoint):\n",
        "        if False:\n",
        _EDITED,
    ),
    SIGNED_HEADS.off(
        "checkpoints: by a key that is trusted",
        "if checkpoint.key_id not in self.keys:",
        "if False:",
        "test_a_checkpoint_by_a_key_that_nobody_trusts_is_found",
    ),
    SIGNED_HEADS.off(
        "checkpoints: none is left out",
        "if checkpoint.number != before + 1:",
        "if False:",
        f"{GENUINE}::test_a_number_that_was_left_out_is_found",
    ),
    SIGNED_HEADS.off(
        "checkpoints: each names the one before",
        'if checkpoint.previous != (digest(self.last) if self.last else ""):',
        "if False:",
        f"{GENUINE}::test_a_checkpoint_that_does_not_name_the_one_before_it_is_found",
    ),
    SIGNED_HEADS.off(
        "checkpoints: heads never go back",
        "if stream not in checkpoint.heads or checkpoint.heads[stream].seq < head.seq:",
        "if False:",
        f"{GENUINE}::test_a_genuine_checkpoint_that_goes_back_is_found",
    ),
    SIGNED_HEADS.off(
        "checkpoints: of this deployment",
        "if self.deployment and checkpoint.deployment != self.deployment:",
        "if False:",
        f"{GENUINE}::test_a_genuine_checkpoint_of_another_deployment_is_found",
    ),
    CHECKPOINTS.off(
        "checkpoints: nothing is signed over a chain that went back",
        "if standing.get(stream) != head.hash or stream not in heads or heads[stream].seq < head.seq:",
        "if False:",
        "test_nothing_is_signed_over_a_chain_that_went_backwards",
    ),
)

OF_THE_STORE = (*THE_LEDGER, *ROWS, *THE_CHAIN)
