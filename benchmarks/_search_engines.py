"""What `search.py` compares, behind one small contract: the peers here, ours in `_search_ours.py`.

All by (squared) Euclidean distance, which orders unit vectors as cosine and inner product do; every graph with the same
M and efConstruction, all cells four times the root of n.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from math import isqrt
from pathlib import Path
from typing import Any, ClassVar

import faiss
import hnswlib
import joblib
import numpy as np
import usearch.index
import voyager
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors

from _search_data import K, Vectors

LINKS, EFFORT = 16, 150  # M, efConstruction
SAMPLE = 64  # vectors a cell that centroids are learned from
DEEPEST = 4096

Ids = NDArray[np.int64]


class Engine(ABC):
    """Something that finds neighbors.

    Attributes
    ----------
    name : str
    beside : str
        The raw FAISS that is made alike; its own name for that itself.
    """

    file: ClassVar[str] = "index"

    def __init__(self, name: str, beside: str) -> None:
        self.name = name
        self.beside = beside

    @abstractmethod
    def build(self, vectors: Vectors, threads: int) -> None: ...

    @abstractmethod
    def search(self, queries: Vectors, depth: int, threads: int) -> Ids:
        """The K nearest by a search of some depth, which means nothing to an exact one: (q, K)."""

    @abstractmethod
    def save(self, folder: Path) -> None: ...

    @abstractmethod
    def load(self, folder: Path, threads: int) -> None: ...

    def depths(self) -> list[int]:
        """What may be tried as depth, ascending; a single one for an exact search."""
        return ladder(K, DEEPEST)


def ladder(least: int, most: int) -> list[int]:
    """From `least` to `most`, each an eighth more than the one before."""
    steps = [least]
    while steps[-1] < most:
        steps.append(min(most, steps[-1] + max(1, steps[-1] // 8)))
    return steps


class Faiss(Engine):
    """Raw FAISS, made by its factory from a text in which {cells} is their number."""

    def __init__(self, name: str, factory: str) -> None:
        super().__init__(name, name)
        self.factory = factory
        self.index: Any = None

    def build(self, vectors: Vectors, threads: int) -> None:
        self.index = faiss.index_factory(vectors.shape[1], self.factory.format(cells=4 * isqrt(len(vectors))))
        if isinstance(self.index, faiss.IndexHNSW):
            self.index.hnsw.efConstruction = EFFORT
        if isinstance(self.index, faiss.IndexIVF):
            self.index.cp.max_points_per_centroid = SAMPLE
        faiss.omp_set_num_threads(threads)
        self.index.train(vectors)
        self.index.add(vectors)

    def search(self, queries: Vectors, depth: int, threads: int) -> Ids:
        faiss.omp_set_num_threads(threads)
        found: Ids = self.index.search(queries, K, params=self.parameters(depth))[1]
        return found

    def parameters(self, depth: int) -> Any:
        if isinstance(self.index, faiss.IndexHNSW):
            return faiss.SearchParametersHNSW(efSearch=depth)
        return faiss.SearchParametersIVF(nprobe=depth) if isinstance(self.index, faiss.IndexIVF) else None

    def save(self, folder: Path) -> None:
        faiss.write_index(self.index, str(folder / self.file))

    def load(self, folder: Path, threads: int) -> None:
        self.index = faiss.read_index(str(folder / self.file))

    def depths(self) -> list[int]:
        if isinstance(self.index, faiss.IndexIVF):
            return ladder(1, self.index.nlist)
        return super().depths() if isinstance(self.index, faiss.IndexHNSW) else [1]


class Usearch(Engine):
    def __init__(self, name: str, beside: str, storage: str) -> None:
        super().__init__(name, beside)
        self.storage = storage
        self.index: Any = None

    def build(self, vectors: Vectors, threads: int) -> None:
        metric = "cos" if self.storage == "i8" else "l2sq"  # i8 holds directions
        self.index = usearch.index.Index(
            ndim=vectors.shape[1], metric=metric, dtype=self.storage, connectivity=LINKS, expansion_add=EFFORT
        )
        self.index.add(np.arange(len(vectors)), vectors, threads=threads)

    def search(self, queries: Vectors, depth: int, threads: int) -> Ids:
        self.index.expansion_search = depth
        return answered(self.index.search(queries, K, threads=threads), len(queries))

    def save(self, folder: Path) -> None:
        self.index.save(str(folder / self.file))

    def load(self, folder: Path, threads: int) -> None:
        self.index = usearch.index.Index.restore(str(folder / self.file))


class UsearchScan(Engine):
    vectors: Vectors

    def build(self, vectors: Vectors, threads: int) -> None:
        self.vectors = vectors

    def search(self, queries: Vectors, depth: int, threads: int) -> Ids:
        found = usearch.index.search(self.vectors, queries, K, "l2sq", exact=True, threads=threads)
        return answered(found, len(queries))

    def save(self, folder: Path) -> None:
        np.save(folder / "vectors.npy", self.vectors)

    def load(self, folder: Path, threads: int) -> None:
        self.vectors = np.load(folder / "vectors.npy")

    def depths(self) -> list[int]:
        return [1]


def answered(matches: Any, queries: int) -> Ids:
    """What usearch found: its answer to a single query has no axis of queries."""
    return np.asarray(matches.keys).astype(np.int64).reshape(queries, -1)


class Voyager(Engine):
    def __init__(self, name: str, beside: str, storage: voyager.StorageDataType) -> None:
        super().__init__(name, beside)
        self.storage = storage
        self.index: Any = None

    def build(self, vectors: Vectors, threads: int) -> None:
        space, d = voyager.Space.Euclidean, vectors.shape[1]
        self.index = voyager.Index(space, d, LINKS, EFFORT, storage_data_type=self.storage)
        self.index.add_items(vectors, num_threads=threads)

    def search(self, queries: Vectors, depth: int, threads: int) -> Ids:
        return self.index.query(queries, K, num_threads=threads, query_ef=depth)[0].astype(np.int64)

    def save(self, folder: Path) -> None:
        self.index.save(str(folder / self.file))

    def load(self, folder: Path, threads: int) -> None:
        self.index = voyager.Index.load(str(folder / self.file))


class Hnswlib(Engine):
    index: Any

    def build(self, vectors: Vectors, threads: int) -> None:
        self.index = hnswlib.Index("l2", vectors.shape[1])
        self.index.init_index(len(vectors), M=LINKS, ef_construction=EFFORT)
        self.index.add_items(vectors, num_threads=threads)

    def search(self, queries: Vectors, depth: int, threads: int) -> Ids:
        self.index.set_ef(depth)
        return self.index.knn_query(queries, K, num_threads=threads)[0].astype(np.int64)

    def save(self, folder: Path) -> None:
        self.index.save_index(str(folder / self.file))
        np.save(folder / "dimension.npy", self.index.dim)

    def load(self, folder: Path, threads: int) -> None:
        self.index = hnswlib.Index("l2", int(np.load(folder / "dimension.npy")))
        self.index.load_index(str(folder / self.file))


class ScikitLearn(Engine):
    def __init__(self, name: str, beside: str, algorithm: str) -> None:
        super().__init__(name, beside)
        self.search_by = NearestNeighbors(n_neighbors=K, algorithm=algorithm)

    def build(self, vectors: Vectors, threads: int) -> None:
        self.search_by.fit(vectors)

    def search(self, queries: Vectors, depth: int, threads: int) -> Ids:
        self.search_by.n_jobs = threads
        found: Ids = self.search_by.kneighbors(queries, return_distance=False)
        return found

    def save(self, folder: Path) -> None:
        joblib.dump(self.search_by, folder / self.file)

    def load(self, folder: Path, threads: int) -> None:
        self.search_by = joblib.load(folder / self.file)

    def depths(self) -> list[int]:
        return [1]


PEERS: tuple[Callable[[], Engine], ...] = (
    lambda: Faiss("FAISS flat", "Flat"),
    lambda: UsearchScan("usearch exact", "FAISS flat"),
    lambda: ScikitLearn("scikit-learn brute", "FAISS flat", "brute"),
    lambda: ScikitLearn("scikit-learn KD-tree", "FAISS flat", "kd_tree"),
    lambda: ScikitLearn("scikit-learn ball tree", "FAISS flat", "ball_tree"),
    lambda: Faiss("FAISS IVF flat", "IVF{cells},Flat"),
    lambda: Faiss("FAISS IVF SQ8", "IVF{cells},SQ8"),
    lambda: Faiss("FAISS HNSW flat", f"HNSW{LINKS},Flat"),
    lambda: Hnswlib("hnswlib", "FAISS HNSW flat"),
    lambda: Voyager("voyager f32", "FAISS HNSW flat", voyager.StorageDataType.Float32),
    lambda: Usearch("usearch f32", "FAISS HNSW flat", "f32"),
    lambda: Faiss("FAISS HNSW fp16", f"HNSW{LINKS},SQfp16"),
    lambda: Usearch("usearch f16", "FAISS HNSW fp16", "f16"),
    lambda: Faiss("FAISS HNSW SQ8", f"HNSW{LINKS},SQ8"),
    lambda: Voyager("voyager f8", "FAISS HNSW SQ8", voyager.StorageDataType.Float8),
    lambda: Usearch("usearch i8", "FAISS HNSW SQ8", "i8"),
)
