"""Training: an experiment's features and labels, folds, tuning, comparison of candidates."""

from market_master.training.compare import Comparison
from market_master.training.experiment import Experiment

__all__ = ["Comparison", "Experiment"]
