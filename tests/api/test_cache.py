"""The same request has the same answer; Redis makes it quicker, and its absence no slower."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
import redis

from market_master.domain import clock
from market_master.registry.versions import Versions
from tests.support.servers import MODEL, another_version, free_port, in_process, newest_bars, on_a_port, wait_for

ADMIN = {"X-API-Key": "ruler"}


@contextmanager
def running_redis(folder) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A real Redis on a free port."""
    if not shutil.which("redis-server"):
        pytest.fail("redis-server is missing; on Debian: apt-get install redis-server")
    port = free_port()
    command = ["redis-server", "--port", str(port), "--save", "", "--dir", str(folder), "--bind", "127.0.0.1"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    client = redis.Redis(port=port)
    try:
        wait_for(lambda: _responds(client), process)
        yield f"redis://127.0.0.1:{port}/0", process
    finally:
        client.close()
        process.kill()
        process.wait()


def _responds(client):
    try:
        return client.ping()
    except redis.RedisError:
        return False


def test_the_same_request_is_answered_from_memory(trained_home) -> None:
    """Byte for byte but for its age; another body, or dropping the symbol, is answered anew."""
    with in_process(trained_home, MM_ADMIN_KEYS="ruler") as running:
        body = newest_bars(trained_home)
        first, repeated = running.post("/predict", json=body).json(), running.post("/predict", json=body).json()
        first["provenance"]["staleness_seconds"] = repeated["provenance"]["staleness_seconds"] = 0
        assert first == repeated
        assert running.get("/cache/stats").json() | {"most": 0} == {
            "kind": "memory", "entries": 1, "most": 0, "hits": 1, "misses": 1
        }  # fmt: skip
        body["bars"][-1]["volume"] += 1
        assert running.post("/predict", json=body).json()["probabilities"] != first["probabilities"]
        assert running.delete("/cache/S002", headers=ADMIN).json() == {"dropped": 0}
        assert running.delete("/cache/S001", headers=ADMIN).json() == {"dropped": 2}
        assert running.get("/cache/stats").json()["entries"] == 0


def test_the_age_of_a_cached_answer_is_its_own(trained_home, monkeypatch) -> None:
    """`staleness_seconds` counts on while the answer lies in the cache."""
    with in_process(trained_home) as running:
        body = newest_bars(trained_home)
        before = running.post("/predict", json=body).json()["provenance"]["staleness_seconds"]
        later = clock.now() + 3600
        monkeypatch.setattr("market_master.domain.clock.now", lambda: later)
        assert running.post("/predict", json=body).json()["provenance"]["staleness_seconds"] >= before + 3600
        assert running.get("/cache/stats").json()["hits"] == 1


def test_a_forming_bar_that_has_closed_is_no_longer_left_out(trained_home, monkeypatch) -> None:
    """An answer that left out a forming bar holds until that bar's end: the same body then has another answer."""
    body = newest_bars(trained_home, count=61)
    newest, before = body["bars"][-1]["timestamp"], body["bars"][-2]["timestamp"]
    with in_process(trained_home) as running:
        champion = running.app.state.model_server.live_model().model  # type: ignore[attr-defined]
        end = int(champion.store(trained_home).bars(("S001",), last=1).bar_end[-1])
        for moment, start in ((end - 60, before), (end - 1, before), (end, newest)):
            monkeypatch.setattr("market_master.domain.clock.now", lambda moment=moment: moment)
            bars = champion.store(trained_home).bars(("S001",), last=2)
            at = [bar["timestamp"] for bar in body["bars"][-2:]].index(start)
            response = running.post("/predict", json=body).json()
            assert response["as_of"] == _iso(bars.bar_end[at])
        assert running.get("/cache/stats").json()["hits"] == 2  # the third was found, and was too old


def _iso(instant):
    from market_master.domain.clock import iso

    return iso(instant)


@pytest.mark.long
def test_workers_share_answers_through_redis_and_go_on_without_it(trained_home, tmp_path) -> None:
    """What one server answered another finds; when Redis dies every request is still answered, limits hold on their own."""
    body = newest_bars(trained_home)
    with running_redis(tmp_path) as (address, process):
        environ = {"MM_REDIS_URL": address, "MM_ADMIN_KEYS": "ruler", "MM_RATE_LIMIT": "1000/hour"}
        with in_process(trained_home, **environ) as first_server:
            first = first_server.post("/predict", json=body).json()
            with in_process(trained_home, **environ) as second_server:
                cached = second_server.post("/predict", json=body).json()
                assert second_server.get("/cache/stats").json() == {
                    "kind": "redis",
                    "reachable": True,
                    "hits": 1,
                    "misses": 0,
                }
                assert cached["probabilities"] == first["probabilities"]
                assert second_server.delete("/cache/S001", headers=ADMIN).json() == {"dropped": 1}
                process.kill()
                process.wait()
                for _ in range(5):
                    again = second_server.post("/predict", json=body)
                    assert again.status_code == 200
                    assert again.json()["probabilities"] == first["probabilities"]
                assert second_server.get("/cache/stats").json()["reachable"] is False
                assert second_server.delete("/cache/S001", headers=ADMIN).json() == {"dropped": 0}


@pytest.mark.long
def test_several_workers_are_one_server(trained_home, tmp_path) -> None:
    """Two processes: the limit is one, the metrics are summed, the answers are the same and name the version."""
    body = newest_bars(trained_home)
    environ = {"MM_WORKERS": "2", "MM_READ_KEYS": "desk,prometheus", "MM_RATE_LIMIT": "60/hour"}
    with running_redis(tmp_path) as (address, _), on_a_port(trained_home, MM_REDIS_URL=address, **environ) as port:
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: httpx.get(f"{url}/ready", headers={"X-API-Key": "prometheus"}).status_code == 200)
        responses = []
        while not responses or responses[-1].status_code == 200:
            responses.append(httpx.post(f"{url}/predict", json=body, headers={"X-API-Key": "desk"}))
        assert (len(responses), responses[-1].status_code) == (61, 429)
        assert len({response.json()["probabilities"]["hold"] for response in responses[:-1]}) == 1
        assert {response.headers["x-model-version"] for response in responses} == {"1"}
        page = httpx.get(f"{url}/metrics", headers={"X-API-Key": "prometheus"}).text
        assert 'mm_request_seconds_count{route="/predict",status="200"} 60.0' in page


@pytest.mark.long
def test_every_worker_follows_the_alias(altered, tmp_path) -> None:
    """Each connection falls to either of two processes: after the alias has moved all of them answer by the new version."""
    second, environ = another_version(altered, tmp_path / "second"), {"MM_WORKERS": "2", "MM_READ_KEYS": "desk"}
    body = newest_bars(altered)

    def versions(port: int) -> set[str]:
        """Of the answers over fifty connections of their own."""
        url, key = f"http://127.0.0.1:{port}", {"X-API-Key": "desk"}
        responses = [httpx.post(f"{url}/predict", json=body, headers=key) for _ in range(50)]
        assert {response.status_code for response in responses} <= {200, 503}
        return {response.headers["x-model-version"] for response in responses if response.status_code == 200}

    with on_a_port(altered, **environ) as port:
        wait_for(lambda: versions(port) == {"1"})
        Versions(altered, MODEL).set_alias("production", second)
        wait_for(lambda: versions(port) == {second}, seconds=30)
