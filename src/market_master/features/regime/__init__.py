"""Feature set `regime`: what kind of market it is, by the threshold rule in bars."""
