"""Sizes as people read them."""

from services.edge.size_words import size_in_words


def test_a_size_has_three_digits_and_no_exponent_also_where_it_rounds_up_to_the_next_unit() -> None:
    sizes = [0, 999, 1000, 999_499, 999_500, 12_345_678, 999_900_000, 1 << 30, 2 * 10**12]
    words = ["0 B", "999 B", "1.00 kB", "999 kB", "1.00 MB", "12.3 MB", "1.00 GB", "1.07 GB", "2.00 TB"]
    assert [size_in_words(size) for size in sizes] == words
