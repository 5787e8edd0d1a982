"""Is the server alive, and may it be asked?"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from api.deps import champion
from api.errors import PROBLEMS

router = APIRouter(tags=["health"])


@router.get("/health")
def health() -> dict[str, str]:
    """The process is alive."""
    return {"status": "alive"}


@router.get("/ready", responses={503: PROBLEMS[503]})
def ready(request: Request) -> dict[str, Any]:
    """A champion is loaded and verified; else 503 with the reason."""
    model = champion(request).ref
    return {"status": "ready", "model": model}
