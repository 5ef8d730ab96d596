"""Locust over a scenario: `locust -f loadtest/locustfile.py --host grpc://127.0.0.1:9000 --scenario steady`."""

from services.loadtest.locust_user import ScenarioUser

__all__ = ["ScenarioUser"]
