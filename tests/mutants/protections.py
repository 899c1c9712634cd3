"""Every named protection of authority, from the signature under a decision to the chain that tells of its effect."""

from tests.mutants.of_decisions import OF_DECISIONS
from tests.mutants.of_documents import OF_DOCUMENTS
from tests.mutants.of_runs import OF_RUNS
from tests.mutants.of_the_gate import OF_THE_GATE
from tests.mutants.of_the_store import OF_THE_STORE
from tests.mutants.of_the_sweeper import OF_THE_SWEEPER

PROTECTIONS = (*OF_DECISIONS, *OF_DOCUMENTS, *OF_THE_GATE, *OF_THE_STORE, *OF_RUNS, *OF_THE_SWEEPER)
