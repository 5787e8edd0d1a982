"""ONNX graph of a fitted pipeline, and the parity of the two."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy, deepcopy
from functools import cache
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skl2onnx import convert_sklearn, update_registered_converter
from skl2onnx.algebra.onnx_ops import OnnxAdd, OnnxCast, OnnxExp, OnnxMatMul, OnnxMul
from skl2onnx.common.data_types import FloatTensorType
from skl2onnx.common.shape_calculator import calculate_linear_classifier_output_shapes
from skl2onnx.helpers.onnx_helper import select_model_inputs_outputs
from skl2onnx.operator_converters.random_forest import convert_sklearn_random_forest_classifier
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, VotingClassifier
from sklearn.kernel_approximation import Nystroem
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from market_master.artifact.onnx_graph import Graph

OPSET = {"": 18, "ai.onnx.ml": 3}
DOUBLE, FLOAT = 11, 1
"""element types of ONNX tensors"""
Converter = Callable[[Any, Any, Any], None]


def to_onnx(estimator: Pipeline, width: int) -> bytes:
    """The graph of a fitted candidate: float32 "X" [n, width] in, float32 "probabilities" [n, 5] out.

    The same fit always gives the same bytes.
    """
    _register()
    estimator = _plain(estimator)
    graph = convert_sklearn(
        estimator,
        name="market_master",
        initial_types=[("X", FloatTensorType([None, width]))],
        options={id(estimator): {"zipmap": False}},
        target_opset=OPSET,
    )
    content: bytes = select_model_inputs_outputs(graph, outputs=["probabilities"]).SerializeToString()
    return content


def parity(estimator: Pipeline, graph: bytes, X: NDArray[np.float32]) -> float:
    """Largest difference between the pipeline's probabilities and its graph's, over all rows and classes."""
    return float(np.abs(estimator.predict_proba(X) - Graph(graph).probabilities(X)).max())


def _plain(estimator: Any) -> Any:
    """The same fit in scikit-learn's own classes, which skl2onnx looks up by exact type."""
    if isinstance(estimator, Pipeline):
        return Pipeline([(name, _plain(step)) for name, step in estimator.steps])
    if isinstance(estimator, VotingClassifier):
        twin = copy(estimator)
        twin.estimators_ = [_plain(member) for member in estimator.estimators_]
        return twin
    if isinstance(estimator, ColumnTransformer):
        twin = copy(estimator)
        twin.transformers_ = [(name, _plain(step), columns) for name, step, columns in estimator.transformers_]
        return twin
    for scaler in (StandardScaler, MinMaxScaler):
        if isinstance(estimator, scaler):
            twin = scaler()
            vars(twin).update(vars(estimator))
            return twin
    return estimator


@cache
def _register() -> None:
    """Teach skl2onnx what it lacks; done once for the process, and only when something is exported."""
    from lightgbm import LGBMClassifier
    from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost
    from xgboost import XGBClassifier

    classifiers: list[tuple[type, Converter]] = [
        (HistGradientBoostingClassifier, _hist_gradient_boosting),
        (LGBMClassifier, _lightgbm),
        (XGBClassifier, convert_xgboost),
    ]
    for kind, convert in classifiers:
        options = {"zipmap": [True, False, "columns"], "nocl": [True, False], "raw_scores": [True, False]}
        shapes = calculate_linear_classifier_output_shapes
        update_registered_converter(kind, f"MarketMaster{kind.__name__}", shapes, convert, options=options)
    update_registered_converter(Nystroem, "MarketMasterNystroem", _nystroem_shape, _nystroem)


def _hist_gradient_boosting(scope: Any, operator: Any, container: Any) -> None:
    """As skl2onnx would, with exact cuts; it rounds them to the nearest float32 before a node is made."""
    operator.raw_operator = deepcopy(operator.raw_operator)
    for tree in chain.from_iterable(operator.raw_operator._predictors):
        tree.nodes["num_threshold"] = _rounded_down(tree.nodes["num_threshold"])
    convert_sklearn_random_forest_classifier(scope, operator, _ExactTrees(container))


def _lightgbm(scope: Any, operator: Any, container: Any) -> None:
    """As onnxmltools would, with exact cuts."""
    from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm

    convert_lightgbm(scope, operator, _ExactTrees(container))


class _ExactTrees:
    """A container that mends tree nodes on their way in.

    Cuts are float64 in the model and float32 in the graph: rounded down, `x <= cut` holds for the same float32 x, where
    rounding to the nearest would move the bar that lies next to the cut. Flags become integers, which ONNX asks for.
    """

    def __init__(self, container: Any) -> None:
        self._container = container

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)

    def add_node(self, op_type: str, inputs: Any, outputs: Any, **attributes: Any) -> None:
        """As the container's, with exact cuts and integer flags in trees."""
        if op_type.startswith("TreeEnsemble"):
            flags, modes = "nodes_missing_value_tracks_true", set(attributes["nodes_modes"])
            assert modes <= {"BRANCH_LEQ", "LEAF"}, f"cuts of kind {modes} would need another rounding"
            attributes["nodes_values"] = _rounded_down(attributes["nodes_values"])
            attributes[flags] = [int(flag) for flag in attributes[flags]]
        self._container.add_node(op_type, inputs, outputs, **attributes)


def _rounded_down(cuts: Any) -> NDArray[np.float32]:
    exact = np.asarray(cuts, dtype=np.float64)
    near = exact.astype(np.float32)
    return np.where(near > exact, np.nextafter(near, np.float32(-np.inf)), near)


def _nystroem_shape(operator: Any) -> None:
    components = operator.raw_operator.components_.shape[0]
    operator.outputs[0].type = FloatTensorType([operator.inputs[0].type.shape[0], components])


def _nystroem(scope: Any, operator: Any, container: Any) -> None:
    """exp(-gamma |x - c|^2) for each component c, normalised; in float64, since small eigenvalues magnify."""
    fitted, opset = operator.raw_operator, container.target_opset
    assert fitted.kernel == "rbf", "only the rbf kernel is converted"
    c = fitted.components_.astype(np.float64)
    gamma = 1 / c.shape[1] if fitted.gamma is None else fitted.gamma
    x = OnnxCast(operator.inputs[0], to=DOUBLE, op_version=opset)
    ones = np.ones((c.shape[1], 1))
    size = OnnxMatMul(OnnxMul(x, x, op_version=opset), ones, op_version=opset)
    cross = OnnxMatMul(x, -2 * c.T, op_version=opset)
    distance = OnnxAdd(OnnxAdd(cross, size, op_version=opset), (c**2).sum(axis=1)[None, :], op_version=opset)
    likeness = OnnxExp(OnnxMul(distance, np.array([-gamma]), op_version=opset), op_version=opset)
    mapped = OnnxMatMul(likeness, fitted.normalization_.T.astype(np.float64), op_version=opset)
    OnnxCast(mapped, to=FLOAT, op_version=opset, output_names=operator.outputs).add_to(scope, container)
