"""What the server tells Prometheus, and that the dashboard draws just that."""

from __future__ import annotations

import json
import re

from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

from api import metrics
from tests.support import ROOT
from tests.support.servers import in_process, newest_bars


def ours() -> set[str]:
    """The names of the samples that our metrics give."""
    names = set()
    for one in vars(metrics).values():
        if isinstance(one, MetricWrapperBase):
            (metric,) = one.describe()
            kind, name = metric.type, metric.name
            ends = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}.get(kind, [""])
            names |= {name + end for end in ends}
    return names


def test_the_dashboard_draws_our_metrics_and_no_others() -> None:
    """Every name in a panel is one the server gives, and every metric has a panel."""
    board = json.loads((ROOT / "deployments" / "grafana" / "server.json").read_text(encoding="utf-8"))
    text = " ".join(target["expr"] for panel in board["panels"] for target in panel["targets"])
    drawn = set(re.findall(r"\bmm_\w+", text))
    assert drawn - ours() == set()
    assert {name for name in ours() if not name.endswith(("_sum", "_count", "_bucket"))} - drawn == set()


def test_what_happens_is_counted(trained_home) -> None:
    """Requests by route and status, refusals by reason, actions, cache, the champion and the age of its bars."""
    with in_process(trained_home) as running:
        body = newest_bars(trained_home)
        for _ in range(2):
            running.post("/predict", json=body)
        running.post("/predict", json=body | {"symbol": "NOT_STORED", "bars": body["bars"][-5:]})
        running.get("/predict/NOBODY")
        page = running.get("/metrics").text
    found = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for metric in text_string_to_metric_families(page)
        for sample in metric.samples
    }
    assert found["mm_request_seconds_count", (("route", "/predict"), ("status", "200"))] >= 2
    assert found["mm_refusals_total", (("reason", "TooFewBars"),)] >= 1
    assert found["mm_refusals_total", (("reason", "UnknownSymbol"),)] >= 1
    assert found["mm_cache_lookups_total", (("result", "hit"),)] >= 1
    assert found["mm_champion_version", ()] == 1
    assert found["mm_staleness_seconds", ()] > 0
    assert 0.8 <= found["mm_index_coverage", ()] <= 1
    assert sum(value for (name, _), value in found.items() if name == "mm_actions_total") >= 1
