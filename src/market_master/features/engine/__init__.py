"""Declaration, ordering, evaluation and fingerprints of features."""
