"""Laws of every candidate and baseline: the same fit twice, the same answers from its graph, honest about noise."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_info, threadpool_limits

from market_master.artifact.onnx_graph import Graph
from market_master.domain.actions import CLASSES, SCORES
from market_master.domain.errors import ModelError
from market_master.domain.model_inputs import UNSEEN
from market_master.export.estimator import parity, to_onnx
from market_master.models import BASELINE_COLUMNS
from market_master.models.pipeline import candidate
from market_master.plugins import Plugin, load_family
from market_master.stats.metrics import rps

ROWS, FEATURES, SYMBOLS, SEED = 3000, 10, 8, 7
WIDTH = FEATURES + 1
CONTRACT = {
    "logistic", "random_forest", "extra_trees", "gradient_boosting", "hist_gradient_boosting",
    "mlp", "svc", "xgboost", "lightgbm", "vote",
}  # fmt: skip
RULES = {"prior", "majority", "vol_only", "persistence", "reversal", "momentum"}
PARITY = 1e-5
Inputs = NDArray[np.float32]
Actions = NDArray[np.int8]


def _kind(kind: str) -> list[str]:
    return [name for name, plugin in load_family("models").items() if plugin.metadata["kind"] == kind]


def _plugin(name: str) -> Plugin:
    return load_family("models")[name]


def _new(name: str) -> Any:
    return _plugin(name).factory(symbols=SYMBOLS, seed=SEED)


def _market(seed: int, rows: int = ROWS, edge: float = 0.0) -> tuple[Inputs, Actions]:
    """Heavy-tailed features of several scales, symbols, and classes of 10/20/40/20/10 %; feature 0 carries the edge."""
    random = np.random.default_rng(seed)
    features = random.standard_t(5, (rows, FEATURES)) * np.logspace(-4, 4, FEATURES)
    signal = random.standard_normal(rows)
    features[:, 0] = 1e-4 * signal
    z = edge * signal + np.sqrt(1 - edge**2) * random.standard_normal(rows)
    action = np.searchsorted([-1.2816, -0.5244, 0.5244, 1.2816], z).astype(np.int8)
    return np.column_stack([features, random.integers(0, SYMBOLS, rows)]).astype(np.float32), action


@cache
def _fitted(name: str) -> Any:
    """A candidate fitted on a market with an edge of 0.3; fitted once for all tests that only ask it."""
    return _new(name).fit(*_market(1, edge=0.3))


@cache
def _graph(name: str) -> bytes:
    return to_onnx(_fitted(name), WIDTH)


every_candidate = pytest.mark.parametrize("name", _kind("model"))
every_baseline = pytest.mark.parametrize("name", _kind("baseline"))


@every_candidate
def test_an_answer_does_not_depend_on_the_rows_beside_it(name: str) -> None:
    """Alone, in a small block or among thousands, a row's probabilities are the same to the last bit."""
    inputs, graph = _market(9)[0], Graph(_graph(name))
    whole = graph.probabilities(inputs)
    for size in (1, 2, 3, 7, 30, 100, 999):
        for first in (0, 17, 2000):
            assert np.array_equal(graph.probabilities(inputs[first : first + size]), whole[first : first + size]), size


def test_the_family_is_the_contracts() -> None:
    """The candidates are those of the contract, the baselines those of the method, and each says what it is."""
    assert set(_kind("model")) == CONTRACT
    assert set(_kind("baseline")) == RULES
    for plugin in load_family("models").values():
        assert plugin.metadata["label"]
        assert plugin.summary.endswith(".")


def test_simpler_models_have_lower_complexity() -> None:
    """The one-standard-error rule prefers a line to boosted trees, these to forests, a network and a vote."""
    order = [{"logistic"}, {"svc"}, {"hist_gradient_boosting", "lightgbm", "xgboost", "gradient_boosting"}]
    order += [{"random_forest", "extra_trees"}, {"mlp"}, {"vote"}]
    ranks = [{_plugin(name).metadata["complexity"] for name in names} for names in order]
    assert all(max(lower) < min(higher) for lower, higher in pairwise(ranks))


@every_candidate
def test_same_seed_same_bits_whatever_the_threads(name: str) -> None:
    """A clone fitted on another number of threads gives the same probabilities and the same graph, bit for bit."""
    rows = _market(2, rows=500)[0]
    with threadpool_limits(3):
        again = clone(_new(name)).fit(*_market(1, edge=0.3))
        assert np.array_equal(again.predict_proba(rows), _fitted(name).predict_proba(rows))
        assert to_onnx(again, WIDTH) == _graph(name)


def test_a_candidate_works_on_one_thread() -> None:
    """Fitting and predicting see one thread in every numerical library, and give the others back afterwards."""
    seen: list[int] = []

    class Spy(LogisticRegression):
        def fit(self, *rows: Any) -> Any:
            seen.extend(pool["num_threads"] for pool in threadpool_info())
            return super().fit(*rows)

        def predict_proba(self, rows: Any) -> Any:
            seen.extend(pool["num_threads"] for pool in threadpool_info())
            return super().predict_proba(rows)

    X, action = _market(1)
    with threadpool_limits(2):
        candidate(Spy(), symbols=SYMBOLS, standardised=True).fit(X, action).predict_proba(X)
        assert {pool["num_threads"] for pool in threadpool_info()} == {2}
    assert set(seen) == {1}


@every_candidate
def test_graph_answers_as_the_model(name: str) -> None:
    """The graph's probabilities are the model's, on training rows, fresh rows, extreme rows and an unseen symbol."""
    trained, fresh = _market(1, edge=0.3)[0], _market(3)[0]
    extreme = fresh.copy()
    extreme[:, :-1] *= np.random.default_rng(4).choice([0.0, 1.0, 1e3, -1e6, 1e9], (ROWS, FEATURES))
    extreme[::3, -1] = UNSEEN
    assert parity(_fitted(name), _graph(name), trained) <= PARITY
    assert parity(_fitted(name), _graph(name), fresh) <= PARITY
    assert parity(_fitted(name), _graph(name), extreme) <= PARITY


@every_candidate
def test_graph_cuts_between_neighbouring_floats(name: str) -> None:
    """Bars that differ by the last bit of a float32 are told apart by the graph exactly as by the model."""
    random = np.random.default_rng(5)
    steps = random.integers(0, 4, (ROWS, FEATURES))
    features = 4.0 + steps * 2.0**-21
    X = np.column_stack([features, random.integers(0, SYMBOLS, ROWS)]).astype(np.float32)
    action = np.clip(steps[:, 0] + random.integers(0, 2, ROWS), 0, 4).astype(np.int8)
    assert len(np.unique(X[:, :-1])) == 4
    model = _new(name).fit(X, action)
    assert np.ptp(model.predict_proba(X) @ SCORES) > 0.3
    assert parity(model, to_onnx(model, WIDTH), X) <= PARITY


@every_candidate
def test_five_columns_in_the_order_of_the_actions(name: str) -> None:
    """Rare classes keep their column: with lopsided shares each column's mean is its own class's share."""
    shares = np.array([0.04, 0.08, 0.50, 0.25, 0.13])
    action = np.random.default_rng(6).choice(5, ROWS, p=shares).astype(np.int8)
    X = _market(6)[0]
    model = _new(name).fit(X, action)
    answers = model.predict_proba(X)
    assert list(model.classes_) == list(range(len(CLASSES)))
    assert answers.shape == (ROWS, len(CLASSES))
    assert np.allclose(answers.sum(axis=1), 1.0, atol=1e-5)
    assert np.allclose(answers.mean(axis=0), shares, atol=0.03)


@every_candidate
def test_an_unseen_symbol_is_no_symbol(name: str) -> None:
    """A symbol not trained on gets finite probabilities that sum to 1, and every unknown code the same ones."""
    X = _market(8, rows=200)[0]
    answers = []
    for code in (UNSEEN, SYMBOLS, 10 * SYMBOLS):
        X[:, -1] = code
        answers.append(_fitted(name).predict_proba(X))
        assert np.isfinite(answers[-1]).all()
        assert np.allclose(answers[-1].sum(axis=1), 1.0, atol=1e-5)
        assert np.abs(Graph(_graph(name)).probabilities(X) - answers[-1]).max() <= PARITY
    assert np.array_equal(answers[0], answers[1])
    assert np.array_equal(answers[0], answers[2])


@every_candidate
def test_beyond_the_past_counts_as_its_most_extreme(name: str) -> None:
    """A bad tick is answered as the largest value seen in training, not by extrapolation."""
    trained, X = _market(1, edge=0.3)[0], _market(9, rows=100)[0]
    largest, absurd = X.copy(), X.copy()
    largest[:, 0] = trained[:, 0].max()
    absurd[:, 0] = 1e9
    assert np.allclose(_fitted(name).predict_proba(absurd), _fitted(name).predict_proba(largest), atol=1e-5)


@every_candidate
def test_a_planted_edge_is_learned(name: str) -> None:
    """With an edge of 0.3 the expected score of fresh rows goes with the signal, and the prior is beaten."""
    X, action = _market(10, edge=0.3)
    answers = _fitted(name).predict_proba(X)
    assert np.corrcoef(answers @ SCORES, X[:, 0])[0, 1] > 0.7
    assert _excess(answers, action, _market(1, edge=0.3)[1]) < 0


@every_candidate
def test_on_noise_the_answer_stays_near_the_prior(name: str) -> None:
    """Fitted on noise, a candidate is on fresh rows hardly worse than the prior: see NOISE_LIMIT."""
    X, action = _market(11)
    fresh, outcome = _market(12, rows=10_000)
    assert _excess(_new(name).fit(X, action).predict_proba(fresh), outcome, action) < NOISE_LIMIT


@pytest.mark.long
def test_the_noise_limit_catches_overfit_boosting() -> None:
    """Boosting as scikit-learn ships it breaks the limit by far."""
    X, action = _market(11)
    fresh, outcome = _market(12, rows=10_000)
    shipped = HistGradientBoostingClassifier(random_state=SEED).fit(X, action)
    assert _excess(shipped.predict_proba(fresh), outcome, action) > 4 * NOISE_LIMIT


NOISE_LIMIT = 0.02
"""Maximum likelihood with p free numbers loses p / 2n nats on fresh rows, and a nat is 1.1 of the prior's RPS (method
11: 0.51 % per 0.46 % at an IC of 0.1). An unpenalised line for each class has p = 4 x (10 + 8), so 1.3 % at 3,000 rows;
no regularised model should lose half as much again."""


def _excess(answers: NDArray, outcome: Actions, trained: Actions) -> float:
    """RPS above that of the training shares, as a share of it."""
    prior = np.tile(np.bincount(trained, minlength=5) / len(trained), (len(outcome), 1))
    return float(rps(np.asarray(answers, dtype=float), outcome).mean() / rps(prior, outcome).mean() - 1)


def test_a_graph_refuses_what_it_is_not_for() -> None:
    """Bytes that are no graph, and inputs of another width, are refused with the numbers."""
    with pytest.raises(ModelError, match="The 7 bytes given are not a model graph"):
        Graph(b"nothing")
    graph = Graph(_graph("logistic"))
    with pytest.raises(ModelError, match="takes 11 columns, an array of shape \\(2, 12\\)"):
        graph.probabilities(np.zeros((2, WIDTH + 1), dtype=np.float32))


def test_one_row_is_answered_as_among_many() -> None:
    """A bar's probabilities do not depend on which other bars are asked about; no bars, no answers."""
    X = _market(13, rows=50)[0]
    for name in _kind("model"):
        graph = Graph(_graph(name))
        many = graph.probabilities(X)
        single = np.vstack([graph.probabilities(X[[row]]) for row in range(len(X))])
        assert np.allclose(many, single, atol=1e-6), name
        assert graph.probabilities(X[:0]).shape == (0, len(CLASSES))


def test_the_hash_is_that_of_the_bytes() -> None:
    """Two graphs of other bytes have other hashes; the same bytes the same."""
    assert Graph(_graph("logistic")).sha256 == Graph(_graph("logistic")).sha256 != Graph(_graph("mlp")).sha256


def test_serving_needs_neither_sklearn_nor_mlflow() -> None:
    """Loading a graph imports NumPy and onnxruntime, and nothing that trains, tracks or unpickles."""
    heavy = ("sklearn", "scipy", "pandas", "mlflow", "skl2onnx", "onnx.", "lightgbm", "xgboost")
    code = "import sys, market_master.artifact.onnx_graph; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "onnxruntime" in loaded
    assert not [name for name in loaded if name.startswith(heavy)]


def _rows(last_class: Any, last_z: Any, ratio: Any = 1.0, slot: Any = 0.0) -> Inputs:
    named = {"last_class": last_class, "last_z": last_z, "volatility_ratio": ratio, "slot": slot}
    return np.column_stack(np.broadcast_arrays(*(named[c] for c in BASELINE_COLUMNS))).astype(np.float32)


def _history(seed: int, drift: float) -> tuple[Inputs, Actions]:
    """Moves whose successor leans on them by `drift`, with volatility that shows in the ratio."""
    random = np.random.default_rng(seed)
    last = random.standard_normal(ROWS)
    size = np.exp(0.5 * random.standard_normal(ROWS))
    z = drift * last + size * random.standard_normal(ROWS)
    cuts = np.quantile(z, [0.1, 0.3, 0.7, 0.9])
    inputs = _rows(np.searchsorted(cuts, last), last, size, random.integers(0, 7, ROWS))
    return inputs, np.searchsorted(cuts, z).astype(np.int8)


@every_baseline
def test_baselines_answer_like_models(name: str) -> None:
    """A baseline clones, repeats itself bit for bit and gives five probabilities that sum to 1, unknowns included."""
    X, action = _history(1, 0.2)
    model = _new(name).fit(X, action)
    asked = np.vstack([X, _rows([-1, 2], [0, 50], [9, 0], [0, 99])])
    answers = model.predict_proba(asked)
    assert np.array_equal(answers, clone(model).fit(X, action).predict_proba(asked))
    assert list(model.classes_) == list(range(len(CLASSES)))
    assert answers.shape == (len(asked), len(CLASSES))
    assert (answers >= 0).all()
    assert np.allclose(answers.sum(axis=1), 1.0)


def test_prior_and_majority_by_hand() -> None:
    """Shares 1/8, 1/8, 4/8, 1/8, 1/8: the prior says them, the majority says hold."""
    X, action = _rows(np.full(8, 2), 0.0), np.array([0, 1, 2, 2, 2, 2, 3, 4], dtype=np.int8)
    assert np.array_equal(_new("prior").fit(X, action).predict_proba(X[:1]), [[0.125, 0.125, 0.5, 0.125, 0.125]])
    assert np.array_equal(_new("majority").fit(X, action).predict_proba(X[:1]), [[0, 0, 1, 0, 0]])


def test_persistence_by_hand() -> None:
    """Classes that always repeat give a = 1, classes that never do a = 0; an unknown last class gets the prior."""
    action = np.tile(np.arange(5), 20).astype(np.int8)
    always = _new("persistence").fit(_rows(action, 0.0), action)
    assert always.a_ == pytest.approx(1.0)
    assert np.allclose(always.predict_proba(_rows([3, -1], 0.0)), np.array([[0, 0, 0, 1, 0], [0.2] * 5]))
    mirrored = _new("persistence").fit(_rows(4 - action, 0.0), action)
    assert mirrored.a_ == 0.0
    assert np.allclose(mirrored.predict_proba(_rows([3], 0.0)), [[0.2] * 5])


def test_persistence_takes_the_share_of_least_rps() -> None:
    """No other share of the last class has a lower RPS on the training rows."""
    X, action = _history(2, 0.4)
    model = _new("persistence").fit(X, action)
    assert 0 < model.a_ < 1

    def loss(share: float) -> float:
        answers = (1 - share) * model.prior_ + share * np.eye(5)[X[:, 0].astype(int)]
        return float(rps(answers, action).mean())

    assert loss(model.a_) <= min(loss(share) for share in np.linspace(0, 1, 101))


def test_vol_only_has_no_direction() -> None:
    """It knows that strong moves follow volatile bars, and splits them between up and down as the prior does."""
    X, action = _history(3, 0.4)
    model = _new("vol_only").fit(X, action)
    calm, wild = model.predict_proba(_rows(2, 0.0, [0.3, 3.0]))
    share = model.prior_ / (model.prior_ + model.prior_[::-1])
    assert wild[0] + wild[4] > calm[0] + calm[4] + 0.1
    for answer in (calm, wild):
        assert np.allclose(answer, (answer + answer[::-1]) * share)


def test_vol_only_treats_an_unknown_slot_as_no_slot() -> None:
    """A slot never seen, as on a longer trading day, is answered from volatility alone."""
    X, action = _history(3, 0.0)
    answers = _new("vol_only").fit(X, action).predict_proba(_rows(2, 0.0, 1.0, [99.0, 42.0]))
    assert np.array_equal(answers[0], answers[1])


@pytest.mark.parametrize(("name", "drift"), [("momentum", 0.4), ("reversal", -0.4)])
def test_a_rule_leans_its_own_way_only(name: str, drift: float) -> None:
    """Momentum leans with the last move, reversal against it; where the data say the opposite, both are the prior."""
    rises, falls = _rows([4, 0], [2.0, -2.0])
    X, action = _history(4, drift)
    model = _new(name).fit(X, action)
    up, down = model.predict_proba(np.vstack([rises, falls])) @ SCORES
    assert (up - down) * drift > 0.1
    assert np.sign(model.slope_) == np.sign(drift)
    X, action = _history(5, -drift)
    opposite = _new(name).fit(X, action)
    assert opposite.slope_ == 0.0
    assert np.allclose(opposite.predict_proba(X[:3]), opposite.prior_)


def test_ordered_logit_recovers_its_own_slope() -> None:
    """On rows drawn from an ordered logit with slope 0.5 the fitted slope is 0.5 within three standard errors."""
    random = np.random.default_rng(14)
    z = random.standard_normal(20_000)
    action = np.searchsorted([-2.2, -0.85, 0.85, 2.2], 0.5 * z + random.logistic(size=20_000)).astype(np.int8)
    model = _new("momentum").fit(_rows(2, z), action)
    assert model.slope_ == pytest.approx(0.5, abs=3 * np.sqrt(3.3 / 20_000))


def test_a_crash_counts_as_four_deviations() -> None:
    """A move of 50 standard deviations is answered as one of 4."""
    X, action = _history(6, 0.4)
    answers = _new("momentum").fit(X, action).predict_proba(_rows(4, [4.0, 50.0]))
    assert np.array_equal(answers[0], answers[1])
