import getpass
import json
import socket

from pneumoseg.evaluation.runs.run_environment import fingerprints_of, run_environment


def test_the_record_identifies_data_and_versions_and_nobody(dataset):
    record = run_environment(fingerprints_of(dataset), 7, None)
    assert record["seed"] == 7
    assert record["start_from"] is None
    assert set(record["data"]) == set("abcdef")
    assert {"tensorflow", "keras", "numpy"} <= set(record["packages"])
    text = json.dumps({key: value for key, value in record.items() if key != "data"})
    assert str(dataset.root) not in text
    assert socket.gethostname() not in text or len(socket.gethostname()) < 4
    assert f"/{getpass.getuser()}/" not in text


def test_a_changed_file_changes_its_fingerprint_alone(dataset):
    before = fingerprints_of(dataset)
    case = dataset.case("c")
    case.image.write_bytes(dataset.case("d").image.read_bytes())
    after = fingerprints_of(dataset)
    assert {name for name in before if before[name] != after[name]} == {"c"}
