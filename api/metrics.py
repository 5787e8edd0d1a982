"""Prometheus metrics of the server; deployments/grafana/ draws just these."""

from __future__ import annotations

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

from market_master.config.environment import variables

BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)

LATENCY = Histogram("mm_request_seconds", "Time to answer", ["route", "status"], buckets=BUCKETS)
IN_FLIGHT = Gauge("mm_requests_in_flight", "Requests being answered", multiprocess_mode="livesum")
REFUSALS = Counter("mm_refusals", "Refused requests, by the title of the problem", ["reason"])
ACTIONS = Counter("mm_actions", "Predicted actions", ["action"])
CACHE = Counter("mm_cache_lookups", "Looks for a cached answer", ["result"])
CHAMPION = Gauge("mm_champion_version", "The served version", multiprocess_mode="mostrecent")
CHAMPION_AGE = Gauge("mm_champion_age_seconds", "Since the champion was trained", multiprocess_mode="mostrecent")
SWAPS = Counter("mm_champion_swaps", "Champions taken into service, or refused", ["result"])
STALENESS = Gauge("mm_staleness_seconds", "Now minus the newest stored bar's end", multiprocess_mode="mostrecent")
COVERAGE = Gauge("mm_index_coverage", "Share of the index weight with a fresh action", multiprocess_mode="mostrecent")
LOG_LOST = Gauge("mm_log_lost", "Predictions that neither log nor disk could take", multiprocess_mode="livesum")


def page() -> bytes:
    """All of them in Prometheus' text format; of all workers where PROMETHEUS_MULTIPROC_DIR is set."""
    registry = REGISTRY
    if variables().get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
