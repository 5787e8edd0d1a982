"""Deployment: a Prefect server if none answers, work pool, deployments and one worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from filelock import FileLock, Timeout
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.events.actions import RunDeployment
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectAlreadyExists
from prefect.workers.process import ProcessWorker

from flows.monitoring import RETRAIN, SERVED
from flows.recurrence import recurrence_rule
from flows.runs import load_settings
from market_master import config
from market_master.config.environment import variables
from market_master.domain import ConfigError, Failed, MarketMasterError, Timetable, clock

DEPLOYMENTS = config.PROJECT_ROOT / "deployments" / "prefect.yaml"
POOL = "local"
DEPLOYMENT_OF_EVENT = {RETRAIN: "training/weekly", SERVED: "approval/shadow"}
START_TIMEOUT = 180.0
"""seconds that a server has to answer"""
STOP_TIMEOUT = 30.0
"""seconds that a server or worker has to end"""


def after_each_bar(config: str, minutes: int) -> dict[str, str]:
    """A step of deployments/prefect.yaml: the recurrence rule that meets each bar's close, by the exchange's calendar."""
    settings = load_settings(config)
    grid = "clock" if getattr(settings.provider, "grid", "") == "clock" else "session"
    timetable = Timetable(settings.calendar, settings.interval, grid)
    rrule, zone = recurrence_rule(timetable, clock.now(), minutes_after=minutes)
    return {"rrule": rrule, "timezone": zone}


def deploy(environ: Mapping[str, str]) -> None:
    """Put the deployments on the server and work on them until told to stop; ends what it started.

    Where another `make deploy` of this home works already, the deployments are renewed and nothing is started.
    """
    address = config.prefect_url(environ)
    file = config.file_of(environ.get("MM_CONFIG") or "demo").absolute()
    chosen = file.stem if file == config.file_of(file.stem) else str(file)
    variables = {**environ, "PREFECT_API_URL": address, "MM_HOME": str(config.home(environ)), "MM_CONFIG": chosen}
    settings = load_settings(chosen)
    start = time.monotonic()
    with server(address, variables):
        _pool(address)
        _prefect(variables, "deploy", "--all", "--prefect-file", str(DEPLOYMENTS))
        _automations(address)
        print(f"Prefect      {address.removesuffix('/api')}\nDeployed     {DEPLOYMENTS.name} for {settings.name}")
        try:
            with (
                FileLock(config.home(environ) / "data" / "prefect" / "worker.lock", timeout=0),
                _worker(variables) as worker,
            ):
                print(
                    f"Worker       on pool '{POOL}', {time.monotonic() - start:.0f} s after the start; Ctrl-C ends it"
                )
                code = worker.wait()
                raise Failed(f"The worker ended by itself, with code {code}; start again with `make deploy`.")
        except Timeout:
            print("Worker       one works already")


@contextmanager
def server(address: str, environ: Mapping[str, str]) -> Iterator[None]:
    """A Prefect server at an address: the one that answers there, or else one of our own for as long as the block runs.

    Raises ConfigError for a far server that does not answer.
    """
    if _is_up(address):
        yield
        return
    url = urlsplit(address)
    if url.hostname not in ("127.0.0.1", "localhost"):
        raise ConfigError(
            f"No Prefect server answers at {address}; start it, or unset PREFECT_API_URL for one of our own."
        )
    command = ("server", "start", "--host", url.hostname, "--port", str(url.port or 80))
    with _running(environ, *command) as process:
        end = time.monotonic() + START_TIMEOUT
        while not _is_up(address):
            if process.poll() is not None or time.monotonic() > end:
                raise ConfigError(f"No Prefect server came up at {address} within {START_TIMEOUT:.0f} s.")
            time.sleep(0.2)
        yield


def _pool(address: str) -> None:
    """The work pool, unless it is there."""
    template = ProcessWorker.get_default_base_job_template()
    with SyncPrefectClient(address) as client, suppress(ObjectAlreadyExists):
        client.create_work_pool(WorkPoolCreate(name=POOL, type=ProcessWorker.type, base_job_template=template))


def _automations(address: str) -> None:
    """What the monitoring's events start; made anew under the same names."""
    with SyncPrefectClient(address) as client:
        for event, name in DEPLOYMENT_OF_EVENT.items():
            deployment = client.read_deployment_by_name(name)
            for automation in client.read_automations_by_name(event):
                client.delete_automation(automation.id)
            client.create_automation(
                AutomationCore(
                    name=event,
                    description=f"Starts {name}.",
                    trigger=EventTrigger(expect={event}, posture=Posture.Reactive, threshold=1),
                    actions=[RunDeployment(deployment_id=deployment.id)],
                )
            )


def _worker(environ: Mapping[str, str]) -> AbstractContextManager[subprocess.Popen[bytes]]:
    return _running(environ, "worker", "start", "--pool", POOL, "--name", "market-master")


@contextmanager
def _running(environ: Mapping[str, str], *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """One of Prefect's programs in a session of its own: Ctrl-C reaches us alone, and we end it, with what it started."""
    process = subprocess.Popen(
        _command(*arguments),
        env=dict(environ),
        cwd=config.PROJECT_ROOT,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_TIMEOUT)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _prefect(environ: Mapping[str, str], *arguments: str) -> None:
    command = _command("--no-prompt", *arguments)
    done = subprocess.run(
        command, env=dict(environ), cwd=config.PROJECT_ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ConfigError(f"`prefect {' '.join(arguments)}` failed: {done.stdout} {done.stderr}")


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "prefect", *arguments]


def _is_up(address: str) -> bool:
    try:
        with urlopen(f"{address}/health", timeout=5) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


def main(arguments: list[str]) -> None:
    """The entry point; with `--server-only` there is a server, and nothing is deployed."""
    for interrupt in (signal.SIGINT, signal.SIGTERM):
        signal.signal(interrupt, signal.default_int_handler)
    try:
        if "--server-only" in arguments:
            with server(config.prefect_url(), variables()):
                signal.pause()
        else:
            deploy(variables())
    except KeyboardInterrupt:
        print("Stopped.")
    except MarketMasterError as error:
        sys.exit(f"{error.title}: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
