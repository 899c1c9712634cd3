"""Refund: Claude reads complaint and order and advises, policy rules, people sign, and failure is undone."""

from workflows.refund.case import CreditAdvice, OrderFacts, RefundCase, RefundRequest
from workflows.refund.workflow import REFUND, RefundWorkflow, State

__all__ = ["REFUND", "CreditAdvice", "OrderFacts", "RefundCase", "RefundRequest", "RefundWorkflow", "State"]
