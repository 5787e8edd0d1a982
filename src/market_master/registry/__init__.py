"""Registry of runs and model versions in MLflow, and the journal of decisions."""
