"""Ways through the automations, a module for each part of the business, and the books that they are held against."""
