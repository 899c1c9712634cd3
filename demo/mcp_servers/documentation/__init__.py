"""The pretend documentation: the rules by which the shop treats its customers, with a search."""
