"""Files that are the same for all pages: ours, and the charts' library as its package ships it."""

from __future__ import annotations

from importlib import resources

from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse, Response

from .rendering import STATIC

router = APIRouter()
_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@router.get("/static/{name}")
def static(name: str) -> Response:
    there = {path.name: path for path in STATIC.iterdir() if path.suffix in _KINDS}
    if name not in there:
        raise HTTPException(404, "there is no such file")
    return FileResponse(there[name], media_type=_KINDS[there[name].suffix], headers=_FOREVER)


@router.get("/library/chart.js")
def library() -> Response:
    """Chart.js, which the package `chartkick` brings along."""
    script = resources.files("chartkick") / "django" / "static" / "chartkick" / "Chart.bundle.js"
    return Response(script.read_bytes(), media_type="text/javascript", headers=_FOREVER)


@router.get("/favicon.ico")
def icon() -> Response:
    return FileResponse(STATIC / "icon.svg", media_type="image/svg+xml", headers=_FOREVER)
