"""Errors: every refusal is a class, with a sentence and its numbers."""

from __future__ import annotations

from typing import Any


class MarketMasterError(Exception):
    """Base of all refusals: `title` names the kind, `str(error)` is the sentence, `numbers` what it counted."""

    def __init__(self, sentence: str, **numbers: Any) -> None:
        super().__init__(sentence)
        self.numbers = numbers

    @property
    def title(self) -> str:
        """The kind of refusal: the name of its class."""
        return type(self).__name__


class Failed(MarketMasterError):
    """A failure without a kind of its own."""


class ConfigError(MarketMasterError):
    """A setting, path or option that can't be used."""


class RunnerError(MarketMasterError):
    """The processes or the cluster that should do the work can't be had."""


class NotWritten(MarketMasterError):
    """A file that could not be written whole; what it held before is still there."""


class DataError(MarketMasterError):
    """Bars, weights or files that are missing, invalid or too few."""


class NoBars(DataError):
    """A source answered without a single usable bar."""


class NotOhlcv(DataError):
    """A file that does not hold open, high, low, close and volume by bar; refused whole, by name."""


class BadBars(DataError):
    """Bars that break the bar contract; `rows` lists bar, field and rule (at most 20)."""


class TooFewBars(DataError):
    """Fewer bars than the features, or fewer sessions than the folds, need."""


class InSample(DataError):
    """Bars that a version learned from: a backtest on them says nothing."""


class IntervalMismatch(DataError):
    """Bars of another interval than the champion was trained on."""


class ContextMissing(DataError):
    """Market features need the other symbols at the same bar_end, and they are not there."""


class NoFundamentals(DataError):
    """No report of a company was known at the bar."""


class HistoryDisagrees(DataError):
    """A posted bar that the store has with other values."""


class HistoryGap(DataError):
    """Bars of the calendar are missing between what is stored and what was posted."""


class MixedGrid(DataError):
    """Symbols whose bars lie on different grids can't share one time axis."""


class UnknownSymbol(DataError):
    """A symbol the store has no bars of."""


class UnknownReport(DataError):
    """A report that is not there."""


class NoSignal(DataError):
    """No signal was logged for the time that was asked about."""


class MissingWeight(DataError):
    """A constituent without a weight at the bar; never counted as 0."""


class ProviderAway(DataError):
    """A provider gave no answer, however often it was asked."""


class ProviderRefused(DataError):
    """A provider refuses what it is asked for: the key, the symbol, the range."""


class MalformedAnswer(DataError):
    """A provider's answer breaks the schema that was agreed; none of it is taken."""


class FetchCoverage(DataError):
    """The fetch left less than 80 % of the universe's weight."""


class LowCoverage(DataError):
    """Too small a share of the index weight has a fresh action; no signal is not HOLD."""


class StaleData(DataError):
    """The newest bar is older than the policy allows."""


class BadTargets(DataError):
    """Targets that a backtest can't trade: of another shape, beyond all capital, or known only after their bar."""


class RowRefused(DataError):
    """A row, or a value to look for, that the prediction log will never take."""


class ModelError(MarketMasterError):
    """A registry or a model that can't be used."""


class NoChampion(ModelError):
    """No model version stands behind the alias `production`."""


class NoForecast(ModelError):
    """A price was asked for, and no model that forecasts prices is served."""


class NoTrackRecord(ModelError):
    """No version is served that knows what patterns and rules were worth."""


class RegistryAway(ModelError):
    """The registry gives no answer."""


class LogAway(ModelError):
    """The prediction log can't be reached."""


class UnknownVersion(ModelError):
    """A version the registry does not have."""


class FingerprintMismatch(ModelError):
    """The feature code that runs is not the feature code the model was trained with."""


class JournalBroken(ModelError):
    """The journal's hash chain does not hold."""


class NotPromotable(ModelError):
    """A version that may not be put behind `production`: it never passed the gate, or stands there already."""


class OrchestratorAway(MarketMasterError):
    """The Prefect server gives no answer, or has no deployment to start."""


class TrainingRefused(MarketMasterError):
    """A training that its form does not take."""


class UnknownTraining(MarketMasterError):
    """A training that Prefect does not have."""
