"""The pretend personnel records: who is to join, the papers they have handed in, and letters that ask for them."""
