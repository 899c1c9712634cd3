"""Employee onboarding: papers, tickets and accounts of somebody who joins, over weeks, or all of it undone."""

from workflows.employee_onboarding.case import EmployeeOnboardingCase, EmployeeOnboardingRequest
from workflows.employee_onboarding.workflow import ONBOARDING, EmployeeOnboardingWorkflow, State

__all__ = ["ONBOARDING", "EmployeeOnboardingCase", "EmployeeOnboardingRequest", "EmployeeOnboardingWorkflow", "State"]
