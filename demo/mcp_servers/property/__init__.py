"""The pretend property system of a hotel: who has booked, who is in house, and how the rooms are."""
