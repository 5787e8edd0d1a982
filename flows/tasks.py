"""Prefect tasks, one for each step: retries and time-out with their reason, artifact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial, wraps
from typing import Any

from prefect import task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.tasks import exponential_backoff

from flows.runs import link_report
from market_master.domain import IndexSignal, as_json
from market_master.gate.decide import Decision
from market_master.leakage.certificate import Certificate
from market_master.market_data.ingest import Market
from market_master.pipeline import Steps
from market_master.training import Comparison

HOUR = 3600


def as_tasks() -> Steps:
    """The pipeline's steps, dressed. Only fetching is tried again: it alone meets a network; the rest is deterministic."""
    plain = Steps()
    return Steps(
        fetch=_task("fetch", plain.fetch, HOUR, _data, retries=2, delay=exponential_backoff(backoff_factor=5)),
        features=_task("features", plain.features, HOUR),
        label=_task("label", plain.label, HOUR),
        train_compare=_task("train_compare", plain.train_compare, 3 * HOUR, _leaderboard),
        audit=_task("audit", plain.audit, HOUR, _laws),
        register=_task("register", plain.register, HOUR),
        gate=_task("gate", plain.gate, HOUR, _verdicts),
        review=_task("review", plain.review, HOUR, _review),
        reference=_task("reference", plain.reference, HOUR),
        promote=_task("promote", plain.promote, 600),
        predict_index=_task("predict_index", plain.predict_index, 600, _signal),
        closing=tuple(
            replace(
                step, write=_task(step.name, step.write, HOUR, partial(link_report, key=step.name, text=step.title))
            )
            for step in plain.closing
        ),
    )


def _task(
    name: str,
    step: Callable[..., Any],
    timeout: int,
    show: Callable[[Any], None] | None = None,
    *,
    retries: int = 0,
    delay: Any = None,
) -> Callable[..., Any]:
    @task(
        name=name,
        description=(step.__doc__ or "").split("\n")[0],
        timeout_seconds=timeout,
        retries=retries,
        retry_delay_seconds=delay,
        retry_jitter_factor=0.5 if retries else None,
        retry_condition_fn=_is_passing if retries else None,
        cache_policy=NO_CACHE,
        persist_result=False,
    )
    @wraps(step)
    def run(*args: Any, **kwargs: Any) -> Any:
        result = step(*args, **kwargs)
        if show:
            show(result)
        return result

    return run


def _is_passing(_task: Any, _run: Any, state: Any) -> bool:
    """Only a fault of the network passes by itself; a refusal stays one."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, (ConnectionError, TimeoutError))


def _data(market: Market) -> None:
    create_table_artifact([as_json(row) for row in market.report], key="data", description="Quality report by symbol.")


def _leaderboard(comparison: Comparison) -> None:
    create_table_artifact(as_json(comparison.leaderboard), key="leaderboard", description=comparison.why)


def _laws(certificate: Certificate) -> None:
    broken = [as_json(finding) for finding in certificate.findings if not finding.passed]
    create_table_artifact(
        broken or [{"laws": ", ".join(certificate.laws), "objects": len(certificate.findings), "passed": True}],
        key="audit",
        description=f"Leak suite, certificate {certificate.key}.",
    )


def _verdicts(decision: Decision) -> None:
    create_table_artifact(
        as_json(decision.verdicts),
        key="verdicts",
        description=f"{decision.outcome}: {decision.reason} MLflow run {decision.run_id}.",
    )


def _signal(signal: IndexSignal) -> None:
    create_markdown_artifact(
        f"# {signal.signal} {signal.signal_for}\n\nWSS {signal.wss:+.3f}, coverage {signal.coverage:.0%}, as of {signal.as_of}, "
        f"for the bar {signal.predicts_for.start} to {signal.predicts_for.end}.",
        key="signal",
    )


def _review(file: Any) -> None:
    link_report(file, "gate", "The gate's page: what was judged, and why")
