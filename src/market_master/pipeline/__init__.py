"""The training pipeline: its story, and a folder of the steps that close a run."""

from market_master.pipeline.story import STEPS, Outcome, Steps, train

__all__ = ["STEPS", "Outcome", "Steps", "train"]
