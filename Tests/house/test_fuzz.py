"""scripts/fuzz: a target that was given nothing has shown nothing."""

import importlib.machinery
import importlib.util

import pytest

from house_tool import REPOSITORY


@pytest.fixture(scope="module")
def fuzz():
    loader = importlib.machinery.SourceFileLoader("scripts_fuzz", str(REPOSITORY / "scripts/fuzz"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def said(count):
    return f"cov: 7 ft: 9\nstat::number_of_executed_units: {count}\n"


def test_few_inputs_are_a_failure(fuzz):
    assert fuzz.fuzzed("json", 0, said(fuzz.LEAST))[0] == 0
    assert [fuzz.fuzzed("json", 0, output)[0] for output in (said(0), said(fuzz.LEAST - 1), "")] == [1] * 3
    assert fuzz.fuzzed("json", 77, said(100_000))[0] == 77


def test_what_is_told_of_a_target(fuzz, capsys):
    assert fuzz.told("json", 0, said(5000)) and not fuzz.told("json", *fuzz.fuzzed("json", 0, said(0)))
    assert "json: 5000 inputs, 7 places reached\n" in capsys.readouterr().out
