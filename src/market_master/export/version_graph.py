"""Graph of a version: features, model and calibration, from raw bars to probabilities."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, ValueInfoProto, compose, helper

from market_master import features
from market_master.artifact import bars_graph
from market_master.artifact.bars_graph import EXPECTED_SCORE, FEATURES, MODEL_INPUTS, PROBABILITIES, SYMBOL
from market_master.decision.calibration import MIN_PROBABILITY, Calibration
from market_master.domain import SCORES, without_direction
from market_master.export.builder import GraphBuilder
from market_master.export.estimator import OPSET
from market_master.export.feature_graph import add_features

IR_VERSION = 10


def feature_graph(names: Sequence[str], bar_seconds: int) -> bytes:
    """The graph from raw bars to features alone."""
    nodes = GraphBuilder()
    _add_features(nodes, names, bar_seconds)
    return _serialised(nodes, [_output(FEATURES, TensorProto.DOUBLE, len(names))], names)


def version_graph(names: Sequence[str], bar_seconds: int, model: bytes, calibration: Calibration) -> bytes:
    """The graph from raw bars to calibrated probabilities; `model` is the fitted pipeline's graph.

    The same version always gives the same bytes.
    """
    nodes = GraphBuilder()
    values = _add_features(nodes, names, bar_seconds)
    symbol = nodes.add("Cast", nodes.input(SYMBOL, TensorProto.INT64, ("symbols", 1)), to=TensorProto.FLOAT)
    inputs = nodes.add("Concat", nodes.add("Cast", values, to=TensorProto.FLOAT), symbol, axis=1, output=MODEL_INPUTS)
    calibrated = _add_calibration(nodes, _add_model(nodes, model, inputs), calibration)
    scores = nodes.add("MatMul", calibrated, nodes.constant(SCORES[:, None]))
    nodes.add("Squeeze", scores, nodes.integers(1), output=EXPECTED_SCORE)
    outputs = [
        _output(FEATURES, TensorProto.DOUBLE, len(names)),
        _output(MODEL_INPUTS, TensorProto.FLOAT, len(names) + 1),
        _output(PROBABILITIES, TensorProto.DOUBLE, len(SCORES)),
        _output(EXPECTED_SCORE, TensorProto.DOUBLE),
    ]
    return _serialised(nodes, outputs, names)


def _add_features(nodes: GraphBuilder, names: Sequence[str], bar_seconds: int) -> str:
    values = add_features(
        nodes, features.trace(names, bar_seconds), features.warmups(names), features.warmup(names) + 1
    )
    return nodes.add("Identity", values, output=FEATURES)


def _add_model(nodes: GraphBuilder, content: bytes, inputs: str) -> str:
    """The nodes of the fitted pipeline; returns its raw probabilities.

    The last symbol is predicted twice: a lone row would be multiplied by another routine, whose last bit is another.
    """
    model = compose.add_prefix(onnx.load_from_string(content), "model/")
    versions = {entry.domain: entry.version for entry in model.opset_import}
    assert all(OPSET[domain] >= version for domain, version in versions.items()), versions
    last = nodes.slice(inputs, -1, np.iinfo(np.int64).max)
    nodes.add("Concat", inputs, last, axis=0, output=model.graph.input[0].name)
    nodes.append(model.graph)
    return nodes.slice(model.graph.output[0].name, 0, -1)


def _add_calibration(nodes: GraphBuilder, raw: str, calibration: Calibration) -> str:
    """`Calibration.apply`: temperature, and shrinkage towards the same probabilities without direction."""
    add, constant = nodes.add, nodes.constant
    raw = add("Clip", add("Cast", raw, to=TensorProto.DOUBLE), constant(MIN_PROBABILITY), constant(1.0))
    logits = add("Div", add("Log", raw), nodes.number(calibration.temperature))
    scaled = add("Softmax", logits, axis=1)
    mirrored = add("Gather", scaled, nodes.integers(4, 3, 2, 1, 0), axis=1)
    prior = np.asarray(calibration.prior)
    halves = without_direction(np.full((1, 5), 0.5), prior)
    undirected = add("Mul", add("Add", scaled, mirrored), constant(halves))
    direction = add("Mul", add("Sub", scaled, undirected), nodes.number(calibration.shrinkage))
    return add("Add", undirected, direction, output=PROBABILITIES)


def _output(name: str, kind: int, columns: int | None = None) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, ("symbols",) if columns is None else ("symbols", columns))


def _serialised(nodes: GraphBuilder, outputs: list[ValueInfoProto], names: Sequence[str]) -> bytes:
    graph = nodes.graph("market_master", outputs)
    opsets = [helper.make_opsetid(domain, version) for domain, version in OPSET.items()]
    model: ModelProto = helper.make_model(
        graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="market-master"
    )
    fingerprints = features.fingerprint(names)
    described = [{**facts, "fingerprint": fingerprints[facts["name"]]} for facts in features.describe(names)]
    facts = {"features": described, "required_bars": features.warmup(names) + 1}
    helper.set_model_props(model, {bars_graph.FACTS: json.dumps(facts)})
    content: bytes = model.SerializeToString(deterministic=True)
    return content
