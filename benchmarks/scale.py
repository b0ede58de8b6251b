"""What engines for several machines cost on one: bulk embedding with Ray.

    python benchmarks/scale.py embedding

Interleaved with what they stand beside, as ratios. SEMELHA_DATA names the folder that holds the sets.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import _bulk_embedding


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    measured = parser.add_subparsers(dest="measured", required=True)
    embedding = measured.add_parser("embedding", help="bulk embedding by each engine")
    embedding.add_argument("data", type=Path, nargs="?", default=os.environ.get("SEMELHA_DATA"))
    embedding.add_argument("--rounds", type=int, default=2)
    embedding.add_argument("--most", type=int, help="pictures")
    arguments = parser.parse_args()
    if arguments.data is None:
        parser.error("name the folder that holds grocery/open, or set SEMELHA_DATA")
    _bulk_embedding.measure(arguments.data / "grocery" / "open" / "images", arguments.rounds, arguments.most)


if __name__ == "__main__":
    main()
