"""Ranking of all symbols."""

from __future__ import annotations

from typing import Annotated
from weakref import WeakKeyDictionary

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from api.errors import PROBLEMS
from api.model_server import market_view
from api.responses import etag_of, tagged_response
from api.routes.insights import LINK, link_disclaimer
from market_master.domain import AssetClass
from market_master.insights import MarketView
from market_master.insights.ranking import RankedBy, Ranking, ranking

router = APIRouter(tags=["insights"], dependencies=[Depends(link_disclaimer)])
_contents: WeakKeyDictionary[MarketView, dict[tuple[str, str | None, int], bytes]] = WeakKeyDictionary()
"""JSON of what was asked for, while the view is the newest"""


@router.get(
    "/ranking",
    response_model=Ranking,
    responses={
        304: {"description": "Unchanged since If-None-Match."},
        **{status: PROBLEMS[status] for status in (422, 503)},
    },
)
async def symbol_ranking(
    request: Request,
    by: Annotated[RankedBy, Query(description="The number they are ranked by, highest first.")] = "composite",
    asset_class: Annotated[AssetClass | None, Query(alias="class")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """All symbols in order of one number, with the others beside it."""
    view = market_view(request)
    known = _contents.setdefault(view, {})
    key = (by, asset_class, limit)
    if key not in known:
        known[key] = await run_in_threadpool(_content, view, *key)
    response = tagged_response(request, known[key], etag_of(known[key]), compressible=True)
    response.headers["Link"] = LINK
    return response


def _content(view: MarketView, by: RankedBy, asset_class: AssetClass | None, limit: int) -> bytes:
    return msgspec.json.encode(ranking(view, by, limit, asset_class))
