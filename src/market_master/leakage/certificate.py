"""Audit: the leak suite over the configured pipeline, and the certificate of what it proved."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from market_master import features
from market_master.config import Settings
from market_master.domain import NEW_RECIPE
from market_master.files import write_atomic
from market_master.leakage import FAST_LAWS, LAWS, Finding, Proof
from market_master.leakage.checks import run_checks
from market_master.leakage.recipe_checks import cpcv_path_scores
from market_master.leakage.subject import AuditedPipeline
from market_master.market_data.ingest import fetch
from market_master.provenance import code_hash
from market_master.registry.versions import Versions
from market_master.stats.overfitting import pbo
from market_master.training import Comparison, Experiment, build_experiment, lane_of, recipe_hash
from market_master.training.compare import compare


@dataclass(frozen=True)
class Certificate:
    """What was proved about a pipeline; it holds for as long as its key does, on newer bars too."""

    key: str
    made: str
    facts: dict[str, str]
    """what the key is made of"""
    laws: tuple[str, ...]
    """that were checked"""
    findings: tuple[Finding, ...]

    @property
    def broken(self) -> tuple[str, ...]:
        """Laws that did not hold."""
        return tuple(law for law in self.laws if any(f.law == law and not f.passed for f in self.findings))

    def to_json(self) -> str:
        """The certificate as a JSON document."""
        return json.dumps(asdict(self) | {"broken": self.broken}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Certificate:
        """What `to_json` wrote."""
        values = json.loads(text)
        findings = tuple(
            Finding(**{**finding, "proof": Proof(**finding["proof"]) if finding["proof"] else None})
            for finding in values["findings"]
        )
        return cls(values["key"], values["made"], values["facts"], tuple(values["laws"]), findings)


def certify(
    experiment: Experiment, comparison: Comparison, home: Path, *, full: bool | None = None, again: bool = False
) -> Certificate:
    """The certificate of this pipeline: the kept one while its key holds and it is full enough, else a new one.

    The fast laws are L1 to L4 and L9 to L11; a full one holds L5 to L8 too, and unless told it is made where the gate will
    need it: for any recipe but the champion's. It is kept in data/certificates/.
    """
    facts = _facts(experiment, comparison)
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    file = home / "data" / "certificates" / f"{key}.json"
    if full is None:
        champion = Versions(home, experiment.settings.registry.model).production_card()
        full = lane_of(facts["recipe"], champion) == NEW_RECIPE
    laws = tuple(LAWS) if full else FAST_LAWS
    if file.exists() and not again:
        stored = Certificate.from_json(file.read_text(encoding="utf-8"))
        if set(laws) <= set(stored.laws):
            return stored
    pipeline = AuditedPipeline.of(experiment, comparison)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    certificate = Certificate(key, created, facts, laws, tuple(run_checks(pipeline, laws)))
    write_atomic(file, certificate.to_json().encode())
    return certificate


def audit_pipeline(settings: Settings, home: Path, now: int) -> dict[str, Any]:
    """The whole leak suite over the configured pipeline on its own bars, and the paths of combinatorial cross-validation."""
    experiment = build_experiment(fetch(settings, home, now), settings)
    comparison = compare(experiment, home)
    certificate = certify(experiment, comparison, home, full=True, again=True)
    return {
        "certificate": certificate.key,
        "facts": certificate.facts,
        "candidate": comparison.winner,
        "broken": list(certificate.broken),
        "laws": {law: LAWS[law] for law in certificate.laws},
        "findings": [asdict(finding) for finding in certificate.findings],
        "paths": cpcv_path_scores(AuditedPipeline.of(experiment, comparison)),
        "pbo": pbo(comparison.daily) if comparison.daily.shape[1] > 1 else None,
    }


def _facts(experiment: Experiment, comparison: Comparison) -> dict[str, str]:
    hashes, settings = features.fingerprint(experiment.features.names), experiment.settings
    return {
        "features": features.combined(hashes),
        "label": json.dumps(settings.label.model_dump(), sort_keys=True),
        "recipe": recipe_hash(comparison, hashes, settings),
        "timetable": json.dumps(asdict(experiment.market.bars.timetable)),
        "code": code_hash(),
    }
