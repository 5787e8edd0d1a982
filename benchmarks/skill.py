"""Skill beside the peers' recipes: the same bars, labels, folds and scores. `python -m benchmarks.skill CONFIG [NAME=VALUE ...]`

    .venv/bin/python -m benchmarks.skill configs/crypto_1h.yaml MM_PROVIDER__PATH=../shared/data/crypto-1h/bars.parquet

The market's settings come from the config; the bars are stored in a temporary home. "as it comes" scores a peer's own
probabilities; "calibrated" puts them through the temperature, lambda and cuts that ours go through.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.peers import AncestorForest, DefaultForest, QlibLightGBM, alpha158, eleven
from market_master import config
from market_master.config import Settings
from market_master.domain import clock
from market_master.domain.actions import without_direction
from market_master.domain.arrays import Array
from market_master.market_data import ingest
from market_master.market_data.ingest import Market
from market_master.stats import metrics
from market_master.stats.daily import by_day, newey_west_se
from market_master.training.compare import compare
from market_master.training.experiment import build_experiment
from market_master.training.walk_forward import OutOfFold, calibrate_out_of_fold


@dataclass(frozen=True)
class Peer:
    """Stands where a recipe does: `learns` says whether its answers are calibrated."""

    learns: bool


def main() -> None:
    """Print the table."""
    settings, market = market_of_arguments()
    experiment = build_experiment(market, settings)
    comparison = compare(experiment)
    ground, found = comparison.fold_data, dict[str, OutOfFold]()
    forward = experiment.dataset.labels.forward_return
    peers: dict[str, tuple[Any, Any]] = {
        "Qlib: Alpha158, LightGBM": (alpha158, QlibLightGBM(market.bars, forward)),
        "ancestor: 11 features, weighted forest": (eleven, AncestorForest()),
        "ancestor: 11 features, default forest": (eleven, DefaultForest()),
    }
    for name, (build, model) in peers.items():
        values, raw = build(market.bars), []
        for fold in ground.folds:
            rows = _thinned(ground, fold.train)
            raw.append(model.answers(values, rows, fold.action, fold.test))
        for learns, how in ((False, "as it comes"), (True, "calibrated")):
            found[f"{name}, {how}"] = calibrate_out_of_fold(Peer(learns), raw, ground)  # type: ignore[arg-type]
    ours = comparison.out_of_fold[comparison.winner]
    rules = {name: oof for name, oof in comparison.out_of_fold.items() if name not in comparison.searches}
    mine = {name: oof for name, oof in comparison.out_of_fold.items() if name in comparison.searches}
    board = Table(
        "recipe", "RPSS %", "VOL %", "DIR %", "t", "IC", "ours leads RPSS by (SE)", "VOL by (SE)", "DIR by (SE)",
        title=f"{settings.name}: {len(ours.rows):,} rows out of fold; ours is {comparison.winner}",
    )  # fmt: skip
    for name, oof in {**mine, **found, **rules}.items():
        board.add_row(name, *score_cells(oof, market.bars.session), *lead_cells(ours, oof, market.bars.session))
    Console(width=170).print(board)


def market_of_arguments(defaults: dict[str, str] | None = None, **overrides: str) -> tuple[Settings, Market]:
    """The settings that the arguments name and the market they fetch; defaults come before theirs, overrides after."""
    arguments = dict(word.split("=", 1) for word in sys.argv[2:])
    environment = {name: value for name, value in os.environ.items() if name.startswith("MM_")}
    settings = config.load(Path(sys.argv[1]), {**environment, **(defaults or {}), **arguments, **overrides})
    with TemporaryDirectory() as home:
        return settings, ingest.fetch(settings, Path(home), clock.now())


def _thinned(ground: Any, rows: Any) -> Any:
    from market_master.training.folds import sample_timestamps

    mask = np.zeros(len(ground.bars), dtype=bool)
    mask[rows] = True
    return np.flatnonzero(sample_timestamps(mask, ground.bars.bar_end, ground.max_train_rows))


def _parts(oof: OutOfFold) -> tuple[Array, Array, Array]:
    """RPS of each row: its own, without direction, and the prior's."""
    flat = without_direction(oof.probabilities, oof.prior)
    return oof.rps, metrics.rps(flat, oof.action), metrics.rps(oof.prior, oof.action)


def score_cells(oof: OutOfFold, session: Array) -> list[str]:
    """RPSS, VOL and DIR in % of the prior's RPS, the t of DIR by day, and the IC."""
    own, flat, prior = _parts(oof)
    daily = by_day(flat - own, session[oof.rows])
    es = oof.probabilities @ np.arange(-2, 3)
    base, error = prior.mean(), newey_west_se(daily)
    shares = [(base - own.mean()) / base, (base - flat.mean()) / base, (flat - own).mean() / base]
    t = daily.mean() / error if error > 1e-12 else 0.0
    return [*(f"{100 * share:+.3f}" for share in shares), f"{t:+.1f}", f"{metrics.ic(es, oof.z):+.3f}"]


def lead_cells(ours: OutOfFold, other: OutOfFold, session: Array) -> list[str]:
    """By how much ours is better in RPSS, VOL and DIR, in % of the prior's RPS, and in standard errors by day."""
    cells = []
    mine, theirs = _parts(ours), _parts(other)
    for own, others in (
        (-mine[0], -theirs[0]),
        (-mine[1], -theirs[1]),
        (mine[1] - mine[0], theirs[1] - theirs[0]),
    ):
        daily = by_day(own - others, session[ours.rows]) / mine[2].mean()
        error = newey_west_se(daily)
        cells.append(f"{100 * daily.mean():+.3f} ({daily.mean() / error if error > 1e-15 else 0:+.1f})")
    return cells


if __name__ == "__main__":
    main()
