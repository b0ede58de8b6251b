"""The endpoints. A new one goes into the file of its subject matter; a new file is added to `ROUTERS`."""

from semelha.service.routes import (
    audit,
    backups,
    calibration,
    curation,
    examples,
    identify,
    imports,
    jobs,
    maps,
    reviews,
    subjects,
)

MODULES = (subjects, examples, identify, imports, jobs, calibration, curation, reviews, maps, audit, backups)
ROUTERS = tuple(module.router for module in MODULES)
"""Routers of a gallery, below `/api/v1` and `/api/v1/galleries/{gallery}`."""
