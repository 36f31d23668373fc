"""Settings for all tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A slow machine is no failure of a property.
settings.register_profile("maieutic", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("maieutic")
