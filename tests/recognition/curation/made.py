"""Examples of subjects whose vectors lie around a middle each."""

import numpy as np

from semelha.metrics import Cosine, Metric
from semelha.recognition.curation.enrolled import EnrolledExamples


def drawn(
    subjects: int, each: int, *, dim: int = 24, spread: float = 0.5, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors (n, dim) and the number of the subject of each, (n,)."""
    random = np.random.default_rng(seed)
    of = np.repeat(np.arange(subjects), each)
    vectors = random.normal(size=(subjects, dim))[of] + spread * random.normal(size=(len(of), dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), of


def enrolled(vectors: np.ndarray, subjects: np.ndarray, *, k: int = 20, metric: Metric = Cosine()) -> EnrolledExamples:
    """All neighbors by a plain sort."""
    table = metric.pairwise(vectors.astype(np.float64), vectors.astype(np.float64))
    np.fill_diagonal(table, np.inf)
    order = np.argsort(table, axis=1, kind="stable")[:, : min(k, len(vectors) - 1)]
    return EnrolledExamples(vectors, subjects, order, np.take_along_axis(table, order, axis=1), metric)
