"""ONNX graph: the served form of a model, never a pickle.

NumPy and onnxruntime only: this is the request path.
"""

from __future__ import annotations

import hashlib

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from market_master.domain import ModelError

onnxruntime.set_default_logger_severity(3)


class Graph:
    """A loaded graph that turns model inputs into class probabilities; threads may share it."""

    def __init__(self, content: bytes) -> None:
        """Load a serialised graph on one thread. Raises ModelError when it is not a graph that gives probabilities."""
        self._session = open_session(content)
        self.sha256 = hashlib.sha256(content).hexdigest()
        """of the bytes; the model card holds the same"""
        self.width = int(self._session.get_inputs()[0].shape[1])
        """columns it takes: the features and the symbol code"""

    def probabilities(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Class probabilities [n, 5] of model inputs [n, width], in the card's class order, as the graph gives them.

        A row's probabilities do not depend on its neighbours: a lone row would be multiplied by another routine, whose
        last bit is another, so it is predicted twice.
        """
        if X.ndim != 2 or X.shape[1] != self.width:
            raise ModelError(f"The graph takes {self.width} columns, an array of shape {X.shape} was given.")
        inputs = np.ascontiguousarray(X if len(X) != 1 else np.repeat(X, 2, axis=0), dtype=np.float32)
        probabilities: NDArray[np.float64] = self._session.run(["probabilities"], {"X": inputs})[0].astype(np.float64)
        return probabilities[: len(X)]


def open_session(content: bytes) -> onnxruntime.InferenceSession:
    """A serialised graph, ready to run on one thread. Raises ModelError when it is none."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no base class
        raise ModelError(f"The {len(content)} bytes given are not a model graph: {str(error)[:200]}.") from error
