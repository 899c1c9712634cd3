"""Who runs it, with which resources."""
