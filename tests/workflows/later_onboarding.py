"""The next version of the onboarding, as a company would write it: everybody gets a badge as well."""

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from contracts.runs import Ending
    from workflows.employee_onboarding.case import EmployeeOnboardingCase
    from workflows.employee_onboarding.workflow import EmployeeOnboardingWorkflow


@workflow.defn(name="employee_onboarding")
class LaterOnboarding(EmployeeOnboardingWorkflow):
    """Behind a patch, so that runs of the version before replay."""

    @workflow.init
    def __init__(self, case: EmployeeOnboardingCase) -> None:
        super().__init__(case)

    @workflow.run
    async def run(self, case: EmployeeOnboardingCase) -> Ending:
        """Drive the machine to its end."""
        return await self.drive()

    def tickets(self) -> tuple[str, ...]:
        """With a badge, for whoever has not had tickets opened yet."""
        return (*super().tickets(), "badge") if workflow.patched("employee_onboarding: a badge") else super().tickets()


@workflow.defn(name="employee_onboarding")
class CarelessOnboarding(EmployeeOnboardingWorkflow):
    """The same without a patch: what runs of the version before have done does not replay."""

    @workflow.init
    def __init__(self, case: EmployeeOnboardingCase) -> None:
        super().__init__(case)

    @workflow.run
    async def run(self, case: EmployeeOnboardingCase) -> Ending:
        """Drive the machine to its end."""
        return await self.drive()

    def tickets(self) -> tuple[str, ...]:
        """With a badge, whatever was done before."""
        return (*super().tickets(), "badge")
