"""What every automation stands on: the machine, its diagram, approvals, compensation and the record."""
