"""What each feature set adds, on the same bars, rows and folds. `python -m benchmarks.feature_sets CONFIG [NAME=VALUE ...]`

    .venv/bin/python -m benchmarks.feature_sets configs/us_1h.yaml MM_PROVIDER__PATH=../shared/data/us-1h-aligned/bars.parquet

Every set that is not in the base is added to it alone, and then all at once; only rows on which every feature is known are
learned from and scored. The hold-out is not looked at.
"""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.skill import lead_cells, market_of_arguments, score_cells
from market_master import features
from market_master.config import Settings
from market_master.plugins import load_family
from market_master.training.compare import compare
from market_master.training.experiment import Experiment, build_experiment
from market_master.training.feature_table import FeatureTable
from market_master.training.walk_forward import OutOfFold

BASE = ("core", "market", "long")
ADDED = tuple(sorted({plugin.metadata["set"] for plugin in load_family("features").values()} - set(BASE)))
CANDIDATES = {"MM_CANDIDATES": '["logistic", "lightgbm"]'}
"""unless others are named"""


def main() -> None:
    """Print the table."""
    settings, market = market_of_arguments(CANDIDATES, MM_FEATURES__SETS=json.dumps([*BASE, *ADDED]))
    experiment = build_experiment(market, settings)
    console, session = Console(width=150), market.bars.session
    base = out_of_fold(experiment, settings, BASE)
    table = Table(
        "sets", "features", "candidate", "RPSS %", "VOL %", "DIR %", "t", "IC", "adds to RPSS (SE)", "VOL (SE)", "DIR (SE)",
        title=f"{settings.name}: {len(experiment.dev_rows):,} development rows",
    )  # fmt: skip
    for name, added in {"base": (), **{one: (one,) for one in ADDED}, "all": ADDED}.items():
        scored = base if name == "base" else out_of_fold(experiment, settings, (*BASE, *added))
        count = len(features.select((*BASE, *added), settings.interval))
        for candidate in settings.candidates:
            oof = scored[candidate]
            leads = ["", "", ""] if name == "base" else lead_cells(oof, base[candidate], session)
            table.add_row(name, str(count), candidate, *score_cells(oof, session), *leads)
        console.print(f"{name}: scored", style="dim")
    console.print(table)


def out_of_fold(experiment: Experiment, settings: Settings, sets: tuple[str, ...]) -> dict[str, OutOfFold]:
    """The answers of each candidate that sees some sets only, on the rows that all sets are known on."""
    names = features.select(sets, settings.interval)
    whole = experiment.features
    values = whole.values[:, [whole.names.index(name) for name in names]]
    values[~whole.complete] = np.nan
    return compare(replace(experiment, features=FeatureTable(names, values, {}))).out_of_fold


if __name__ == "__main__":
    main()
