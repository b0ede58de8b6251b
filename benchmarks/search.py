"""Nearest neighbors: ours beside FAISS, usearch, voyager, hnswlib and scikit-learn; what the contract costs; curves.

    python benchmarks/search.py [--only clusters,pictures,contract,divergence,trees] [--cache FOLDER]
    python benchmarks/search.py --curve [--cache FOLDER]

`clusters`: 200,000 unit vectors of 128 numbers in 1,000 overlapping Gaussian clusters. `pictures`: the built-in
characters as whitened HOG. For both, queries a second at recall@10 of .90, .95 and .99, build time, bytes, and the time
from a file to the first answer. `contract`: ours beside the raw FAISS that it stands on, at one depth. `divergence`:
HNSW under Kullback–Leibler beside the exact scan. `trees`: few dimensions. `--curve`: time and memory from 1,000 to
2,000,000 vectors. Everything in one process takes turns in rounds; what is built is kept in `--cache` for another run.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from _results import write_section
from _search_contract import contract_costs
from _search_curve import SIZES, curve
from _search_data import clusters, pictures
from _search_exact import divergences, trees
from _search_peers import beside_peers

RECALLS = (0.90, 0.95, 0.99)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="clusters,pictures,contract,divergence,trees", help="parts, by comma")
    parser.add_argument("--curve", action="store_true", help="the curve and nothing else")
    parser.add_argument("--cache", type=Path, help="where builds are kept; a temporary folder if not given")
    parser.add_argument("--stored", type=int, default=200_000, help="vectors of `clusters` and `contract`")
    parser.add_argument("--queries", type=int, default=2000)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="of searches; builds take the most")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--singles", type=int, default=5000, help="single queries of `contract`")
    parser.add_argument("--histograms", type=int, default=50_000)
    parser.add_argument("--tree-sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--curve-sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--most-f32", type=int, default=1_000_000, help="of the curve: largest HNSW in float32")
    arguments = parser.parse_args()
    parts = {
        "clusters": clusters_part,
        "pictures": pictures_part,
        "contract": contract_part,
        "divergence": divergence_part,
        "trees": trees_part,
        "curve": curve_part,
    }
    chosen = ["curve"] if arguments.curve else arguments.only.split(",")
    unknown = sorted(set(chosen) - set(parts))
    if unknown:
        parser.error(f"there is no part {', '.join(unknown)}: there are {', '.join(parts)}")
    with tempfile.TemporaryDirectory() as temporary:
        cache = arguments.cache or Path(temporary)
        cache.mkdir(parents=True, exist_ok=True)
        for name in chosen:
            title, body = parts[name](arguments, cache)
            write_section(title, body)


Part = tuple[str, str]
"""Title and body of a section."""


def clusters_part(arguments: argparse.Namespace, cache: Path) -> Part:
    data = clusters(arguments.stored, arguments.queries)
    head = (
        f"{arguments.stored:,} unit vectors of 128 numbers: 1,000 overlapping Gaussian clusters in 20 dimensions, plus "
        f"noise in all; {len(data.queries):,} fresh draws are the queries. "
    )
    return "Search: clustered vectors", head + beside_peers(data, cache, RECALLS, arguments.threads, arguments.rounds)


def pictures_part(arguments: argparse.Namespace, cache: Path) -> Part:
    data = pictures(cache)
    head = (
        f"Pictures of the built-in characters: HOG, whitened to {data.stored.shape[1]} numbers, of length 1; "
        f"{len(data.stored):,} are stored and {len(data.queries):,} others are the queries. "
    )
    body = beside_peers(data, cache, RECALLS, arguments.threads, arguments.rounds)
    return "Search: embeddings of pictures", head + body


def contract_part(arguments: argparse.Namespace, cache: Path) -> Part:
    data = clusters(arguments.stored, arguments.queries)
    body = contract_costs(data, cache, arguments.threads, 2 * arguments.rounds - 1, arguments.singles)
    return "Search: what the contract costs", body


def divergence_part(arguments: argparse.Namespace, cache: Path) -> Part:
    return "Search under Kullback–Leibler", divergences(arguments.histograms, arguments.queries, arguments.rounds)


def trees_part(arguments: argparse.Namespace, cache: Path) -> Part:
    return "Search in few dimensions", trees(arguments.tree_sizes, arguments.rounds)


def curve_part(arguments: argparse.Namespace, cache: Path) -> Part:
    body = curve(cache, arguments.curve_sizes, arguments.queries, max(arguments.threads), arguments.most_f32)
    return "Search from a thousand vectors to millions", body


if __name__ == "__main__":
    main()
