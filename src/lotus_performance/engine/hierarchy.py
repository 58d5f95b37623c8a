"""Rolling positions up into the levels of a hierarchy: what is small or ranks low is folded within its parent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lotus_performance.engine.series import BoolArray, FloatArray, IntArray
from lotus_performance.errors import Fault, UnknownHierarchyKeyError

UNCLASSIFIED = "Unclassified"
"""Group of what lacks the label of a level."""

OTHER = "Other"
"""Group of the rows that were folded."""

IDENTITY = "position_id"
"""Level of the positions themselves."""

MOST_SHOWN, LONGEST_SHOWN = 20, 64
"""Labels that a refusal lists, and their longest name."""


@dataclass(frozen=True)
class Folding:
    """Which rows of a level are folded: lighter than `threshold` (a fraction), or beyond the first `top_n`."""

    threshold: float = 0.005
    top_n: int = 20


@dataclass(frozen=True)
class Level:
    """One level of a hierarchy, k rows in order of their keys.

    Attributes
    ----------
    name : str
        Label by which it groups.
    keys : list of tuple of str, length k
        Group of each row at this and at all levels above.
    local, fx, weight : ndarray of float64, shape (k,)
        Sums over the positions of each row, as fractions.
    n_children : ndarray of int64, shape (k,)
        Groups of the next level (positions at the last one) in each row; of a folded row the rows folded.
    is_other : ndarray of bool, shape (k,)
        Rows into which others were folded.
    """

    name: str
    keys: list[tuple[str, ...]]
    local: FloatArray
    fx: FloatArray
    weight: FloatArray
    n_children: IntArray
    is_other: BoolArray


@dataclass(frozen=True)
class Hierarchy:
    """Groups of n positions at each of several levels: `codes` point into `groups`, which are in order."""

    names: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    codes: tuple[IntArray, ...]


def group_positions(names: Sequence[str], ids: Sequence[str], labels: Sequence[Mapping[str, str]]) -> Hierarchy:
    """Return the groups of positions at each level.

    Parameters
    ----------
    names : sequence of str
        Labels to group by, from the top down; ``position_id`` is the position itself.
    ids : sequence of str, length n
        Identities of the positions.
    labels : sequence of Mapping, length n
        Their labels.

    Returns
    -------
    Hierarchy
        Groups by level; positions without a level's label are ``Unclassified`` there.

    Raises
    ------
    UnknownHierarchyKeyError
        No position has the label of a level.
    """
    known = set().union(*labels, [IDENTITY])
    shown = sorted(name for name in known if len(name) <= LONGEST_SHOWN)[:MOST_SHOWN]
    faults = [
        Fault(("hierarchy", i), f"no position has the label {name!r}; known are {', '.join(shown)}")
        for i, name in enumerate(names)
        if name not in known
    ]
    if faults:
        raise UnknownHierarchyKeyError("A level of the hierarchy is a label that no position has.", faults=faults)
    groups, codes = [], []
    for name in names:
        mine = list(ids) if name == IDENTITY else [label.get(name, UNCLASSIFIED) for label in labels]
        distinct = sorted({*mine, UNCLASSIFIED, OTHER})
        code = {group: i for i, group in enumerate(distinct)}
        groups.append(tuple(distinct))
        codes.append(np.array([code[group] for group in mine], dtype=np.int64))
    return Hierarchy(tuple(names), tuple(groups), tuple(codes))


def roll_up(
    hierarchy: Hierarchy, local: FloatArray, fx: FloatArray, weight: FloatArray, folding: Folding
) -> list[Level]:
    """Return the rows of each level.

    Parameters
    ----------
    hierarchy : Hierarchy
        Groups of n positions.
    local, fx, weight : ndarray of float64, shape (n,)
        Contribution in two parts and average weight of each position.
    folding : Folding
        Which rows are folded within their parent; those of `UNCLASSIFIED` never are.

    Returns
    -------
    list of Level
        One for each level; the children of a folded row stand under the parent `OTHER`.
    """
    levels = []
    parent = np.zeros(len(local), dtype=np.int64)
    paths: list[tuple[str, ...]] = [()]
    for depth, (name, groups, code) in enumerate(zip(hierarchy.names, hierarchy.groups, hierarchy.codes, strict=True)):
        other = groups.index(OTHER)
        # A position may be called so, and is none that lacks a label.
        unclassified = -1 if name == IDENTITY else groups.index(UNCLASSIFIED)
        cell, row_of = np.unique(parent * len(groups) + code, return_inverse=True)
        of_parent, group = np.divmod(cell, len(groups))
        size = _summed(row_of, local + fx, len(cell))
        is_light = (np.abs(_summed(row_of, weight, len(cell))) < folding.threshold) & (group != unclassified)
        is_ranked = ~is_light & (group != unclassified)
        is_folded = is_light | (is_ranked & (_rank(of_parent, -np.abs(size), group, is_ranked) >= folding.top_n))
        # A group that is itself called Other joins the row into which its neighbours are folded.
        has_other = np.isin(of_parent, of_parent[is_folded])
        is_folded |= has_other & (group == other)
        cell, shown = np.unique(of_parent * len(groups) + np.where(is_folded, other, group), return_inverse=True)
        of_parent, group = np.divmod(cell, len(groups))
        paths = [(*paths[above], groups[i]) for above, i in zip(of_parent.tolist(), group.tolist(), strict=True)]
        parent = shown[row_of]
        n_folded = np.bincount(shown, weights=is_folded, minlength=len(cell)).astype(np.int64)
        below = hierarchy.codes[depth + 1] if depth + 1 < len(hierarchy.codes) else np.arange(len(local))
        levels.append(
            Level(
                name=name,
                keys=paths,
                local=_summed(parent, local, len(cell)),
                fx=_summed(parent, fx, len(cell)),
                weight=_summed(parent, weight, len(cell)),
                n_children=np.where(n_folded > 0, n_folded, _n_distinct(parent, below, len(cell))),
                is_other=n_folded > 0,
            )
        )
    return levels


def _summed(row_of: IntArray, figures: FloatArray, n_rows: int) -> FloatArray:
    return np.bincount(row_of, weights=figures, minlength=n_rows).astype(np.float64)


def _n_distinct(row_of: IntArray, below: IntArray, n_rows: int) -> IntArray:
    pairs = np.unique(np.stack((row_of, below)), axis=1)
    return np.bincount(pairs[0], minlength=n_rows)


def _rank(parent: IntArray, size: FloatArray, group: IntArray, is_ranked: BoolArray) -> IntArray:
    """Return the place of each ranked row among those of its parent, the largest first, ties by key; else 0."""
    rows = np.flatnonzero(is_ranked)
    order = rows[np.lexsort((group[rows], size[rows], parent[rows]))]
    is_first = np.append(True, parent[order][1:] != parent[order][:-1])[: len(order)]
    start = np.maximum.accumulate(np.where(is_first, np.arange(len(order)), 0))
    rank = np.zeros(len(parent), dtype=np.int64)
    rank[order] = np.arange(len(order)) - start
    return rank
