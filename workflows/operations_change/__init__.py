"""Operations change: Claude plans, two people of different roles sign exactly that plan, and it is done or undone."""

from workflows.operations_change.case import ChangeKind, OperationsChangeCase, OperationsChangeRequest
from workflows.operations_change.plan import Plan, PlannedStep
from workflows.operations_change.workflow import CHANGE, OperationsChangeWorkflow, State

__all__ = [
    "CHANGE",
    "ChangeKind",
    "OperationsChangeCase",
    "OperationsChangeRequest",
    "OperationsChangeWorkflow",
    "Plan",
    "PlannedStep",
    "State",
]
