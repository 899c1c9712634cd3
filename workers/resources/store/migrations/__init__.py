"""How the schema came to be: one file per revision, applied when the store is opened."""
