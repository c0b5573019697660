"""The figures over all cases of a score table: what both refuse, and that they draw something."""

import matplotlib.image
import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.figures.lesion_size import score_against_size
from pneumoseg.evaluation.figures.saving import save_figure
from pneumoseg.evaluation.figures.volumes import volume_agreement
from tests.evaluation.figures.case_tables import one_astray, table


@pytest.mark.parametrize("figure", [volume_agreement, score_against_size])
def test_an_unknown_class_is_refused(figure):
    with pytest.raises(InputError, match="no class infektion; did you mean infection"):
        figure(one_astray(), "infektion")


@pytest.mark.parametrize("figure", [volume_agreement, score_against_size])
@pytest.mark.parametrize("cases", [1, 3, 60])
def test_pictures_are_not_blank(figure, cases, tmp_path):
    volumes = np.geomspace(1, 2000, cases)
    save_figure(figure(table(volumes, volumes[::-1], np.linspace(0.2, 0.9, cases))), tmp_path / "a.png", dpi=50)
    assert matplotlib.image.imread(tmp_path / "a.png").std() > 0.02
