"""The server beside an echo of the same body, and beside `mlflow models serve` with the same graph; after `make run`.

    .venv/bin/python -m benchmarks.serving                 # latency, index, start, throughput, swap
    .venv/bin/python -m benchmarks.serving latency index   # some of them
    .venv/bin/python -m benchmarks.serving soak --seconds 600

Servers run side by side and requests alternate between them, so that a busy machine slows both; medians over rounds.
"""

from __future__ import annotations

import argparse

from benchmarks.serving.latency import index, predictions
from benchmarks.serving.servers import MODEL
from benchmarks.serving.start import start
from benchmarks.serving.throughput import throughput
from benchmarks.serving.under_load import soak, swap
from market_master import config
from market_master.registry.champion import load_champion

PARTS = ("latency", "index", "start", "throughput", "swap", "soak")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="benchmarks.serving", description=__doc__.split("\n")[0])
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all but the soak unless named"
    )
    parser.add_argument("--seconds", type=float, default=600, help="of the soak")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"there is no {', '.join(sorted(unknown))}; the parts are {', '.join(PARTS)}")
    home = config.home()
    champion = load_champion(home, MODEL)
    card = champion.card
    facts = f"{card.candidate}, {len(card.features)} features, {len(card.symbols)} symbols"
    run = {
        "latency": lambda: predictions(champion, home, facts),
        "index": lambda: index(champion, home, facts),
        "start": lambda: start(champion, home),
        "throughput": lambda: throughput(champion, home, facts),
        "swap": lambda: swap(home, champion),
        "soak": lambda: soak(home, champion, arguments.seconds),
    }
    for part in arguments.parts or PARTS[:-1]:
        run[part]()


if __name__ == "__main__":
    main()
