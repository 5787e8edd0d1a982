"""Routers, one file for each subject."""
