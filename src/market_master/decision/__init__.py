"""Decisions: probabilities to an action, actions to WSS, WSS to a signal."""
