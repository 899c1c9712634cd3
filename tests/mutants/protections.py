"""Every named protection of authority and effects, from a signature to the chain that tells of what came of it."""

from tests.mutants.of_budgets import OF_BUDGETS
from tests.mutants.of_changes import OF_CHANGES
from tests.mutants.of_checkouts import OF_CHECKOUTS
from tests.mutants.of_children import OF_CHILDREN
from tests.mutants.of_context import OF_CONTEXT
from tests.mutants.of_decisions import OF_DECISIONS
from tests.mutants.of_documents import OF_DOCUMENTS
from tests.mutants.of_erasure import OF_ERASURE
from tests.mutants.of_freezes import OF_FREEZES
from tests.mutants.of_hotel_skills import OF_HOTEL_SKILLS
from tests.mutants.of_lost_answers import OF_LOST_ANSWERS
from tests.mutants.of_onboardings import OF_ONBOARDINGS
from tests.mutants.of_reading import OF_READING
from tests.mutants.of_results import OF_RESULTS
from tests.mutants.of_runs import OF_RUNS
from tests.mutants.of_servers import OF_SERVERS
from tests.mutants.of_skills import OF_SKILLS
from tests.mutants.of_the_gate import OF_THE_GATE
from tests.mutants.of_the_store import OF_THE_STORE
from tests.mutants.of_the_sweeper import OF_THE_SWEEPER
from tests.mutants.of_tickets import OF_TICKETS

PROTECTIONS = (
    *OF_DECISIONS,
    *OF_DOCUMENTS,
    *OF_THE_GATE,
    *OF_LOST_ANSWERS,
    *OF_FREEZES,
    *OF_SERVERS,
    *OF_THE_STORE,
    *OF_ERASURE,
    *OF_THE_SWEEPER,
    *OF_RUNS,
    *OF_CONTEXT,
    *OF_RESULTS,
    *OF_BUDGETS,
    *OF_SKILLS,
    *OF_CHILDREN,
    *OF_CHECKOUTS,
    *OF_READING,
    *OF_TICKETS,
    *OF_ONBOARDINGS,
    *OF_CHANGES,
    *OF_HOTEL_SKILLS,
)
