"""The pretend directory of accounts: who has which account, under which name."""
