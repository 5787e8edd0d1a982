"""Training: an experiment's features and labels, folds, tuning, comparison of candidates."""

from market_master.training.compare import Comparison
from market_master.training.dataset import Dataset, label_bars
from market_master.training.experiment import Experiment, build_experiment
from market_master.training.recipe import lane_of, recipe_hash, winner_parameters

__all__ = [
    "Comparison",
    "Dataset",
    "Experiment",
    "build_experiment",
    "label_bars",
    "lane_of",
    "recipe_hash",
    "winner_parameters",
]
