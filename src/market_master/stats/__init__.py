"""Statistics: scores, bootstrap, overfitting, distances, control charts."""
