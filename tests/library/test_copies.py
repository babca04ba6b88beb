"""Records that are alike to the byte are found, named, and those in several splits are called a leak."""

import numpy as np

from quasistatic.kits.pictures.copies import copies, copies_notes


def test_copies_are_sets_of_two_or_more_in_order():
    assert copies([b"a", b"b", b"a", b"", b"c", b"b", b"a"]) == [[0, 2, 6], [1, 5]]
    assert copies([]) == copies([b"x", b"y"]) == []


def test_copies_in_one_split_are_counted_and_those_in_several_are_a_leak():
    splits = {"train": np.array([0, 1, 2, 3]), "test": np.array([4, 5])}
    first, second = copies_notes([[0, 1, 2], [3, 5]], splits, "row {}".format, "rows")
    assert first == "3 of 6 rows are copies of others, to the level: row 0 = row 1 = row 2; row 3 = row 5"
    assert second.startswith("1 sets of copies are in several splits") and second.endswith("row 3 (train) = row 5 (test)")
    assert len(list(copies_notes([[0, 1]], splits, str))) == 1
    assert not list(copies_notes([], splits, str))


def test_of_many_sets_the_first_are_named():
    (note,) = copies_notes([[2 * k, 2 * k + 1] for k in range(8)], {"train": np.arange(16)}, str)
    assert "8 = 9; and 3 more" in note and "10" not in note.partition(":")[2]
    (note,) = copies_notes([list(range(9))], {"train": np.arange(9)}, str)
    assert note.endswith("0 = 1 = 2 = 3 = 4 = ...")
