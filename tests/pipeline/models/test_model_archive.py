"""Model files that ask for more than they hold are refused before any memory is taken."""

import io
import json
import resource
import zipfile

import numpy as np
import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.models.model_archive import FREE_BYTES
from pneumoseg.pipeline.models.model_file import TrainedModel, load_model, read_settings, save_model
from pneumoseg.pipeline.networks.registry import build_network
from pneumoseg.pipeline.settings.loading import load_settings

ENTRIES = ("pneumoseg.json", "config.json", "model.weights.h5", "metadata.json", "extra.bin")


@pytest.fixture(scope="module")
def entries(tmp_path_factory) -> dict[str, bytes]:
    """What a small model file holds."""
    path = tmp_path_factory.mktemp("model") / "model.keras"
    settings = load_settings("demo", ["patches.shape=[16, 16, 8]", "network.filters=[4, 8]"])
    save_model(path, TrainedModel(build_network(settings), settings))
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path, entries):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def refused(path, message):
    """`path` is refused by that message and without memory, as settings and as network."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for read in (read_settings, load_model):
        with pytest.raises(InputError, match=message) as caught:
            read(path)
        assert str(path) in str(caught.value)
        assert len(str(caught.value)) < 1000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kB


def test_a_model_file_is_read_back(entries, tmp_path):
    path = write(tmp_path / "model.keras", entries)
    assert read_settings(path).network.filters == (4, 8)
    assert load_model(path).network.count_params() > 100


def test_a_model_file_does_not_say_where_its_splits_lay(tmp_path):
    settings = load_settings("demo", ["network.filters=[4, 8]", "evaluation.splits=/home/someone/splits.json"])
    save_model(tmp_path / "model.keras", TrainedModel(build_network(settings), settings))
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        assert all(b"someone" not in archive.read(name) for name in archive.namelist())
    assert read_settings(tmp_path / "model.keras").evaluation.splits == "file"


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_entry_that_unpacks_to_gigabytes_is_refused(entries, tmp_path, entry):
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            if name != entry:
                archive.writestr(name, content)
        with archive.open(entry, "w") as file:
            for _ in range(512):
                file.write(b" " * (1 << 20))
    assert path.stat().st_size < 4e6
    refused(path, "has at most|unpacks to at most")


def test_many_small_entries_count_together(entries, tmp_path):
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
        for number in range(20):
            archive.writestr(f"{number}.bin", b" " * (FREE_BYTES // 4))
    refused(path, "unpacks to at most")


def test_weights_that_are_packed_within_their_file_are_refused(entries, tmp_path):
    import h5py

    stored = io.BytesIO(entries["model.weights.h5"])
    with h5py.File(stored, "a") as file:
        file.create_dataset("layers/more", shape=(1 << 30,), dtype="f4", compression="gzip", chunks=(1 << 20,))
    refused(write(tmp_path / "model.keras", entries | {"model.weights.h5": stored.getvalue()}), "weights are stored")


@pytest.mark.parametrize("key", ["filters", "kernel_size"])
def test_a_network_of_more_weights_than_the_file_holds_is_refused(entries, tmp_path, key):
    network = json.loads(entries["config.json"])
    layer = next(layer for layer in network["config"]["layers"] if layer["class_name"] == "Conv3D")
    layer["config"][key] = 2_000_000 if key == "filters" else [500, 500, 500]
    path = write(tmp_path / "model.keras", entries | {"config.json": json.dumps(network).encode()})
    refused(path, r"a layer needs \S+ weights, found")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("pneumoseg.json", b"{", "not readable as JSON"),
        ("pneumoseg.json", b"[1]", "is an object, found a list"),
        ("pneumoseg.json", b"[" * 100_000, "levels of brackets"),
        ("pneumoseg.json", b'{"seed": ' + b"9" * 5000 + b"}", "4300 digits"),
        ("pneumoseg.json", b'{"prediction": {"overlap": NaN}}', "NaN is not a number"),
        ("pneumoseg.json", b'{"training": {"learning_rate": 1e999}}', "too large"),
        ("pneumoseg.json", b"\xff\xfe", "not readable as JSON"),
        ("config.json", b"[" * 100_000, "levels of brackets"),
        ("config.json", b'{"a": 1', "not readable as JSON"),
        ("model.weights.h5", b"no HDF5", "not a readable model file"),
    ],
)
def test_a_damaged_entry_is_one_line(entries, tmp_path, name, content, message):
    refused(write(tmp_path / "model.keras", entries | {name: content}), message)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"text"])
def test_a_file_that_is_no_archive_is_refused(tmp_path, content):
    (tmp_path / "model.keras").write_bytes(content)
    refused(tmp_path / "model.keras", "not a readable model file")


def test_a_network_whose_description_is_another_program_s_is_refused(entries, tmp_path):
    network = json.loads(entries["config.json"])
    network["config"]["layers"][1]["class_name"] = "NoSuchLayer"
    path = write(tmp_path / "model.keras", entries | {"config.json": json.dumps(network).encode()})
    with pytest.raises(InputError, match="a network with NoSuchLayer layers is loaded only where plug-ins are trusted"):
        load_model(path)
    assert np.isclose(read_settings(path, trust_plugins=True).prediction.overlap, 0.5)
    with pytest.raises(InputError, match="cannot be loaded"):
        load_model(path, trust_plugins=True)
