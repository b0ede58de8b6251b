"""What engines for several machines cost on one: bulk embedding with Ray.

    python benchmarks/scale.py embedding photos

Interleaved with what they stand beside, as ratios.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import _bulk_embedding


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    measured = parser.add_subparsers(dest="measured", required=True)
    embedding = measured.add_parser("embedding", help="bulk embedding by each engine")
    embedding.add_argument("photos", type=Path, help="folder of photographs")
    embedding.add_argument("--rounds", type=int, default=2)
    embedding.add_argument("--most", type=int, help="pictures")
    arguments = parser.parse_args()
    _bulk_embedding.measure(arguments.photos, arguments.rounds, arguments.most)


if __name__ == "__main__":
    main()
