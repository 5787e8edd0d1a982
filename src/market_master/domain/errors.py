"""Every refusal is a class with a sentence, its numbers, an exit code for the shell and a status for HTTP."""

from __future__ import annotations

from typing import Any


class MarketMasterError(Exception):
    """Base of all refusals: `title` names the kind, `str(error)` is the sentence, `numbers` what it counted."""

    title = "Failed"
    exit_code = 1
    status = 500

    def __init__(self, sentence: str, **numbers: Any) -> None:
        super().__init__(sentence)
        self.numbers = numbers


class ConfigError(MarketMasterError):
    """A setting, path or option that can't be used."""

    title = "ConfigError"
    exit_code = 2
    status = 500


class RunnerError(MarketMasterError):
    """The processes or the cluster that should do the work can't be had."""

    title = "RunnerError"


class NotWritten(MarketMasterError):
    """A file that could not be written whole; what it held before is still there."""

    title = "NotWritten"


class DataError(MarketMasterError):
    """Bars, weights or files that are missing, invalid or too few."""

    title = "DataError"
    exit_code = 3
    status = 422


class NoBars(DataError):
    """A source answered without a single usable bar."""

    title = "NoBars"


class NotOhlcv(DataError):
    """A file that does not hold open, high, low, close and volume by bar; refused whole, by name."""

    title = "NotOhlcv"


class BadBars(DataError):
    """Bars that break the bar contract; `rows` lists bar, field and rule (at most 20)."""

    title = "BadBars"


class TooFewBars(DataError):
    """Fewer bars than the features, or fewer sessions than the folds, need."""

    title = "TooFewBars"


class IntervalMismatch(DataError):
    """Bars of another interval than the champion was trained on."""

    title = "IntervalMismatch"


class ContextMissing(DataError):
    """Market features need the other symbols at the same bar_end, and they are not there."""

    title = "ContextMissing"


class MixedGrid(DataError):
    """Symbols whose bars lie on different grids can't share one time axis."""

    title = "MixedGrid"


class UnknownSymbol(DataError):
    """A symbol the store has no bars of."""

    title = "UnknownSymbol"
    status = 404


class UnknownReport(DataError):
    """A report that is not there."""

    title = "UnknownReport"
    status = 404


class NoSignal(DataError):
    """No signal was logged for the time that was asked about."""

    title = "NoSignal"
    status = 404


class MissingWeight(DataError):
    """A constituent without a weight at the bar; never counted as 0."""

    title = "MissingWeight"


class FetchCoverage(DataError):
    """The fetch left less than 80 % of the universe's weight."""

    title = "FetchCoverage"


class LowCoverage(DataError):
    """Too small a share of the index weight has a fresh action; no signal is not HOLD."""

    title = "LowCoverage"
    status = 503


class StaleData(DataError):
    """The newest bar is older than the policy allows."""

    title = "StaleData"
    status = 503


class BadTargets(DataError):
    """Targets that a backtest can't trade: of another shape, beyond all capital, or known only after their bar."""

    title = "BadTargets"


class RowRefused(DataError):
    """A row, or a value to look for, that the prediction log will never take."""

    title = "RowRefused"


class ModelError(MarketMasterError):
    """A registry or a model that can't be used."""

    title = "ModelError"
    exit_code = 4
    status = 503


class NoChampion(ModelError):
    """No model version stands behind the alias `production`."""

    title = "NoChampion"


class RegistryAway(ModelError):
    """The registry gives no answer."""

    title = "RegistryAway"


class LogAway(ModelError):
    """The prediction log can't be reached."""

    title = "LogAway"


class UnknownVersion(ModelError):
    """A version the registry does not have."""

    title = "UnknownVersion"
    status = 404


class FingerprintMismatch(ModelError):
    """The feature code that runs is not the feature code the model was trained with."""

    title = "FingerprintMismatch"


class JournalBroken(ModelError):
    """The journal's hash chain does not hold."""

    title = "JournalBroken"


class NotPromotable(ModelError):
    """A version that may not be put behind `production`: it never passed the gate, or stands there already."""

    title = "NotPromotable"
    status = 409


class OrchestratorAway(MarketMasterError):
    """The Prefect server gives no answer, or has no deployment to start."""

    title = "OrchestratorAway"
    status = 503


class TrainingRefused(MarketMasterError):
    """A training that its form does not take."""

    title = "TrainingRefused"
    status = 422


class UnknownTraining(MarketMasterError):
    """A training that Prefect does not have."""

    title = "UnknownTraining"
    status = 404
