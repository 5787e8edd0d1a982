"""Monitoring of the champion in production: drift, performance, service, alerts and the daily check."""
