"""Training: an experiment's features and labels, folds, tuning, comparison of candidates."""
