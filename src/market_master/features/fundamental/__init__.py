"""Feature set `fundamental`: what was known of the companies, at the bar's price."""
