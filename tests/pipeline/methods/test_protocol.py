"""Every method has what the protocol says, with the same arguments."""

import inspect

import pytest

from pneumoseg.pipeline.methods.miscnn.method import MiscnnReference
from pneumoseg.pipeline.methods.protocol import Method
from pneumoseg.pipeline.methods.segmenter import Segmenter
from pneumoseg.pipeline.methods.voting import Voting
from pneumoseg.pipeline.settings.loading import load_settings
from tests.evaluation.mean_value import MeanOfImage
from tests.evaluation.threshold import Threshold


@pytest.mark.parametrize("method", [Segmenter, Voting, MiscnnReference, Threshold, MeanOfImage])
@pytest.mark.parametrize("name", ["describe", "prepare", "fit", "predict"])
def test_methods_take_the_same_arguments(method, name):
    wanted = inspect.signature(getattr(Method, name)).parameters
    assert list(inspect.signature(getattr(method, name)).parameters) == list(wanted)


def test_properties_are_those_of_the_settings():
    method: Method = Segmenter(load_settings("demo", ["seed=7"]))
    assert method.seed == 7
    assert method.model_choice == load_settings("demo").model_choice
    assert "seed: 7" in method.describe()
