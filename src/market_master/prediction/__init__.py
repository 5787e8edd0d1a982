"""A loaded version and its predictions. No label, no pandas, no MLflow."""
