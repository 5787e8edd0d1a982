"""Evaluation of the champion: batches of bars, drift and performance, and the leak suite."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from market_master import config
from market_master.cli.common import (
    OUT,
    Config,
    champion_and_home,
    command,
    load_settings,
    model_name,
    open_log,
    progress,
    render_leaderboard,
)
from market_master.domain import as_json, clock


def render_batch(summary: dict[str, Any]) -> None:
    """What a batch read, predicted and came to."""
    bars, index, model = summary["bars"], summary["index"], summary["model"]
    OUT.print(
        f"Version {model['version']} of {model['name']} answered {bars['answered']:,} of {bars['bars']:,} bars of "
        f"{bars['symbols']} symbols, {bars['first']} to {bars['last']}; {summary['in_sample']['answers']:,} of them are in "
        f"sample (up to {summary['in_sample']['until']}) and not evaluated."
    )
    table = Table("index", "bars", "BUY", "HOLD", "SELL", "no signal", "coverage", "index share", "weights")
    table.add_row(
        index["index"], str(index["bars"]), *(str(index["signals"].get(action, 0)) for action in ("BUY", "HOLD", "SELL")),
        str(index["without_signal"]), *("" if index[k] is None else f"{index[k]:.0%}" for k in ("coverage", "index_share")),
        index["weights"],
    )  # fmt: skip
    OUT.print(table)
    _render_batch_evaluation(summary["evaluation"], summary["evaluation_reason"])
    if summary["filter_coverage"] is not None:
        OUT.print(f"The confidence filter let {summary['filter_coverage']:.1%} act of what wanted to.")
    for row in summary["missing"]:
        OUT.print(f"Missing: {row['symbol']} at {row['bars']} bars: {row['reason']}")
    for note in (*summary["notes"], *summary["warnings"]):
        OUT.print(f"Note: {note}")
    run = f" (MLflow run {summary['run_id']})" if summary["run_id"] else ""
    OUT.print(f"Written to {summary['out']}{run}")


def _render_batch_evaluation(evaluation: dict[str, Any] | None, reason: str) -> None:
    if not evaluation:
        OUT.print(f"Not evaluated: {reason}")
        return
    render_leaderboard([evaluation["scorecard"]], "", "Out of sample, where the outcome is known")
    ic = evaluation["index"]
    OUT.print(
        f"{evaluation['rows']:,} answers of {evaluation['sessions']} sessions"
        + (", which is few." if evaluation["low_sample"] else ".")
        + (f" WSS IC {ic['wss_ic']:+.3f} (t {ic['wss_ic_t']:+.1f})." if ic["bars"] else "")
    )


@command("batch", table=render_batch)
def batch(
    bars: Annotated[Path, typer.Option("--bars", help="A file or folder of bars, as `mm data check` reads them.")],
    out: Annotated[Path, typer.Option("--out", help="A new or empty folder for the tables and the summary.")],
    weights: Annotated[
        Path | None, typer.Option("--weights", help="CSV of symbol,weight[,as_of]; without it all weigh the same.")
    ] = None,
    no_log: Annotated[bool, typer.Option("--no-log", help="Write the files only; no run in MLflow.")] = False,
    config_file: Config = None,
) -> dict[str, Any]:
    """The champion's answers to every bar of some files, the index's WSS and signals, and what came of them.

    Example: mm batch --bars bars/ --weights weights.csv --out answers/
    """
    from market_master.batch import score

    champion, home = champion_and_home(config_file)
    with progress():
        return score.run_batch(champion, bars, weights, out, now=clock.now(), log_to=None if no_log else home)


def render_drift(report: dict[str, Any]) -> None:
    """What moved, what is as it was, what can't be said, and where the pages are."""
    spans = report["compared"]
    OUT.print(
        f"Version {report['version']} of {report['model']} as of {report['as_of']}: the newest sessions against "
        f"{spans['reference'][0]} to {spans['reference'][1]}, which it learned from."
    )
    table = Table("cause", "sessions", "state", "reading", box=SIMPLE_HEAD)
    colours = {"moved": "red", "ok": "green", "not_enough_history": "yellow"}
    for row in report["readings"]:
        if row["cause"] not in ("feature", "level") or (row["cause"] == "feature" and row["state"] == "moved"):
            state = f"[{colours[row['state']]}]{row['state'].replace('_', ' ')}[/]"
            table.add_row(row["cause"], str(row["sessions"]), state, row["reason"])
    OUT.print(table)
    for row in report["realised"][:1]:
        OUT.print(
            f"Realised over {row['sessions']} sessions: RPSS {row['rpss']:+.2%}, DIR {row['dir']:+.2%}, IC {row['ic']:+.3f}, "
            f"hits {row['hit_rate']:.1%}."
        )
    for alert in report["alerts"]:
        OUT.print(f"[red]{alert['severity']}[/] since {alert['opened']}: {alert['reason']}")
    if report["retrain"]:
        OUT.print("This asks for a new candidate: mm run")
    for kind, file in report["reports"].items():
        OUT.print(f"{kind:14} {file}")


@command("drift", table=render_drift)
def drift(
    quick: Annotated[
        bool, typer.Option("--quick", help="Without Evidently's pages, which take most of the time.")
    ] = False,
    config_file: Config = None,
) -> dict[str, Any]:
    """Has the world moved from what the champion learned, and is it still as good? Alarms, performance and pages.

    Example: mm drift --quick
    """
    from market_master.monitoring.monitor import monitor

    model = model_name(config_file)
    return as_json(monitor(model, config.home(), open_log(), now=clock.now(), evidently=not quick))


def render_audit(audited: dict[str, Any]) -> None:
    """Law x object, the proofs of what is broken, and the paths of combinatorial cross-validation."""
    laws = list(audited["laws"])
    table = Table("kind", "object", *laws, title=f"Leak suite, certificate {audited['certificate']}", box=SIMPLE_HEAD)
    table.columns[1].no_wrap = True
    cells: dict[tuple[str, str], dict[str, bool]] = {}
    for finding in audited["findings"]:
        cells.setdefault((finding["kind"], finding["object"]), {})[finding["law"]] = finding["passed"]
    for (kind, name), passed in cells.items():
        table.add_row(
            kind, name, *("" if law not in passed else "[green]ok[/]" if passed[law] else "[red]NO[/]" for law in laws)
        )
    OUT.print(table)
    for law, sentence in audited["laws"].items():
        OUT.print(f"{law:4} {sentence}: " + ("[red]broken[/]" if law in audited["broken"] else "[green]holds[/]"))
    for finding in audited["findings"]:
        if finding["law"] in ("L6", "L7", "L8"):
            OUT.print(f"{finding['law']:4} {finding['object']}: {finding['note']}.")
        if not finding["passed"]:
            proof = finding["proof"] or {}
            where = f" at {proof['symbol']} {proof['bar_end']}: {proof['before']} became {proof['after']} with {proof['change']}"
            OUT.print(f"[red]{finding['law']} {finding['object']}[/]{where if proof else ''} {finding['note']}")
    paths = ", ".join(f"{value:+.2%}" for value in audited["paths"])
    OUT.print(f"RPSS of {audited['candidate']} on each path of combinatorial purged cross-validation: {paths}.")


@command("audit", table=render_audit, failed=lambda audited: bool(audited["broken"]))
def audit(config_file: Config = None) -> dict[str, Any]:
    """The leak suite: eleven laws over every object of the configured pipeline, on its own bars; exit 1 when one is broken.

    Example: mm audit --config configs/demo.yaml
    """
    from market_master.leakage.certificate import audit_pipeline

    with progress():
        return audit_pipeline(load_settings(config_file), config.home(), clock.now())
