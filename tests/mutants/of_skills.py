"""What keeps MCP clients from deciding, from being somebody else, and from seeing what is not theirs."""

from tests.mutants.protection import In

REQUESTS = In("cli/skill_requests.py", "tests/cli/test_skill_requests.py")
CALLERS = In("cli/skill_callers.py", "tests/cli/test_skills.py")
DESK = In("cli/skills.py", "tests/cli/test_skills.py")
SERVE = In("cli/mcp.py", "tests/cli/test_skills.py")
TOKENS = In("workers/resources/skills/tokens.py", "tests/workers/resources/test_skills_http.py")
HTTP = In("workers/resources/skills/http.py", "tests/workers/resources/test_skills_http.py")
SERVER = In("workers/resources/skills/server.py", "tests/workers/resources/test_itself.py")
FILE = In("workers/resources/skills_file.py", "tests/workers/resources/test_skills_file.py")
ITSELF = "tests/workers/resources/test_itself.py"
FALSE_TOKENS = "test_a_token_that_proves_nothing_here_lets_nobody_in"

OF_SKILLS = (
    REQUESTS.off(
        "skills: nothing unsigned goes on, in development either",
        "if not (decision.signature and decision.key_id and decision.nonce):",
        "if False:",
        "test_an_unsigned_statement_goes_nowhere_in_development_either",
    ),
    REQUESTS.off(
        "skills: a statement is about the request that is named",
        'if decision.approval_id != wanted.request or not wanted.request.startswith(f"{decision.workflow_id}#"):',
        "if False:",
        "test_a_statement_about_another_request_or_run_goes_nowhere",
    ),
    CALLERS.off(
        "skills: without a file only the user of this machine is offered anything",
        "return everything if caller.local else Allowed(known.subject)",
        "return everything",
        "test_the_user_of_this_machine_is_offered_every_automation_where_no_file_says_otherwise",
    ),
    CALLERS.off(
        "skills: a run is its requester's",
        "return view.automation in self.oversees or canonical_name(view.requester) == canonical_name(self.name)",
        "return True",
        "test_other_peoples_runs_look_like_none_and_cannot_be_cancelled",
    ),
    In("activities/reads.py", "tests/cli/test_skills.py").off(
        "skills: a name that is like another's is nobody's",
        "if query.name not in (person.subject, *person.aliases):",
        "if False:",
        "test_personas_see_only_their_skills_each_shaped_like_its_job",
    ),
    DESK.off(
        "skills: what is not offered cannot be called",
        "if tool is None or not _offered(tool, allowed):",
        "if tool is None:",
        "test_a_skill_of_another_persona_is_as_unknown_as_one_there_is_not",
    ),
    DESK.off(
        "skills: an automation that is not offered cannot be started",
        "if skill in allowed.starts:",
        "if skill in {entry.name for entry in self._catalog.entries()}:",
        "test_a_skill_of_another_persona_is_as_unknown_as_one_there_is_not",
    ),
    SERVE.off(
        "skills: the key of a person signs no start",
        "if not known.service and not (known.everybody and deployment.mode is Mode.DEVELOPMENT):",
        "if False:",
        "test_only_the_key_of_a_service_signs_starts",
    ),
    TOKENS.off(
        "skills: a token is for this endpoint",
        "            audience=self._resource,\n",
        '            audience=jwt.decode(token, options={"verify_signature": False}).get("aud"),\n',
        FALSE_TOKENS,
    ),
    TOKENS.off(
        "skills: a token is signed with a key of its issuer",
        'key = self._keys[issuer.issuer].find(header.get("kid"))',
        'key = next(keys.find(header.get("kid")) for keys in reversed(self._keys.values()))',
        FALSE_TOKENS,
    ),
    TOKENS.off(
        "skills: no issuer gives a name that another's begin with",
        "if any(name.casefold().startswith(prefix) for prefix in others if not issuer.prefix.startswith(prefix)):",
        "if False:",
        FALSE_TOKENS,
    ),
    TOKENS.off(
        "skills: with the keys of an issuer nobody can make tokens",
        'if read.algorithm_name not in ALGORITHMS or "d" in key:',
        "if False:",
        "tests/workers/resources/test_skills_file.py::test_keys_that_cannot_be_used_are_refused_with_the_way_out",
        "tests/workers/resources/test_skills_file.py::test_a_file_with_a_private_half_is_refused",
    ),
    HTTP.off(
        "skills: over HTTP nothing is heard without a token",
        "routes=[Route(PATH, endpoint=guarded),",
        "routes=[Route(PATH, endpoint=StreamableHTTPASGIApp(manager)),",
        FALSE_TOKENS,
    ),
    HTTP.off(
        "skills: a page of somebody else in a browser reaches nothing",
        "        security_settings=_from_here(skills.resource),\n",
        "",
        "test_a_page_of_somebody_else_in_a_browser_reaches_nothing",
    ),
    FILE.off(
        "skills: a claim of a token is no role of the roster",
        "if set(self.roles) & set(known.roles) or (caller.local and known.everybody):",
        "if set(self.roles) & {*known.roles, *sum(caller.claims.values(), ())} or known.everybody:",
        "test_a_persona_is_whoever_holds_a_role_or_whose_token_has_a_claim",
    ),
    SERVER.off(
        "skills: no worker is a client",
        "if client is not None and client.client_info.name == WORKER:",
        "if client is None:",
        "test_the_skills_refuse_a_worker_whatever_it_calls",
    ),
    In("workers/resources/mcp_connections/listing.py", ITSELF).off(
        "skills: a worker recognises Interlock itself",
        "    refuse_itself(server, client)\n",
        "    _ = refuse_itself\n",
        "test_a_worker_that_lists_the_tools_of_a_server_recognises_itself",
        "test_no_worker_offers_or_calls_the_tools_of_interlock_itself",
    ),
    In("workers/resources/servers_file.py", ITSELF).off(
        "skills: no server is declared that starts Interlock itself",
        "if starts_itself(server.command):",
        "if False:",
        "test_a_server_whose_command_starts_interlock_cannot_be_declared",
    ),
    In("workers/resources/itself.py", ITSELF).off(
        "skills: a shell that starts Interlock itself is seen",
        "for given in command for word in given.split()",
        "for word in command",
        "test_a_server_whose_command_starts_interlock_cannot_be_declared",
    ),
    In("workers/resources/itself.py", ITSELF).off(
        "skills: every name of this machine is its own address",
        "return _HERE if address.is_loopback or address.is_unspecified else plain",
        "return plain",
        "test_every_name_of_this_machine_is_its_own_address",
    ),
    In("workers/resources/servers_file.py", ITSELF).off(
        "skills: no server is declared where skills are served",
        "if server.url and own_address and is_same_place(server.url, own_address):",
        "if False:",
        "test_the_address_of_the_skills_cannot_be_declared",
    ),
)
