"""Interactive plotly charts as HTML for pages that work offline; its script once a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from market_master.domain import Array

BLUE, RED, GREY = "#2166ac", "#b2182b", "#777777"


def script() -> str:
    """Plotly itself, for the head of a page: nothing is fetched."""
    from plotly.offline import get_plotlyjs

    return f"<script>{get_plotlyjs()}</script>"


def equity(days: Sequence[str], paths: Mapping[str, Array], low: Array, high: Array, drawdown: Array) -> str:
    """Wealth by day, the first path ours, with the band of random paths around; our drawdown below it."""
    from plotly import graph_objects as go
    from plotly.subplots import make_subplots

    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.75, 0.25], vertical_spacing=0.04)
    edge: dict[str, Any] = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip"}
    figure.add_trace(go.Scatter(x=days, y=high, showlegend=False, **edge), row=1, col=1)
    band = "random, same turnover: 90 %"
    figure.add_trace(
        go.Scatter(x=days, y=low, fill="tonexty", fillcolor="rgba(119,119,119,.22)", name=band, **edge), 1, 1
    )
    for (name, path), colour in zip(paths.items(), (BLUE, GREY, RED), strict=False):
        figure.add_trace(go.Scatter(x=days, y=path, name=name, mode="lines", line={"color": colour}), row=1, col=1)
    below: dict[str, Any] = {"fill": "tozeroy", "mode": "lines", "line": {"color": RED, "width": 1}}
    figure.add_trace(go.Scatter(x=days, y=drawdown, name="drawdown", showlegend=False, **below), row=2, col=1)
    figure.update_yaxes(title_text="wealth, net", row=1, col=1)
    figure.update_yaxes(title_text="drawdown", tickformat=".1%", row=2, col=1)
    return _html(figure, 520)


def scatter(x: Array, y: Array, centre: Array, mean: Array, low: Array, high: Array) -> str:
    """Every bar's WSS beside the index's next return, and the mean of each tenth with its 90 % interval."""
    from plotly import graph_objects as go

    figure = go.Figure()
    dots: dict[str, Any] = {"mode": "markers", "marker": {"size": 3, "color": GREY, "opacity": 0.35}}
    figure.add_trace(go.Scattergl(x=x, y=y, name="a bar", **dots))
    error = {"type": "data", "symmetric": False, "array": high - mean, "arrayminus": mean - low}
    tenth: dict[str, Any] = {"mode": "markers", "marker": {"size": 8, "color": BLUE}, "error_y": error}
    figure.add_trace(go.Scatter(x=centre, y=mean, name="mean of a tenth, 90 %", **tenth))
    figure.update_xaxes(title_text="WSS")
    figure.update_yaxes(title_text="index, next open to close", tickformat=".2%")
    return _html(figure, 380)


def series(days: Sequence[str], wss: Array, level: Array, limits: tuple[float, float]) -> str:
    """WSS by bar, with its thresholds, under the level of the index."""
    from plotly import graph_objects as go
    from plotly.subplots import make_subplots

    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.04)
    figure.add_trace(go.Scattergl(x=days, y=level, name="index", mode="lines", line={"color": GREY}), row=1, col=1)
    figure.add_trace(
        go.Scattergl(x=days, y=wss, name="WSS", mode="lines", line={"color": BLUE, "width": 1}), row=2, col=1
    )
    for limit in limits:
        figure.add_hline(y=limit, line={"color": RED, "width": 1, "dash": "dot"}, row=2, col=1)
    figure.update_yaxes(title_text="index", row=1, col=1)
    figure.update_yaxes(title_text="WSS", row=2, col=1)
    return _html(figure, 420)


def _html(figure: Any, height: int) -> str:
    figure.update_layout(
        height=height, margin={"l": 60, "r": 20, "t": 20, "b": 40}, template="plotly_white",
        legend={"orientation": "h", "y": 1.06}, font={"family": "system-ui, sans-serif", "size": 12},
    )  # fmt: skip
    return str(
        figure.to_html(full_html=False, include_plotlyjs=False, config={"displaylogo": False, "responsive": True})
    )
