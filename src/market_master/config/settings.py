"""Sections of the settings: typed, frozen, with their defaults and limits."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, field_validator, model_validator

from market_master.domain import Interval


class Section(BaseModel):
    """A part of the configuration: frozen, and a key it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, coerce_numbers_to_str=True)


class Universe(Section):
    """Which index, which symbols, which weights."""

    index: str = "NDX"
    signal_for: str = "/NQ"
    symbols: tuple[str, ...] = ()
    """empty = all that the provider has"""
    benchmark: str | None = None
    """the index's own bars, if any: never a constituent, never in breadth"""
    weights: Path | None = None
    """CSV: symbol,weight[,as_of]; empty = equal"""
    renamed: dict[str, str] = {}
    """a symbol of the table -> the one whose bars stand for it: an old name, or another class of shares"""


class ProviderSettings(Section):
    """Where bars come from: `kind` names a provider, the other keys are its own.

    Each provider declares its keys in a subclass beside it, by which `load` validates them; a model card's section is
    taken as it was stored, for a server that only predicts has no libraries of providers.
    """

    model_config = ConfigDict(extra="allow")

    kind: str

    def __eq__(self, other: object) -> bool:
        """Equal when both are written alike, whether validated by the provider or taken from a card."""
        if not isinstance(other, ProviderSettings):
            return NotImplemented
        return self.model_dump(mode="json") == other.model_dump(mode="json")


class Features(Section):
    """Which feature sets the candidates see."""

    sets: tuple[str, ...] = ("core",)
    keep: int | None = Field(None, ge=1)
    """train on this many, the most important by permutation on the folds before; empty = on all"""


class FundamentalTables(Section):
    """Companies' figures, for the feature set `fundamental` and for insights."""

    path: Path | None = None
    """a file or folder of statements, figures or ratios; empty = none"""
    known_after_days: int | None = Field(None, ge=1, le=400)
    """after the end of its period a statement was known, where the table has no column known_at"""
    exclude: tuple[str, ...] = ()
    """symbols whose figures are in another currency or per another share than their bars"""


class Label(Section):
    """How the action of a bar is cut from its return."""

    kind: str = "scaled_quantile"
    target: Literal["open_to_close", "close_to_close"] = "open_to_close"
    """from the next bar's open, as a trade would be filled, or from this bar's close"""
    horizon: int = Field(1, ge=1, le=60)
    """bars ahead"""
    hold: float = Field(0.40, gt=0, lt=1)
    """quantile of |z| below which the label is hold; for `fixed`, the log return"""
    strong: float = Field(0.80, gt=0, lt=1)
    """quantile of |z| above which the label is strong; for `fixed`, the log return"""

    @model_validator(mode="after")
    def _ordered(self) -> Label:
        if not self.hold < self.strong:
            raise ValueError(f"label.hold ({self.hold}) must be below label.strong ({self.strong})")
        if self.kind == "triple_barrier" and self.horizon < 5:
            raise ValueError(f"label.horizon is {self.horizon}; triple_barrier needs at least 5 bars")
        return self


class Folds(Section):
    """How time is cut into training, test and hold-out."""

    splits: int = Field(5, ge=2, le=20)
    embargo_sessions: int = Field(1, ge=0)
    holdout_share: float = Field(0.20, gt=0, lt=0.5)
    holdout_min_sessions: int = Field(60, ge=5)
    max_train_rows: int = Field(60_000, ge=1000)
    train_sessions: int | None = Field(None, ge=20)
    """a rolling window: train on the newest so many sessions only; empty = on all before (expanding)"""


class Training(Section):
    """How a candidate is fitted, whichever it is."""

    seeds: int = Field(1, ge=1, le=20)
    """fits that differ by their random seed alone, averaged"""
    recency_sessions: int | None = Field(None, ge=1)
    """half-life of a row's weight; empty = all rows weigh the same"""


class Tuning(Section):
    """Optuna's search of each candidate's parameters, on the development folds."""

    trials: int = Field(0, ge=0)
    """of each candidate, its defaults among them; 0 = defaults only"""
    batch: int = Field(4, ge=1)
    """trials asked for and told together: with a limit in trials the search is the same on any number of workers"""
    seconds: float | None = Field(None, gt=0)
    """no new batch of a candidate after this time; what is reached then depends on the machine"""


class Gate(Section):
    """What a challenger has to prove."""

    alpha: float = Field(0.10, gt=0, lt=1)
    provisional: bool = True
    max_ic: float = Field(0.15, gt=0, le=1)
    rules: tuple[str, ...] = ()
    """empty = all rules"""


class Policy(Section):
    """How probabilities become actions and WSS becomes a signal."""

    rule: Literal["expected_score", "argmax"] = "expected_score"
    min_confidence: float | None = Field(None, ge=0, le=1)
    """below this highest probability the action is hold; empty = no such filter"""
    confidence_rank: float | None = Field(None, ge=0, le=1)
    """the same by rank: .6 acts on the 40 % of answers with the largest |expected score|, as out of sample; empty = none"""
    buy: float = Field(0.5, gt=0, le=2)
    sell: float = Field(-0.5, lt=0, ge=-2)
    hysteresis: float = Field(0.0, ge=0, le=1)
    """share of its threshold by which WSS has to come back before a position is left; 0 = the plain rule"""
    min_hold: int = Field(1, ge=1, le=30)
    """bars a position is kept at least"""
    min_coverage: float = Field(0.80, ge=0, le=1)
    max_staleness_bars: int = Field(1, ge=0)


class Shadow(Section):
    """What comes between the gate and `production`, where a champion stands."""

    sessions: int = Field(0, ge=0)
    """in which both models score every bar and only the champion acts"""
    approval: Literal["auto", "manual"] = "auto"
    """who puts it into production then: the pipeline, or somebody by `mm promote`"""


class Costs(Section):
    """One-way trading cost, basis points of the traded value."""

    bps: float = Field(2.0, ge=0)
    """of a constituent: fee, half the spread and slippage together"""
    slippage_bps: float = Field(0.5, ge=0)
    """how much of it is the fill being worse than the open"""
    index_bps: float | None = Field(None, ge=0)
    """of the index's own instrument; empty = the same"""


class Backtest(Section):
    """Limits and exits of a backtest; shares are of capital, or of the price that was paid."""

    symbol_cap: float = Field(1.0, gt=0, le=1)
    """most that one instrument may have"""
    gross_cap: float = Field(1.0, gt=0)
    """most that all may have together, long and short"""
    stop_loss: float | None = Field(None, gt=0, lt=1)
    take_profit: float | None = Field(None, gt=0)
    """inside one bar the stop is taken to come first"""
    flat_by_close: bool = False
    """leave everything at the close of a session's last bar"""
    daily_loss_stop: float | None = Field(None, gt=0, lt=1)
    """loss of a session after which nothing is held until the next"""
    exit: Literal["next_decision", "bar_close"] = "next_decision"


class CompositeWeights(Section):
    """How much each part of a symbol's composite score weighs; only their proportions count."""

    model: float = Field(0.50, ge=0)
    """rank of the expected score"""
    momentum: float = Field(0.20, ge=0)
    volatility: float = Field(0.15, ge=0)
    """low is good"""
    liquidity: float = Field(0.15, ge=0)
    fundamental: float = Field(0.15, ge=0)
    """of value and quality; a part only where fundamentals.path names a table"""

    @model_validator(mode="after")
    def _some(self) -> CompositeWeights:
        if not sum(self.model_dump().values()) > 0:
            raise ValueError("composite needs at least one weight above 0")
        return self


class Runner(Section):
    """Where candidate x fold x trial runs."""

    kind: Literal["local", "dask"] = "local"
    workers: int = Field(2, ge=1)
    """local processes"""
    address: str | None = None
    """of Dask's scheduler"""

    @model_validator(mode="after")
    def _reachable(self) -> Runner:
        if self.kind == "dask" and not self.address:
            raise ValueError("runner.kind is dask and needs runner.address, such as tcp://127.0.0.1:8786")
        return self


class Registry(Section):
    """The registered model's name."""

    model: str = "market-master"


class Settings(Section):
    """Everything a run may be told."""

    name: str
    interval: Interval = "1h"
    calendar: str = "XNYS"
    universe: Universe = Universe()
    provider: SerializeAsAny[ProviderSettings]
    features: Features = Features()
    fundamentals: FundamentalTables = FundamentalTables()
    label: Label = Label()
    folds: Folds = Folds()
    candidates: tuple[str, ...] = ("logistic",)
    training: Training = Training()
    tuning: Tuning = Tuning()
    gate: Gate = Gate()
    shadow: Shadow = Shadow()
    policy: Policy = Policy()
    costs: Costs = Costs()
    backtest: Backtest = Backtest()
    composite: CompositeWeights = CompositeWeights()
    runner: Runner = Runner()
    registry: Registry = Registry()

    @model_validator(mode="after")
    def _fundamentals_named(self) -> Settings:
        if "fundamental" in self.features.sets and self.fundamentals.path is None:
            raise ValueError("features.sets has 'fundamental' and fundamentals.path names no table")
        return self

    @field_validator("candidates")
    @classmethod
    def _some(cls, candidates: tuple[str, ...]) -> tuple[str, ...]:
        if not candidates or len(set(candidates)) != len(candidates):
            raise ValueError("candidates must name at least one model, each once")
        return candidates
