"""Monitoring of the champion: drift, performance, service, alerts and the daily check."""
