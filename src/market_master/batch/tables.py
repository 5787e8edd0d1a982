"""Tables of a batch run, by symbol and of the index, each as Parquet and as CSV."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from market_master.batch.result import BatchResult
from market_master.domain import CLASSES, Bars
from market_master.progress import report_progress

Columns = dict[str, Any]


def write_tables(folder: Path, result: BatchResult) -> None:
    """A table for each symbol with a prediction, and the index's."""
    bars, code_of_row = result.predictions.bars, result.predictions.bars.code[result.predictions.rows]
    (folder / "symbols").mkdir()
    codes = np.unique(code_of_row).tolist()
    for done, code in enumerate(codes):
        report_progress("write", done, len(codes) + 1)
        part = slice(*np.searchsorted(code_of_row, (code, code + 1)))
        _save(folder / "symbols" / quote(bars.symbols[code], safe=""), _symbol_columns(result, part))
    _save(folder / "index", _index_columns(result))
    report_progress("write", 1, 1)


def _symbol_columns(result: BatchResult, part: slice) -> Columns:
    predictions, bars, labels = result.predictions, result.predictions.bars, result.labels
    rows, probabilities = predictions.rows[part], predictions.probabilities[part]
    known = labels.known[rows]
    return {
        **_times(bars, rows),
        "action": _names(CLASSES, predictions.action[part]),
        **{name: probabilities[:, column] for column, name in enumerate(CLASSES)},
        "confidence": predictions.confidence[part],
        "expected_score": predictions.expected_score[part],
        "acted": predictions.action[part] == predictions.rule_action[part],
        "in_sample": bars.bar_end[rows] <= result.in_sample_until,
        "outcome": _names(CLASSES, np.where(known, labels.action[rows], -1)),
        "outcome_return": labels.forward_return[rows],
        "outcome_z": labels.z[rows],
    }


def _index_columns(result: BatchResult) -> Columns:
    index, bars = result.index, result.predictions.bars
    rows = np.argsort(bars.bar_end, kind="stable")
    rows = rows[np.searchsorted(bars.bar_end[rows], index.bar_end)]
    missing = [", ".join(symbol for symbol, _, _ in constituents) or None for constituents in index.missing]
    return {
        **_times(bars, rows),
        "signal": pa.array(index.signal, pa.string()),
        "wss": index.wss,
        "wss_expected": index.wss_expected,
        "wss_z": index.wss_z,
        "coverage": index.coverage,
        "index_share": index.index_share,
        "weights_as_of": pa.array(index.weights_as_of, pa.string()),
        "filter_coverage": index.filter_coverage,
        "missing": pa.array(missing, pa.string()),
        "reason": pa.array(index.reason, pa.string()),
        "in_sample": index.bar_end <= result.in_sample_until,
        "outcome_z": result.basket_z,
    }


def _times(bars: Bars, rows: NDArray[np.integer]) -> Columns:
    names = {"bar_end": "bar_end", "next_start": "predicts_start", "next_end": "predicts_end"}
    return {
        name: pa.array(getattr(bars, column)[rows] * 1000, pa.timestamp("ms", "UTC")) for column, name in names.items()
    }


def _names(names: tuple[str, ...], numbers: NDArray[np.integer]) -> Any:
    """Each row's name; null for -1."""
    return pa.DictionaryArray.from_arrays(pa.array(numbers, mask=numbers < 0), list(names)).cast(pa.string())


def _save(file: Path, columns: Columns) -> None:
    """The columns as Parquet and CSV; what is not known is null in the one, empty in the other."""
    table = pa.table({name: pa.array(values, from_pandas=True) for name, values in columns.items()})
    pa.parquet.write_table(table, file.with_name(file.name + ".parquet"))
    pa.csv.write_csv(_with_text_instants(table), file.with_name(file.name + ".csv"))


def _with_text_instants(table: pa.Table) -> pa.Table:
    """The table with its instants as ISO 8601: Arrow's own writer looks each of them up in the time zones, and is slow."""
    for number, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            plain = table.column(number).cast(pa.timestamp("ms")).cast(pa.timestamp("s")).cast(pa.string())
            text = pa.compute.binary_join_element_wise(pa.compute.replace_substring(plain, " ", "T"), "Z", "")
            table = table.set_column(number, field.name, text)
    return table
