"""The monitoring flow leaves its tables, pages and events; the approval flow waits for its form."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from market_master import config
from market_master.prediction_log import PredictionLog
from market_master.registry.journal import journal_of
from market_master.registry.versions import Versions
from tests.support.flow_runs import newest_run
from tests.support.servers import MODEL, own_copy
from tests.support.shadowed_home import shadowed

pytestmark = [
    pytest.mark.long,
    pytest.mark.xdist_group("prefect"),
    pytest.mark.usefixtures("prefect_server", "without_evidently"),
]


def test_the_monitoring_flow_says_what_it_saw(trained_home: Path, home: Path) -> None:
    """Readings, performance and links are artifacts; the run is named by its bar and by what it came to."""
    from prefect.client.orchestration import get_client

    from flows.monitoring import monitoring

    own_copy(trained_home, home)
    check = monitoring("test")
    with get_client(sync_client=True) as client:
        keys = {artifact.key for artifact in client.read_artifacts()}
    run = newest_run("monitoring-test")
    assert {"readings", "realised", "monitoring", "evidently-5", "evidently-20", "index"} <= keys
    assert run.name == f"monitoring-test-{check.report.as_of}"
    assert run.state_name == ("Moved" if check.report.alarms else "Quiet")
    pages = {Path(file).name for file in check.report.reports.values()}
    assert pages <= {file.name for file in (home / "data" / "reports").iterdir()}


def test_the_approval_flow_waits_for_a_name_and_a_reason(trained_home: Path, home: Path) -> None:
    """Paused until the form is filled in; then the version in the shadow takes over, and the journal names who said so."""
    from prefect.client.orchestration import get_client

    from flows.approval import approval

    log = PredictionLog(config.predictions_url({"MM_HOME": str(home)}))
    shadowed(trained_home, home, log)
    form = {"approve": True, "by": "anna", "reason": "two good days"}

    def fill_in() -> None:
        with get_client(sync_client=True) as client:
            while True:
                paused = [run for run in client.read_flow_runs() if run.state is not None and run.state.is_paused()]
                if paused:
                    client.resume_flow_run(paused[0].id, run_input=form)
                    return
                time.sleep(0.5)

    somebody = threading.Thread(target=fill_in)
    somebody.start()
    move = approval("test")
    somebody.join()
    log.close()
    assert move is not None
    assert (move.event, move.by, move.to_version) == ("promoted", "anna", "2")
    assert Versions(home, MODEL).production() == "2"
    approved = next(entry for entry in journal_of(home).entries() if entry.event == "approved")
    assert approved.reason.startswith("two good days")
