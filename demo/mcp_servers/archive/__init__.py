"""The pretend archive of a company: datasets, who holds on to them, and how they are deleted for good."""
