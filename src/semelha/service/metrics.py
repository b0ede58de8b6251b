"""Numbers for Prometheus: requests, batches, jobs."""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
METHODS = ("GET", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS", "PUT")
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


class Metrics:
    """The numbers of one server; of all its processes if `PROMETHEUS_MULTIPROC_DIR` names a folder that they share."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        names = ("method", "route", "status")
        self._requests = Counter("semelha_requests", "Requests that were answered.", names, registry=self.registry)
        self._seconds = Histogram(
            "semelha_request_seconds", "Time to answer.", ("route",), buckets=SECONDS, registry=self.registry
        )
        self.in_flight = self._gauge("semelha_requests_in_flight", "Requests that are worked on.")
        self.refused = Counter(
            "semelha_requests_refused",
            "Requests that were refused, by the reason.",
            ("reason",),
            registry=self.registry,
        )
        self.batch = Histogram(
            "semelha_batch_pictures", "Pictures embedded together.", buckets=SIZES, registry=self.registry
        )
        self.batch_seconds = Histogram(
            "semelha_batch_seconds", "Time to answer a batch.", buckets=SECONDS, registry=self.registry
        )
        self.queue = self._gauge("semelha_queue_pictures", "Pictures that wait for the embedder.")
        self.jobs = Counter("semelha_jobs", "Jobs that ended, by their state.", ("state",), registry=self.registry)
        self.reviews_left_out = Counter(
            "semelha_reviews_left_out", "Pictures that could not be kept for review.", registry=self.registry
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(known_method(method), route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """The numbers in the format of Prometheus."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self.registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        """A number that goes up and down; of several processes the sum."""
        return Gauge(name, text, registry=self.registry, multiprocess_mode="livesum")


def known_method(method: str) -> str:
    """The method of a request; "other" for one that HTTP does not define, of which there may be any number."""
    return method if method in METHODS else "other"
