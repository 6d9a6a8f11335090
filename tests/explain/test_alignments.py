import numpy as np
import pytest

from keras_attention.explain import (
    alignment_error_rate,
    format_links,
    links_of_weights,
    parse_links,
    peaks_in_spans,
    read_links,
    symmetrize,
    write_links,
)


def random_links(rng, size=6, share=0.25):
    chosen = rng.uniform(size=(size, size)) < share
    return {(i, j) for i in range(size) for j in range(size) if chosen[i, j]}


def naive_error_rate(found, sure, possible):
    """Och and Ney's formula, counted link by link."""
    in_sure = in_possible = links = surely = 0
    for one, must, may in zip(found, sure, possible):
        for link in one:
            links += 1
            in_sure += link in must
            in_possible += link in must or link in may
        surely += len(must)
    return 1 - (in_sure + in_possible) / (links + surely), in_possible / links, in_sure / surely


def test_the_error_rate_is_that_of_the_formula(rng):
    found, sure, possible = ([random_links(rng) for _ in range(5)] for _ in range(3))
    expected = naive_error_rate(found, sure, possible)
    np.testing.assert_allclose(alignment_error_rate(found, sure, possible), expected)


def test_all_sure_and_only_possible_links_are_no_error():
    errors = alignment_error_rate([{(0, 0), (1, 1)}, set()], [{(0, 0)}, set()], [{(1, 1)}, set()])
    assert errors == (0, 1, 1)


def test_the_error_rate_refuses_what_cannot_be_counted():
    with pytest.raises(ValueError, match="as many sentences as found, received 2 and 2 for 1"):
        alignment_error_rate([set()], [set(), set()])
    with pytest.raises(ValueError, match="at least one link, received none"):
        alignment_error_rate([set()], [set()])


def test_the_largest_weight_is_the_link():
    weights = np.array([[0.5, 0.5, 0.0], [0.1, 0.2, 0.7], [0.0, 0.0, 0.0], [0.3, 0.35, 0.35]])
    assert links_of_weights(weights) == {(0, 0), (2, 1), (1, 3)}
    assert links_of_weights(weights, at_least=0.5) == {(0, 0), (2, 1)}


def naive_symmetrization(forward, backward, size, final, both):
    """Koehn's pseudocode over a matrix, each step a loop over all of its cells."""
    cells = [(i, j) for j in range(size) for i in range(size)]
    either = forward | backward
    links = forward & backward

    def row(i):
        return any(a == i for a, _ in links)

    def column(j):
        return any(b == j for _, b in links)

    while True:
        before = set(links)
        for i, j in cells:
            if (i, j) not in links:
                continue
            for a, b in [(-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)]:
                new = (i + a, j + b)
                if new in either and (not row(new[0]) or not column(new[1])):
                    links = links | {new}
        if links == before:
            break
    for other in (forward, backward) if final else ():
        for i, j in cells:
            if (i, j) in other:
                free = (not row(i), not column(j))
                if all(free) if both else any(free):
                    links = links | {(i, j)}
    return links


@pytest.mark.parametrize(
    ("method", "final", "both"),
    [
        ("grow-diag", False, False),
        ("grow-diag-final", True, False),
        ("grow-diag-final-and", True, True),
    ],
)
def test_symmetrizing_is_koehns(method, final, both, rng):
    different = 0
    for _ in range(40):
        forward, backward = random_links(rng), random_links(rng)
        found = symmetrize(forward, backward, method)
        assert found == naive_symmetrization(forward, backward, 6, final, both)
        different += found not in (forward & backward, forward | backward)
    assert different > 20


def test_intersection_and_union(rng):
    forward, backward = random_links(rng), random_links(rng)
    assert symmetrize(forward, backward, "intersection") == forward & backward
    assert symmetrize(forward, backward, "union") == forward | backward
    with pytest.raises(ValueError, match="method: expected one of"):
        symmetrize(forward, backward, "both")


def test_links_are_read_as_they_were_written(tmp_path, rng):
    sure = [random_links(rng) for _ in range(4)] + [set()]
    possible = [random_links(rng) - one for one in sure]
    write_links(tmp_path / "links.txt", sure, possible)
    assert read_links(tmp_path / "links.txt") == list(zip(sure, possible))
    with pytest.raises(FileExistsError, match="path: expected a new file"):
        write_links(tmp_path / "links.txt", sure)


def test_a_line_is_that_of_moses():
    assert format_links({(10, 2), (2, 10), (0, 0)}) == "0-0 2-10 10-2"
    assert parse_links("  3-4\t0p0 \n") == ({(3, 4)}, {(0, 0)})


@pytest.mark.parametrize("line", ["0", "0-", "a-b", "0_1", "-1-2", "0-1,1-2", "²-1"])
def test_a_line_that_holds_anything_else_is_refused_with_its_number(line, tmp_path):
    path = tmp_path / "links.txt"
    path.write_text(f"0-0\n{line}\n", "utf-8")
    with pytest.raises(ValueError, match="line 2: line: expected links such as 0-1 or 0p1"):
        read_links(path)


def test_peaks_lie_in_spans():
    weights = np.array([[0.1, 0.9, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 0.0]])
    assert peaks_in_spans(weights, [[1, 2], [1, 3], [0, 3]]).tolist() == [True, False, False]
    with pytest.raises(ValueError, match="spans: expected one first and one last"):
        peaks_in_spans(weights, [[1, 2]])
