import numpy as np
import pytest

from lotus_performance.engine.hierarchy import Folding, Level, group_positions, roll_up
from lotus_performance.errors import UnknownHierarchyKeyError

IDS = ["A", "B", "C", "D"]
SECTORS = [{"sector": "Tech", "land": "US"}, {"sector": "Tech", "land": "JP"}, {"sector": "Health", "land": "US"}, {}]
# In percent for the eye: contributions 4, 3, 2, 1 and weights 40, 30, 20, 10.
LOCAL, FX, WEIGHT = np.array([3.0, 3.0, 2.0, 0.5]), np.array([1.0, 0.0, 0.0, 0.5]), np.array([40.0, 30.0, 20.0, 10.0])
ALL = Folding(threshold=0.0, top_n=100)


def rolled(names: list[str], labels: list[dict[str, str]] = SECTORS, folding: Folding = ALL) -> list[Level]:
    return roll_up(group_positions(names, IDS[: len(labels)], labels), LOCAL, FX, WEIGHT, folding)


def rows_of(level: Level) -> dict[tuple[str, ...], float]:
    return dict(zip(level.keys, (level.local + level.fx).tolist(), strict=True))


def labelled(*groups: str) -> list[dict[str, str]]:
    return [{"group": group} for group in groups]


def test_a_row_is_the_sum_of_its_positions() -> None:
    (level,) = rolled(["sector"])
    assert rows_of(level) == {("Health",): 2.0, ("Tech",): 7.0, ("Unclassified",): 1.0}
    assert level.local.tolist() == [2.0, 6.0, 0.5]
    assert level.fx.tolist() == [0.0, 1.0, 0.5]
    assert level.weight.tolist() == [20.0, 70.0, 10.0]


def test_children_are_groups_of_the_next_level_and_positions_at_the_last() -> None:
    sector, land = rolled(["sector", "land"])
    assert dict(zip(sector.keys, sector.n_children.tolist(), strict=True)) == {
        ("Health",): 1,
        ("Tech",): 2,
        ("Unclassified",): 1,
    }
    assert land.keys == [("Health", "US"), ("Tech", "JP"), ("Tech", "US"), ("Unclassified", "Unclassified")]
    assert land.n_children.tolist() == [1, 1, 1, 1]


def test_groups_of_one_name_under_two_parents_are_two_rows() -> None:
    land = rolled(["land", "sector"])[1]
    assert rows_of(land)["US", "Tech"] == 4.0
    assert rows_of(land)["US", "Health"] == 2.0


def test_positions_can_be_a_level() -> None:
    assert rows_of(rolled(["sector", "position_id"])[1])["Tech", "B"] == 3.0


def test_a_label_that_nothing_has_is_refused_and_those_known_are_named() -> None:
    with pytest.raises(UnknownHierarchyKeyError) as caught:
        rolled(["sector", "Sector"])
    (fault,) = caught.value.faults
    assert fault.place == ("hierarchy", 1)
    assert "known are land, position_id, sector" in fault.detail


# Folding.


def test_rows_beyond_the_largest_are_folded() -> None:
    (level,) = rolled(["group"], labelled("a", "b", "c", "d"), Folding(0.0, 2))
    assert rows_of(level) == {("Other",): 3.0, ("a",): 4.0, ("b",): 3.0}
    assert level.is_other.tolist() == [True, False, False]
    assert level.n_children.tolist() == [2, 1, 1]
    assert level.weight.tolist() == [30.0, 40.0, 30.0]


def test_rows_rank_by_size_whatever_their_sign_and_ties_by_key() -> None:
    (level,) = roll_up(
        group_positions(["group"], IDS, labelled("d", "c", "b", "a")),
        np.array([-5.0, 1.0, 1.0, 1.0]),
        np.zeros(4),
        WEIGHT,
        Folding(0.0, 2),
    )
    assert level.keys == [("Other",), ("a",), ("d",)]


def test_light_rows_are_folded_and_take_no_place_of_the_ranking() -> None:
    # The lightest, d, has 10: below 15. Of the others the first two stay.
    (level,) = rolled(["group"], labelled("a", "b", "c", "d"), Folding(15.0, 2))
    assert level.keys == [("Other",), ("a",), ("b",)]
    assert level.n_children.tolist() == [2, 1, 1]


def test_a_short_row_is_as_heavy_as_a_long_one() -> None:
    weight = np.array([-40.0, 30.0, 20.0, 10.0])
    (level,) = roll_up(group_positions(["group"], IDS, labelled("a", "b", "c", "d")), LOCAL, FX, weight, Folding(15.0))
    assert level.keys == [("Other",), ("a",), ("b",), ("c",)]


def test_what_has_no_label_is_never_folded() -> None:
    labels = [*labelled("a", "b", "c"), {}]
    (level,) = rolled(["group"], labels, Folding(50.0, 1))
    assert rows_of(level) == {("Other",): 9.0, ("Unclassified",): 1.0}


def test_rows_are_folded_within_their_parent() -> None:
    labels = [{"top": top, "group": group} for top, group in (("x", "a"), ("x", "b"), ("y", "a"), ("y", "b"))]
    top, group = rolled(["top", "group"], labels, Folding(0.0, 1))
    # At the top y (3) is folded; x keeps its largest, and of the folded row too one stands.
    assert rows_of(top) == {("Other",): 3.0, ("x",): 7.0}
    assert rows_of(group) == {("Other", "Other"): 1.0, ("Other", "a"): 2.0, ("x", "Other"): 3.0, ("x", "a"): 4.0}


def test_a_group_that_is_called_other_stays_itself_where_nothing_is_folded() -> None:
    (level,) = rolled(["group"], labelled("a", "b", "Other", "c"))
    assert rows_of(level)["Other",] == 2.0
    assert not level.is_other.any()


def test_a_group_that_is_called_other_joins_the_folded_rows() -> None:
    (level,) = rolled(["group"], labelled("Other", "b", "c", "d"), Folding(0.0, 2))
    assert rows_of(level) == {("Other",): 7.0, ("b",): 3.0}
    assert level.n_children.tolist() == [3, 1]
    assert level.is_other.tolist() == [True, False]


def test_one_row_alone_can_be_folded() -> None:
    (level,) = rolled(["group"], labelled("a", "b", "c", "d"), Folding(0.0, 3))
    assert level.keys == [("Other",), ("a",), ("b",), ("c",)]
    assert level.n_children.tolist() == [1, 1, 1, 1]
