from dataclasses import fields

from pneumoseg.scripts.web.limits import Limits


def test_limits_are_positive_and_none_makes_another_useless():
    limits = Limits()
    assert all(getattr(limits, field.name) > 0 for field in fields(limits))
    assert limits.connections > limits.listeners + limits.uploads
    assert limits.queue >= limits.uploads
