"""Training: features and labels of an experiment, folds, tuning and the comparison of candidates."""
