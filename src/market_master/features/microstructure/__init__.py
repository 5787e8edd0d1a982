"""Feature set `microstructure`: who was in a hurry, and what trading costs, from bars alone."""
