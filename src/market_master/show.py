"""What a person sees in the terminal: progress while it runs, tables when it is done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.json import JSON
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

OUT = Console()
ERR = Console(stderr=True)
COLOURS = {
    "promoted": "green",
    "provisional": "yellow",
    "rejected": "red",
    "BUY": "green",
    "SELL": "red",
    "HOLD": "yellow",
}


MOVES = 8
"""of the symbols that moved WSS most, so many are shown"""


@contextmanager
def progress() -> Iterator[None]:
    """One line a step on stderr, with its share done and its time, for as long as the block runs."""
    from market_master.progress import progress_listener

    columns = (
        TextColumn("{task.description:14}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f}%"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=ERR) as bars:
        tasks: dict[str, TaskID] = {}

        def listen(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=total)
            finished = (done, total) == (1, 1)
            known = bars.tasks[tasks[step]].total or 1
            bars.update(tasks[step], total=known if finished else total, completed=known if finished else done)

        with progress_listener(listen):
            yield


def outcome(answer: dict[str, Any]) -> None:
    """The summary of a pipeline run."""
    _data(answer["data"])
    _leaderboard(answer["leaderboard"], answer["winner"])
    if answer["verdicts"]:
        _verdicts(answer["verdicts"])
    word = answer["outcome"]
    version = f" (version {answer['version']})" if answer["version"] else ""
    OUT.print(f"\nOutcome: [bold {COLOURS.get(word, 'white')}]{word}[/]{version}. {answer['reason']}")
    if answer["signal"]:
        signal(answer["signal"])
    else:
        OUT.print(f"No signal: {answer['signal_reason']}")
    for name, file in answer["reports"].items():
        OUT.print(f"Report ({name}): {file}", soft_wrap=True)
    OUT.print(
        f"Time: {sum(answer['timings'].values()):.1f} s "
        + ", ".join(f"{k} {v:.1f}" for k, v in answer["timings"].items())
    )
    OUT.print("Fits: " + ", ".join(f"{count} {word}" for word, count in answer["fits"].items()))
    OUT.print("\nNext:\n  make serve             the API on http://127.0.0.1:8000/docs")
    OUT.print("  .venv/bin/mm signal    the index signal again\n  .venv/bin/mm models journal")


def signal(answer: dict[str, Any]) -> None:
    """An index signal and what made it."""
    word = answer["signal"]
    OUT.print(
        f"\nSignal for {answer['signal_for']} over {answer['predicts_for']['start']} to {answer['predicts_for']['end']}: "
        f"[bold {COLOURS[word]}]{word}[/] (WSS {answer['wss']:+.3f}, coverage {answer['coverage']:.0%}, index "
        f"{answer['index']}{', paper' if answer['paper'] else ''})"
    )
    table = Table(
        "symbol", "weight", "action", "score", "expected", "confidence", "contribution", title="Largest contributions"
    )
    for row in sorted(answer["constituents"], key=lambda row: -abs(row["contribution"]))[:8]:
        table.add_row(
            row["symbol"], f"{row['weight']:.3f}", row["action"], f"{row['score']:+d}",
            f"{row['expected_score']:+.3f}", f"{row['confidence']:.2f}", f"{row['contribution']:+.3f}",
        )  # fmt: skip
    OUT.print(table)
    if answer["wss_expected_interval"]:
        low, high = answer["wss_expected_interval"]
        OUT.print(f"Expected WSS {answer['wss_expected']:+.3f}; by past errors {low:+.3f} to {high:+.3f} (90 %).")
    if answer["explanation"]:
        _explanation(answer["explanation"])
    for row in answer["missing"]:
        OUT.print(f"Missing: {row['symbol']} ({row['weight']:.3f}): {row['reason']}")
    for warning in answer["warnings"]:
        OUT.print(f"Warning: {warning}")


def predictions(answer: list[dict[str, Any]]) -> None:
    """One line a prediction."""
    table = Table("symbol", "action", "expected", "confidence", "as of", "for the bar from", "warnings")
    for row in answer:
        table.add_row(
            row["symbol"], row["action"], f"{row['expected_score']:+.3f}", f"{row['confidence']:.2f}",
            row["as_of"], row["predicts_for"]["start"], ", ".join(row["warnings"]),
        )  # fmt: skip
    OUT.print(table)


def batch(answer: dict[str, Any]) -> None:
    """What a batch read, said and came to."""
    bars, index, model = answer["bars"], answer["index"], answer["model"]
    OUT.print(
        f"Version {model['version']} of {model['name']} answered {bars['answered']:,} of {bars['bars']:,} bars of "
        f"{bars['symbols']} symbols, {bars['first']} to {bars['last']}; {answer['in_sample']['answers']:,} of them are in "
        f"sample (up to {answer['in_sample']['until']}) and not evaluated."
    )
    table = Table("index", "bars", "BUY", "HOLD", "SELL", "no signal", "coverage", "index share", "weights")
    table.add_row(
        index["index"], str(index["bars"]), *(str(index["signals"].get(word, 0)) for word in ("BUY", "HOLD", "SELL")),
        str(index["without_signal"]), *("" if index[k] is None else f"{index[k]:.0%}" for k in ("coverage", "index_share")),
        index["weights"],
    )  # fmt: skip
    OUT.print(table)
    if answer["evaluation"]:
        _leaderboard([answer["evaluation"]["scorecard"]], "", "Out of sample, where the outcome is known")
        few, ic = answer["evaluation"]["low_sample"], answer["evaluation"]["index"]
        OUT.print(
            f"{answer['evaluation']['rows']:,} answers of {answer['evaluation']['sessions']} sessions"
            + (", which is few." if few else ".")
            + (f" WSS IC {ic['wss_ic']:+.3f} (t {ic['wss_ic_t']:+.1f})." if ic["bars"] else "")
        )
    else:
        OUT.print(f"Not evaluated: {answer['evaluation_reason']}")
    if answer["filter_coverage"] is not None:
        OUT.print(f"The confidence filter let {answer['filter_coverage']:.1%} act of what wanted to.")
    for row in answer["missing"]:
        OUT.print(f"Missing: {row['symbol']} at {row['bars']} bars: {row['reason']}")
    for word in (*answer["notes"], *answer["warnings"]):
        OUT.print(f"Note: {word}")
    OUT.print(f"Written to {answer['out']}" + (f" (MLflow run {answer['run_id']})" if answer["run_id"] else ""))


def versions(answer: list[dict[str, Any]]) -> None:
    """One line a version."""
    table = Table("version", "outcome", "aliases", "run")
    for row in answer:
        table.add_row(row["version"], row["outcome"], ", ".join(row["aliases"]), row["run_id"])
    OUT.print(table)


def journal(answer: list[dict[str, Any]]) -> None:
    """One line a decision."""
    table = Table("time", "event", "from", "to", "by", "reason")
    for row in answer:
        table.add_row(
            row["time"][:19], row["event"], row["from_version"] or "", row["to_version"] or "", row["by"], row["reason"]
        )
    OUT.print(table)


def quality(answer: dict[str, Any]) -> None:
    """The quality report, one line a symbol."""
    kinds = (
        "rows", "kept", "missing", "duplicates", "conflicts", "impossible",
        "off_grid", "out_of_session", "forming", "zero_volume", "jumps",
    )  # fmt: skip
    table = Table(
        "symbol", "first", "last", *(kind.replace("_", " ") for kind in kinds), title=str(answer["timetable"])
    )
    for row in answer["symbols"]:
        table.add_row(
            row["symbol"], (row["first"] or "")[:16], (row["last"] or "")[:16], *(str(row[kind]) for kind in kinds)
        )
    OUT.print(table)
    for reason, count in answer["quarantined"].items():
        OUT.print(f"Quarantined: {count} rows, {reason}")
    for note in answer["notes"]:
        OUT.print(f"Note: {note}")


def holdings(answer: list[dict[str, Any]]) -> None:
    """What the store holds, one line a source and interval."""
    table = Table("source", "interval", "symbols", "bars", "first", "last")
    for row in answer:
        symbols = row["symbols"]
        table.add_row(
            row["source"], row["interval"], str(len(symbols)), str(sum(s["bars"] for s in symbols)),
            min((s["first"] for s in symbols), default=""), max((s["last"] for s in symbols), default=""),
        )  # fmt: skip
    OUT.print(table)


def announced(answer: list[dict[str, Any]]) -> None:
    """One line a bar."""
    table = Table("bar end", "status", "reason")
    for row in answer:
        table.add_row(row["bar_end"], row["status"], row["reason"])
    OUT.print(table)


def retained(answer: dict[str, Any]) -> None:
    """What stays and why, and what goes."""
    table = Table("version", "stays because it is")
    for row in answer["stays"]:
        table.add_row(row["version"], row["because"])
    OUT.print(table)
    OUT.print(answer["summary"])


def audit(answer: dict[str, Any]) -> None:
    """Law x object, the proofs of what is broken, and the paths of combinatorial cross-validation."""
    laws = list(answer["laws"])
    table = Table("kind", "object", *laws, title=f"Leak suite, certificate {answer['certificate']}", box=SIMPLE_HEAD)
    table.columns[1].no_wrap = True
    cells: dict[tuple[str, str], dict[str, bool]] = {}
    for finding in answer["findings"]:
        cells.setdefault((finding["kind"], finding["object"]), {})[finding["law"]] = finding["passed"]
    for (kind, name), passed in cells.items():
        table.add_row(
            kind, name, *("" if law not in passed else "[green]ok[/]" if passed[law] else "[red]NO[/]" for law in laws)
        )
    OUT.print(table)
    for law, sentence in answer["laws"].items():
        OUT.print(f"{law:4} {sentence}: " + ("[red]broken[/]" if law in answer["broken"] else "[green]holds[/]"))
    for finding in answer["findings"]:
        if finding["law"] in ("L6", "L7", "L8"):
            OUT.print(f"{finding['law']:4} {finding['object']}: {finding['note']}.")
        if not finding["passed"]:
            proof = finding["proof"] or {}
            where = f" at {proof['symbol']} {proof['bar_end']}: {proof['before']} became {proof['after']} with {proof['change']}"
            OUT.print(f"[red]{finding['law']} {finding['object']}[/]{where if proof else ''} {finding['note']}")
    paths = ", ".join(f"{value:+.2%}" for value in answer["paths"])
    OUT.print(f"RPSS of {answer['candidate']} on each path of combinatorial purged cross-validation: {paths}.")


def drift(answer: dict[str, Any]) -> None:
    """What moved, what is as it was, what can't be said, and where the pages are."""
    spans = answer["compared"]
    OUT.print(
        f"Version {answer['version']} of {answer['model']} as of {answer['as_of']}: the newest sessions against "
        f"{spans['reference'][0]} to {spans['reference'][1]}, which it learned from."
    )
    table = Table("cause", "sessions", "state", "reading", box=SIMPLE_HEAD)
    colours = {"moved": "red", "ok": "green", "not_enough_history": "yellow"}
    for row in answer["readings"]:
        if row["cause"] not in ("feature", "level") or (row["cause"] == "feature" and row["state"] == "moved"):
            state = f"[{colours[row['state']]}]{row['state'].replace('_', ' ')}[/]"
            table.add_row(row["cause"], str(row["sessions"]), state, row["reason"])
    OUT.print(table)
    for row in answer["realised"][:1]:
        OUT.print(
            f"Realised over {row['sessions']} sessions: RPSS {row['rpss']:+.2%}, DIR {row['dir']:+.2%}, IC {row['ic']:+.3f}, "
            f"hits {row['hit_rate']:.1%}."
        )
    for alert in answer["alerts"]:
        OUT.print(f"[red]{alert['severity']}[/] since {alert['opened']}: {alert['reason']}")
    if answer["retrain"]:
        OUT.print("This asks for a new candidate: mm run")
    for kind, file in answer["reports"].items():
        OUT.print(f"{kind:14} {file}")


def backtest(answer: dict[str, Any]) -> None:
    """The verdict, then the numbers of each book with their intervals, costs and luck."""
    OUT.print(f"[bold]{answer['sentence']}[/]")
    span = answer["span"]
    OUT.print(
        f"Version {answer['version']} on {answer['index']}, {span['first']} to {span['last']}: {span['sessions']} sessions, "
        f"{span['signals']} signals. Traded is {answer['instrument']}. {answer['rules']}"
    )
    books = {
        "signal on the index": "index_book",
        "constituents": "constituents_book",
        "bought and held": "buy_and_hold",
    }
    table = Table("net, by session", *books, box=SIMPLE_HEAD)
    for name in ("sharpe", "cagr", "volatility", "max_drawdown", "mean"):
        table.add_row(name.replace("_", " "), *(_with_interval(answer[book], name) for book in books.values()))
    OUT.print(table)
    costs = Table("costs", "one way", "mean a session", "sharpe", "in all", box=SIMPLE_HEAD)
    for row in answer["costs"]:
        cells = (_with_interval(row["measures"], name) for name in ("mean", "sharpe", "total"))
        costs.add_row(f"{row['multiple']:g}x", f"{1e4 * row['rate']:.2f} bp", *cells)
    OUT.print(costs)
    even, told, luck = answer["dealings"]["break_even"], answer["forecast"], answer["luck"]
    if even is not None:
        OUT.print(f"Break-even cost {1e4 * even:.2f} bp one way; {answer['dealings']['trades']} round trips.")
    if told["ic"] is not None:
        OUT.print(
            f"WSS and the index's next return: IC {told['ic']:+.4f}, t {told['ic_t']:.2f} (Newey-West) over {told['bars']} bars."
        )
    if luck["psr"] is not None:
        OUT.print(
            f"Sharpe above 0: {luck['psr']:.0%} sure; above the best of {luck['trials']} trials without skill: {luck['dsr']:.0%}."
        )
    for kind, file in answer["files"].items():
        OUT.print(f"{kind:14} {file}")


def paper(answer: dict[str, Any]) -> None:
    """What the logged signals earned, and where they are not the backtest's."""
    OUT.print(f"[bold]{answer['sentence']}[/]")
    OUT.print(
        f"{answer['index']}, {answer['first']} to {answer['last']}: {answer['bars']} bars of {answer['instrument']}."
    )
    OUT.print(
        f"{answer['traded']} signals acted upon, {answer['backfilled']} backfilled and left, {answer['late']} late, "
        f"{answer['silent']} bars without one."
    )
    for row in answer["differing"]:
        OUT.print(
            f"{row['bar_end']}: logged {row['logged']} ({row['logged_wss']:+.4f}), backtested {row['backtested']}."
        )
    OUT.print(f"paper          {answer['files']['paper']}")


def _with_interval(book: dict[str, Any], name: str) -> str:
    value, band = book["values"][name], book["intervals"].get(name)
    form = {"sharpe": "{:+.2f}", "mean": "{:+.3%}"}.get(name, "{:+.1%}")
    around = f"\n[{form.format(band[0])}, {form.format(band[1])}]" if band else ""
    return "" if value is None else form.format(value) + around


def replay(answer: dict[str, Any]) -> None:
    """Identical, or where not."""
    told = "[green]identical[/]" if answer["identical"] else "[red]not identical[/]"
    OUT.print(
        f"{answer['signal']['signal']} {answer['signal']['signal_for']} (WSS {answer['signal']['wss']:+.3f}), {answer['source']} "
        f"at {answer['as_of']} by version {answer['version']}: made again it is {told}."
    )
    for name, pair in answer["hashes"].items():
        if pair["served"] != pair["now"]:
            OUT.print(f"[red]{name}[/] hashed to {pair['served'][:12] or 'nothing'} then, {pair['now'][:12]} now.")
    for row in answer["differences"][:20]:
        OUT.print(f"{row['where']}: served {row['served']}, rebuilt {row['rebuilt']}")


def document(answer: Any) -> None:
    """Anything else, as coloured JSON."""
    OUT.print(JSON.from_data(answer))


def _explanation(row: dict[str, Any]) -> None:
    """What moved WSS, the largest moves first; the features' groups move a symbol's expected score."""
    if row["since"] is None:
        OUT.print(f"Nothing to compare with: {row['reason']}")
        return
    title = f"WSS {row['wss_before']:+.3f} ({row['signal_before']}) at {row['since']}, moved by {row['wss_move']:+.3f}"
    table = Table("symbol", "score", "move", "by score", "by weight", "expected", "most by", title=title)
    for move in row["moves"][:MOVES]:
        was, is_now = ("-" if score is None else f"{score:+d}" for score in (move["score_before"], move["score"]))
        most = max(move["by_group"].items(), key=lambda item: abs(item[1]), default=None)
        table.add_row(
            move["symbol"], f"{was} to {is_now}", *(f"{move[name]:+.3f}" for name in ("move", "by_score", "by_weight")),
            "" if move["expected_move"] is None else f"{move['expected_move']:+.3f}",
            f"{most[0]} {most[1]:+.3f}" if most else "",
        )  # fmt: skip
    OUT.print(table)


def _data(row: dict[str, Any]) -> None:
    OUT.print(
        f"\nData: {row['rows']:,} bars of {row['symbols']} symbols ({row['constituents']} constituents, {row['index_share']:.0%} "
        f"of the index) from {row['provider']}, {row['first']} to {row['last']}, {row['sessions']} sessions, the last "
        f"{row['holdout_sessions']} held out; {row['features']} features."
    )
    dropped = ", ".join(f"{count:,} {kind.replace('_', ' ')}" for kind, count in row["dropped"].items() if count)
    if dropped:
        OUT.print(f"Dropped or quarantined: {dropped}.")
    for note in row["notes"][:8]:
        OUT.print(f"Note: {note}")


def _leaderboard(
    rows: list[dict[str, Any]],
    winner: str,
    title: str = "Leaderboard (walk-forward, out of sample; baselines in grey)",
) -> None:
    columns = ("candidate", "RPSS", "VOL", "DIR", "90 % interval", "t", "IC", "macro-F1 (null)", "ECE", "fit s")
    table = Table(*columns, title=title, box=SIMPLE_HEAD)
    for row in rows:
        table.add_row(
            row["candidate"], f"{row['rpss']:+.2%}", f"{row['vol']:+.2%}", f"{row['dir']:+.2%}",
            f"{row['intervals']['dir'][0]:+.2%} {row['intervals']['dir'][1]:+.2%}", f"{row['dir_t']:+.1f}",
            f"{row['ic']:+.3f}", f"{row['macro_f1']:.3f} ({row['macro_f1_null']:.3f})", f"{row['ece']:.3f}",
            f"{row['fit_seconds']:.1f}",
            style="bold" if row["candidate"] == winner else "bright_black" if row["kind"] == "baseline" else None,
        )  # fmt: skip
    OUT.print(table)


def _verdicts(rows: list[dict[str, Any]]) -> None:
    table = Table("rule", "verdict", "reason", title="Verdicts of the gate")
    for row in rows:
        word = "[green]passed[/]" if row["passed"] else f"[red]failed ({row['severity']})[/]"
        table.add_row(row["rule"], word, row["reason"])
    OUT.print(table)
