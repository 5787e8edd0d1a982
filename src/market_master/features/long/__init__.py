"""Feature set `long`: what core and market look at, over weeks and months; up to 500 bars."""
