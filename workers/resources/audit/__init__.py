"""Verification of the audit chain: what was changed, where, and how far the signatures reach."""
