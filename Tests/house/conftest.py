"""A made-up package to break rules in."""

import pytest

from house_tool import Package


@pytest.fixture
def package(tmp_path):
    return Package(tmp_path)
