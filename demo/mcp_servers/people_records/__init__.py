"""The pretend personnel records: who is to join, the papers they have handed in, and the letters that ask for papers."""
