"""Support escalation: a customer's question is decided by rules and earlier promises, done, logged and confirmed."""

from workflows.support_escalation.case import Promise, Proposal, Settlement, SupportCase, SupportRequest
from workflows.support_escalation.workflow import SUPPORT, State, SupportEscalationWorkflow

__all__ = [
    "SUPPORT",
    "Promise",
    "Proposal",
    "Settlement",
    "State",
    "SupportCase",
    "SupportEscalationWorkflow",
    "SupportRequest",
]
