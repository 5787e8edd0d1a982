"""The gate: evidence of challenger and champion, its rules, the decision and its pages."""
