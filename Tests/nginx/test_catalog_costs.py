"""The table in docs/costs.md says what the routes cost."""

import measure_costs


def test_the_table_of_costs_is_what_is_measured():
    assert measure_costs.table() == measure_costs.PAGE.written, "run Tests/nginx/measure_costs.py"
