"""From probabilities to an action, from actions to WSS, from WSS to a signal."""
