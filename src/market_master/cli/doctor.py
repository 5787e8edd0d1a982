"""Diagnosis: what works here, what is off, and how to switch it on."""

from __future__ import annotations

import platform
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from rich.table import Table

from market_master import config
from market_master.cli.common import OUT, Config, command, load_settings, model_name
from market_master.domain import ConfigError, MarketMasterError, NoChampion, iso
from market_master.optional import OPTIONAL_PARTS

State = Literal["ok", "off", "wrong"]
STATE_COLOURS = {"ok": "green", "off": "yellow", "wrong": "red"}
PREFECT_SECONDS = 2.0


def render_checks(checks: list[dict[str, str]]) -> None:
    """A line a part."""
    table = Table("part", "state", "what is known")
    for check in checks:
        colour = STATE_COLOURS[check["state"]]
        table.add_row(check["part"], f"[{colour}]{check['state']}[/{colour}]", check["detail"])
    OUT.print(table)


def _any_wrong(checks: list[dict[str, str]]) -> bool:
    return any(check["state"] == "wrong" for check in checks)


@command("doctor", table=render_checks, failed=_any_wrong)
def doctor(config_file: Config = None) -> list[dict[str, str]]:
    """What works here, what is off and how to switch it on; exit 1 when something is wrong.

    Example: mm doctor --config configs/us_1h.yaml
    """
    parts: dict[str, Callable[[], tuple[State, str]]] = {
        "python": lambda: ("ok", platform.python_version()),
        "home": _home,
        "config": lambda: ("ok", load_settings(config_file).name),
        "bars": _bars,
        "champion": lambda: _champion(model_name(config_file)),
        "prediction log": _prediction_log,
        "prefect": _prefect,
    }
    checks = [_check(part, look) for part, look in parts.items()]
    for part in OPTIONAL_PARTS:
        here = part.version
        detail = f"{here}, for {part.purpose}" if here else f"{part.purpose} is off; switch it on: {part.remedy}"
        checks.append({"part": part.library, "state": "ok" if here else "off", "detail": detail})
    return checks


def _check(part: str, look: Callable[[], tuple[State, str]]) -> dict[str, str]:
    """A part's line; whatever goes wrong with it is a line too."""
    try:
        state, detail = look()
    except MarketMasterError as error:
        state, detail = "wrong", f"{error.title}: {error}"
    except Exception as error:
        state, detail = "wrong", f"{type(error).__name__}: {error}"
    return {"part": part, "state": state, "detail": detail}


def _home() -> tuple[State, str]:
    home = config.home()
    if not home.is_dir():
        raise ConfigError(f"MM_HOME is {home}, which is no folder.")
    probe = home / ".mm-doctor"
    try:
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise ConfigError(f"{home} can't be written to ({error.strerror}).") from error
    return "ok", str(home)


def _bars() -> tuple[State, str]:
    from market_master.market_data.store import stores

    held = [
        f"{len(store.symbols())} symbols of {store.source}, {store.interval}"
        for store in stores(config.home() / "data")
    ]
    return ("ok", "; ".join(held)) if held else ("off", "none is stored; mm run fetches them")


def _champion(model: str) -> tuple[State, str]:
    from market_master.registry.champion import load_champion

    try:
        champion = load_champion(config.home(), model)
    except NoChampion as error:
        return "off", str(error)
    return "ok", f"version {champion.ref.version} of {model}, trained until {champion.card.train_last}"


def _prediction_log() -> tuple[State, str]:
    from market_master.prediction_log import PredictionLog

    url = config.predictions_url()
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists():
        return "off", "nothing is logged yet; mm signal and the server begin it"
    rows = PredictionLog(url).recent(1)
    return "ok", f"newest prediction made at {iso(rows[0]['bar_end'])}" if rows else "empty"


def _prefect() -> tuple[State, str]:
    import httpx

    url = config.prefect_url()
    try:
        httpx.get(f"{url}/health", timeout=PREFECT_SECONDS).raise_for_status()
    except httpx.HTTPError as error:
        return "off", f"no server at {url} ({type(error).__name__}); make ui starts one. mm works without"
    return "ok", url
