"""Feature set `regime`: what kind of market it is, by the threshold rule of the regimes, in bars."""
