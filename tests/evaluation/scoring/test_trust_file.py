import json

import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.evaluation.measures.trust import Calibration, DiceCalibration
from pneumoseg.evaluation.scoring.trust_file import read_calibration, write_calibration


@pytest.fixture
def path(tmp_path):
    values = np.array([[0.2, 1.0], [0.3, 1.1], [0.4, 1.5]])
    infection = DiceCalibration(("entropy", "distance"), values, np.array([0.9, 0.8, 0.5]), np.array([0, 1, 1]))
    distances = np.array([1.0, 1.1, 1.5, np.nan])
    write_calibration(
        tmp_path / "trust.json",
        Calibration({"infection": infection}, distances, np.array([0, 1, 1, 2]), {"infection": 0.75}),
    )
    return tmp_path / "trust.json"


def test_a_calibration_is_written_and_read_back(path):
    found = read_calibration(path)
    infection = found.classes["infection"]
    assert infection.names == ("entropy", "distance")
    assert infection.dice.tolist() == [0.9, 0.8, 0.5]
    assert infection.patients.tolist() == [0, 1, 1]
    assert infection.values[2].tolist() == [0.4, 1.5]
    assert (found.coverage, found.largest_distance, len(found.patients)) == ({"infection": 0.75}, 1.5, 4)


def change(content: dict, *places, value) -> None:
    for place in places[:-1]:
        content = content[place]
    content[places[-1]] = value


@pytest.mark.parametrize(
    ("places", "value", "message"),
    [
        (("format",), 7, "format 1 is needed, found 7"),
        (("classes",), 3, "damaged"),
        (("classes", "infection", "signals"), ["entropy"], "rows of 3 numbers"),
        (("classes", "infection", "signals"), ["entropy", "luck"], "signals are some of entropy, .*luck"),
        (("classes", "infection", "cases", 0, 1), 1.5, "a Dice of 0 to 1"),
        (("classes", "infection", "cases", 0, 2), -1, "from 0 on"),
        (("classes", "infection", "cases", 0, 2), "0.2", "of 4 numbers"),
        (("classes", "infection", "cases", 0), [1, 2], "of 4 numbers"),
        (("tested",), "many", "damaged"),
        (("tested", 0), [0, 1, 2], "damaged"),
    ],
)
def test_a_damaged_calibration_is_refused(path, places, value, message):
    content = json.loads(path.read_text())
    change(content, *places, value=value)
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=rf"trust.json: .*{message}"):
        read_calibration(path)


def test_a_cut_file_is_refused(path):
    path.write_text(path.read_text()[:100])
    with pytest.raises(InputError, match=r"trust.json: not readable as JSON"):
        read_calibration(path)
