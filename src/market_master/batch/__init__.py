"""Batch scoring: files in, tables out, and their summary."""
