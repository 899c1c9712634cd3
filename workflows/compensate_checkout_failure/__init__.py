"""Compensation: what a guest checkout has left is found and undone, for managers, and not while that checkout runs."""

from workflows.compensate_checkout_failure.case import CompensateRequest, CompensationCase, Remains
from workflows.compensate_checkout_failure.workflow import COMPENSATION, CompensationWorkflow, State

__all__ = ["COMPENSATION", "CompensateRequest", "CompensationCase", "CompensationWorkflow", "Remains", "State"]
