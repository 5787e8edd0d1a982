"""What to do with the index over its next bar."""

from __future__ import annotations

import hashlib
import json

from fastapi import APIRouter, Request, Response

from api.deps import bar_store, champion
from api.errors import PROBLEMS
from market_master import store
from market_master.domain.records import IndexSignal, as_json
from market_master.steps.aggregate import index_signal

router = APIRouter(tags=["signal"])


@router.get(
    "/signal/index",
    responses={304: {"description": "Unchanged since If-None-Match."}, 422: PROBLEMS[422], 503: PROBLEMS[503]},
    response_model=IndexSignal,
)
def signal(request: Request, response: Response) -> IndexSignal | Response:
    """The weighted sentiment of all constituents at the newest stored bar; its ETag changes when the answer does."""
    answer = index_signal(champion(request), bar_store(request), now=store.now())
    tag = '"' + hashlib.sha256(json.dumps(as_json(answer), sort_keys=True).encode()).hexdigest()[:24] + '"'
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers={"ETag": tag})
    response.headers["ETag"] = tag
    return answer
