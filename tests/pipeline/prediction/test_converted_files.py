"""What belongs to a model file: found by content, beside it or in the cache, whole or not at all."""

import json

import pytest

from pneumoseg.data_io.errors import InputError
from pneumoseg.pipeline.prediction import converted_files
from pneumoseg.pipeline.prediction.converted_files import first_writable, make_folder, places, whole_folder


def write(folder) -> None:
    (folder / "network.xml").write_text("layers")
    (folder / "network.bin").write_text("weights")
    (folder / "facts.json").write_text("{}")


def not_again(folder) -> None:
    pytest.fail("made again")


@pytest.fixture
def only_in_cache(tmp_path, monkeypatch):
    """The model's folder cannot be written."""
    writable = converted_files._writable
    cache = tmp_path / "cache"
    monkeypatch.setattr(converted_files, "_writable", lambda folder: cache in folder.parents and writable(folder))
    return cache / "openvino"


def test_it_is_made_once_beside_the_model_with_the_hash_of_each_file(model):
    assert whole_folder(model) is None
    folder = make_folder(model, write)
    assert folder.parent == model.parent
    assert set(json.loads((folder / "hashes.json").read_text())) == {"network.xml", "network.bin", "facts.json"}
    assert make_folder(model, not_again) == whole_folder(model) == folder


def test_names_are_made_of_content_and_ending(model):
    beside, cached = places(model)
    assert beside.name == cached.name
    assert places(model, "-int8")[0] == beside.with_name(f"{beside.name}-int8")
    renamed = model.rename(model.with_name("other.keras"))
    assert places(renamed) == [beside, cached]
    renamed.write_bytes(b"two")
    assert places(renamed)[0] != beside


def test_folders_of_two_endings_lie_side_by_side(model):
    plain, other = make_folder(model, write), make_folder(model, write, ending="-int8")
    assert (whole_folder(model), whole_folder(model, "-int8")) == (plain, other)
    assert plain != other


@pytest.mark.parametrize("file", ["network.xml", "network.bin", "facts.json", "hashes.json"])
@pytest.mark.parametrize("damage", ["changed", "removed"])
def test_a_damaged_folder_is_made_anew(model, file, damage):
    path = make_folder(model, write) / file
    whole = path.read_text()
    if damage == "changed":
        path.write_text("x" * len(whole))
    else:
        path.unlink()
    assert whole_folder(model) is None
    assert (make_folder(model, write) / file).read_text() == whole


def test_hashes_that_leave_a_network_out_are_not_believed(model):
    (make_folder(model, write) / "hashes.json").write_text("{}")
    assert whole_folder(model) is None


def test_a_model_folder_that_cannot_be_written_sends_it_to_the_cache(model, only_in_cache):
    folder = make_folder(model, write)
    assert folder.parent == only_in_cache
    assert make_folder(model, not_again) == folder
    assert [path.name for path in model.parent.iterdir()] == ["model.keras"]


def test_no_place_that_can_be_written_is_an_error(model, monkeypatch):
    monkeypatch.setattr(converted_files, "_writable", lambda folder: False)
    assert first_writable(places(model)) is None
    with pytest.raises(InputError, match="set PNEUMOSEG_CACHE to a folder that can be written"):
        make_folder(model, write)


def test_a_file_in_the_place_of_a_folder_is_no_place(tmp_path):
    (tmp_path / "file").touch()
    inside, beside = tmp_path / "file" / "folder" / "it", tmp_path / "new" / "it"
    assert first_writable([inside, beside]) == beside
    assert list((tmp_path / "new").iterdir()) == []


def test_what_fails_leaves_nothing(model):
    def fail(folder):
        (folder / "network.xml").write_text("half of it")
        raise InputError("no")

    with pytest.raises(InputError, match="no"):
        make_folder(model, fail)
    assert {path.name for path in model.parent.iterdir()} <= {"model.keras", converted_files.LOCK}


def test_what_a_killed_process_left_is_in_nobodys_way(model, monkeypatch):
    def killed(folder):
        (folder / "network.xml").write_text("half of it")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(converted_files.shutil, "rmtree", lambda *arguments, **keywords: None)
        make_folder(model, killed)
    assert list(model.parent.glob(".partial*"))
    assert whole_folder(make_folder(model, write).parent / model.name) is not None
    assert not list(model.parent.glob(".partial*"))
