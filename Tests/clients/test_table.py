"""What client libraries of the Web API get, unmodified: before the stand-in Spotify in both modes, and through the mirror."""

import pytest

import table


@pytest.fixture(scope="module")
def outcomes():
    return table.measure()


@pytest.fixture(scope="module")
def seven(outcomes):
    return [outcome for outcome in outcomes if outcome.name in table.SEVEN]


def test_of_the_seven_libraries_calls_five_in_seven_work_through_the_mirror(seven):
    calls, extended, development, mirror = table.totals(seven)
    print(f"{calls} calls of {len(seven)} libraries: {extended} work in extended mode, {development} in development mode, {mirror} through the mirror")
    assert calls >= 186 and mirror >= 132 and mirror / calls >= 132 / 186
    assert mirror > development


def test_what_works_directly_in_development_mode_works_through_the_mirror(outcomes):
    assert {outcome.title: outcome.lost() for outcome in outcomes if outcome.lost()} == {}


def test_the_tables_of_the_document_are_what_comes_out(outcomes):
    written = table.PAGE.written
    assert table.tables(outcomes) == written, "run Tests/clients/table.py"
