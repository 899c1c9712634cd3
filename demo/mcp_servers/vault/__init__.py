"""The pretend vault of a company: credentials by version, and who uses which. It never shows a secret."""
