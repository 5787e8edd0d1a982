"""Domain classifier: new rows against those a model learned from.

If it can't tell them apart, nothing that matters has moved.
"""

from __future__ import annotations

import numpy as np

from market_master.domain import Array, Ints
from market_master.stats.bootstrap import SEED

FOLDS = 3


def domain_auc(
    reference: Array, reference_days: Ints, current: Array, current_days: Ints, *, max_rows: int = 4000
) -> float:
    """AUC of a logistic classifier between two sets of feature rows, tested on days it has not seen; 0.5 = alike.

    A classifier two-sample test (Lopez-Paz and Oquab 2017) with whole days as groups, so that a day's own level can't
    be learned by heart; at most `most` rows of each side.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    random = np.random.default_rng(SEED)
    picks = [np.sort(random.permutation(len(rows))[:max_rows]) for rows in (reference, current)]
    rows = np.vstack([reference[picks[0]], current[picks[1]]])
    side = np.repeat([0, 1], [len(picks[0]), len(picks[1])])
    days = np.concatenate([reference_days[picks[0]], current_days[picks[1]]])
    probability = np.full(len(side), 0.5)
    for train, test in GroupKFold(FOLDS).split(rows, side, days):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500))
        probability[test] = model.fit(rows[train], side[train]).predict_proba(rows[test])[:, 1]
    return float(roc_auc_score(side, probability))
