"""Settings of the front door."""

from dataclasses import replace
from pathlib import Path

import pytest

import services.model.settings
from services.edge.errors import InvalidDeclaration
from services.edge.receipts import CLOUD_RUN
from services.ensemble.fan_out import IN_FLIGHT
from services.ensemble.members import MemberAddress
from services.ensemble.preparation import CallLimits
from services.ensemble.settings import settings_from


def test_files_members_and_tariff_are_read_from_text() -> None:
    settings = settings_from(
        {
            "ENSEMBLE_FILES": "/a.yaml:/b.yaml",
            "ENSEMBLE_MEMBERS": '{"m": {"address": "m.default:80", "authority": "m.default"}}',
            "ENSEMBLE_TARIFF": '{"per_cpu_second": 2, "currency": "EUR"}',
        }
    )
    assert settings.files == (Path("/a.yaml"), Path("/b.yaml"))
    assert settings.members == {"m": MemberAddress(address="m.default:80", authority="m.default")}
    assert settings.prices() == replace(CLOUD_RUN, per_cpu_second=2, currency="EUR")


def test_a_members_limits_are_a_model_services_own_unless_given() -> None:
    own = services.model.settings.Settings()
    text = '{"a": {"address": "a:80"}, "b": {"address": "b:80", "max_batch": 16, "max_message_bytes": 1000}}'
    members = settings_from({"ENSEMBLE_FILES": "/a.yaml", "ENSEMBLE_MEMBERS": text}).members
    assert members["a"].limits == CallLimits(own.max_batch, own.max_message_bytes)
    assert members["b"].limits == CallLimits(16, 1000)


def test_a_model_queues_all_that_a_front_door_lets_in() -> None:
    ongoing = settings_from({"ENSEMBLE_FILES": "/a.yaml"}).max_ongoing
    assert services.model.settings.Settings().max_queue >= IN_FLIGHT * ongoing


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("EXECUTOR", "rey", "ENSEMBLE_EXECUTOR: Input should be 'embedded' or 'ray'"),
        ("MEMBERS", "{", "ENSEMBLE_MEMBERS: not JSON"),
        ("MEMBERS", '{"m": {"adress": "x"}}', "ENSEMBLE_MEMBERS.M.ADRESS: Extra inputs are not permitted"),
        ("MEMBERS", '{"m": {}}', "ENSEMBLE_MEMBERS.M: give the address of a whole model, or the stages"),
        ("TARIFF", '{"per_cpu_second": -1}', "greater than or equal to 0"),
        ("TARIFF", '{"per_request": Infinity}', "ENSEMBLE_TARIFF.PER_REQUEST: Input should be a finite number"),
        ("HTTP_ADDRESS", "8000", "'8000' is not host:port"),
        ("MAX_PICTURES", "0", "ENSEMBLE_MAX_PICTURES"),
        ("MAX_PICTURE", "3", "did you mean 'ENSEMBLE_MAX_PICTURES'?"),
    ],
)
def test_a_wrong_setting_is_named(name: str, text: str, said: str) -> None:
    with pytest.raises(InvalidDeclaration) as caught:
        settings_from({"ENSEMBLE_FILES": "/a.yaml", f"ENSEMBLE_{name}": text})
    assert said in str(caught.value)


def test_files_are_needed() -> None:
    with pytest.raises(InvalidDeclaration, match="ENSEMBLE_FILES: Field required"):
        settings_from({})
