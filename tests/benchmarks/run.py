"""Measure, print one table, and fail when a figure breaks its bound: ``python run.py`` and parts, all by default.

Parts: edge, growth, keeping, mwr, contribution, attribution, roots, rps, kept.

Every figure is a ratio of two things measured in turns in one run, so that it hardly depends on the machine; the one
exception is the CPU time of a request of a money-weighted return, a contribution and an attribution. Takes about four
minutes.
"""

import argparse
import os
import sys

# Before numpy is loaded: the server's own setting, one thread for linear algebra.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from attributing import attribution_rows
from contributing import contribution_rows
from edge import edge_rows, growth_rows, mwr_rows
from keeping import keeping_rows
from measuring import Row, table
from rootfinding import root_rows
from throughput import kept_rows, throughput_rows

PARTS = {
    "edge": edge_rows,
    "growth": growth_rows,
    "keeping": keeping_rows,
    "mwr": mwr_rows,
    "contribution": contribution_rows,
    "attribution": attribution_rows,
    "roots": root_rows,
    "rps": throughput_rows,
    "kept": kept_rows,
}
HEADER = ("figure", "", "bound", "", "behind it")


def main() -> int:
    """Return 0 when all bounds are kept."""
    parser = argparse.ArgumentParser(description="Ratios of speed, and growth with the number of rows.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; default: all")
    names = parser.parse_args().parts or list(PARTS)
    if unknown := [name for name in names if name not in PARTS]:
        parser.error(f"no part {', '.join(unknown)}; parts are {', '.join(PARTS)}")
    rows: list[Row] = []
    for name in names:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        rows += PARTS[name]()
    print(table(HEADER, (row.cells() for row in rows)))
    print(f"\nload average {os.getloadavg()[0]:.1f} on {len(os.sched_getaffinity(0))} cores")
    broken = [row.what for row in rows if not row.is_kept]
    if broken:
        print(f"broken bounds: {'; '.join(broken)}", file=sys.stderr)
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
