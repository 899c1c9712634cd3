"""The store, on both of its databases."""
