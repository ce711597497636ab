"""Quantities as the API server writes them."""

import pytest

from localcloud.kubernetes.objects.quantities import canonical


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("0.5", "500m"),
        ("1000m", "1"),
        ("1500m", "1500m"),
        (8, "8"),
        (0.25, "250m"),
        (1.0, "1"),
        ("0", "0"),
        ("1000000", "1M"),
        ("8589934592", "8589934592"),
        ("4194304Ki", "4Gi"),
        ("1536Mi", "1536Mi"),
        ("0.5Gi", "512Mi"),
        ("0.1Ki", "102400m"),
        ("512Ki", "512Ki"),
        ("1e3", "1e3"),
        ("1.5e2", "150"),
        ("0.0000000001", "1m"),
        ("1E", "1E"),
        ("7Ei", "7Ei"),
        ("8Ei", "9223372036854775807"),
        ("1e30", "9223372036854775807"),
        ("1e-999", "1e-3"),
    ],
)
def test_a_quantity_has_one_text_for_each_notation(given, written):
    assert canonical(given) == written
    assert canonical(written) == written


def test_an_invalid_quantity_is_refused():
    for text in ("5 apples", "1\n", "٣"):
        with pytest.raises(ValueError, match="is not a quantity"):
            canonical(text)
