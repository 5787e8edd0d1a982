"""Order flow by bulk volume classification (Easley, Lopez de Prado and O'Hara 2012).

A bar's volume is split by how large its move is among usual ones: the share bought is the normal distribution's at the
move in standard deviations, here by Page's approximation (1977), off by less than 0.0005.
"""

from __future__ import annotations

import numpy as np

from market_master.domain import Array
from market_master.features import feature, series
from market_master.features.engine import windows

GROUP = "volume"

FLOW, IMPACT = 20, 59


@feature(warmup=FLOW, unit="share")
def buy_pressure(pressure: Array, traded: Array) -> Array:
    """Volume bought less volume sold, over the volume of the newest bar; 0 when it traded nothing."""
    return pressure * traded


@feature(warmup=2 * FLOW - 1, unit="share")
def order_imbalance(signed_flow: Array, volume: Array) -> Array:
    """Volume bought less volume sold, over the volume of 20 bars; 0 when nothing traded."""
    return windows.ratio(windows.mean(signed_flow, FLOW), windows.mean(volume, FLOW), neutral=0.0, minimum=0.0)


@feature(warmup=2 * FLOW - 1, unit="share")
def flow_toxicity(signed_flow: Array, volume: Array) -> Array:
    """Imbalance of each bar whatever its side, over the volume of 20 bars: VPIN by bars; 0 when nothing traded."""
    one_sided = windows.mean(np.abs(signed_flow), FLOW)
    return windows.ratio(one_sided, windows.mean(volume, FLOW), neutral=0.0, minimum=0.0)


@feature(warmup=FLOW + IMPACT - 1, unit="ratio")
def price_impact(move: Array, flow_share: Array, volatility: Array) -> Array:
    """Kyle's lambda (1985): slope of moves on bought less sold volume of 59 bars, in moves a mean volume; 0 without flow."""
    shared = windows.mean(move * flow_share, IMPACT)
    return windows.ratio(shared, windows.mean(flow_share * flow_share, IMPACT), neutral=0.0) / volatility


@series(warmup=FLOW)
def pressure(move: Array, volatility: Array) -> Array:
    """Share bought less share sold, by the size of the move: -1 to 1."""
    size = move / volatility
    return np.tanh(np.sqrt(2.0 / np.pi) * size * (1.0 + 0.044715 * size * size))


@series(warmup=FLOW)
def signed_flow(pressure: Array, volume: Array) -> Array:
    """Volume bought less volume sold."""
    return pressure * volume


@series(warmup=FLOW)
def flow_share(signed_flow: Array, volume: Array) -> Array:
    """Volume bought less volume sold, over the mean volume of 20 bars."""
    return windows.ratio(signed_flow, windows.mean(volume, FLOW), neutral=0.0, minimum=0.0)
