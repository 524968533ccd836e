"""Any value of any setting starts a process, or ends it with one error that names the variable."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, seed, settings
from pydantic import ValidationError

from generator_service.settings import Settings as ServiceSettings
from tools.fuzz.settings import SettingsCase, problems_of_reading, problems_of_starting, settings_cases
from whitebg_process.settings import describe


@seed(0)
@settings(max_examples=1500, database=None, suppress_health_check=list(HealthCheck))
@given(settings_cases())
def test_generated_values_are_read_or_rejected_by_name(case: SettingsCase) -> None:
    assert not problems_of_reading(case)


@pytest.mark.parametrize(
    ("process", "variable", "value"),
    [
        ("service", "WHITEBG_DATA_DIR", "/dev/null"),
        ("service", "WHITEBG_GRPC_HOST", "no.such.host.invalid"),
        ("service", "WHITEBG_DATABASE_URL", "postgresql://u@127.0.0.1:1/d"),
        ("gateway", "WHITEBG_HTTP_HOST", "no.such.host.invalid"),
        ("gateway", "WHITEBG_HTTP_HOST", "é" * 70),
        ("gateway", "WHITEBG_DRAIN_TIMEOUT", "999999999d"),
        ("gateway", "WHITEBG_GRPC_TARGET", "%%%"),
    ],
)
def test_values_that_only_a_start_can_judge(process: str, variable: str, value: str) -> None:
    assert not problems_of_starting(SettingsCase(process, variable, value))


def test_errors_are_one_line_for_each_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHITEBG_ENGINE_ORDER", "quantum,local,abacus")
    with pytest.raises(ValidationError) as rejected:
        ServiceSettings()
    (line,) = describe(rejected.value, ServiceSettings)
    assert line.startswith("WHITEBG_ENGINE_ORDER: 'quantum' can't be used")
    assert "'abacus' can't be used" in line
