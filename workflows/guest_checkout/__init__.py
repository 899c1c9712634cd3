"""Guest checkout: a stay is looked at, paid for and closed in every system, or everything is as it was before."""

from workflows.guest_checkout.case import GuestCheckoutCase, GuestCheckoutRequest, Stay
from workflows.guest_checkout.workflow import CHECKOUT, GuestCheckoutWorkflow, State

__all__ = ["CHECKOUT", "GuestCheckoutCase", "GuestCheckoutRequest", "GuestCheckoutWorkflow", "State", "Stay"]
