"""Film strips: the right slices, the right way round, errors in their colours, files that a browser shows."""

import numpy as np
import pytest
from PIL import Image

from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.formats.pictures import picture_volume
from pneumoseg.data_io.volumes.labels import LUNG_LABELS
from pneumoseg.data_io.volumes.volume import Volume
from pneumoseg.evaluation.figures.errors import CORRECT, ERROR_COLOURS, ERROR_OPACITY, FALSE, MISSED, OTHER
from pneumoseg.evaluation.figures.film_strip import (
    GIF_BYTES,
    frames,
    spread_slices,
    strip_capacity,
    write_gif,
    write_strip,
)

SHAPE = (8, 6, 5)
GREY = 76  # -800 HU in -1250..250


def volume(array: np.ndarray, spacing_mm: tuple[float, float, float] = (1.0, 1.0, 5.0)) -> Volume:
    return Volume.from_source(array, np.diag([*spacing_mm, 1.0]))


def lung_ct(shape: tuple[int, int, int] = SHAPE) -> Volume:
    return volume(np.full(shape, -800, np.int16))


def mask(voxels: dict[tuple[int, int, int], int]) -> Volume:
    array = np.zeros(SHAPE, np.uint8)
    for place, label in voxels.items():
        array[place] = label
    return volume(array)


def shown(kind: int) -> list[int]:
    share = ERROR_OPACITY[kind]
    return np.rint(share * 255 * np.array(ERROR_COLOURS[kind]) + (1 - share) * GREY).astype(int).tolist()


def noisy_frames(count: int, height: int, width: int) -> list[np.ndarray]:
    """Grey noise as strong as a CT's, smoothed by nothing, with a block of colour that moves."""
    rng = np.random.default_rng(0)
    drawn = []
    for index in range(count):
        grey = np.clip(rng.normal(100, 12, (height, width)), 0, 255).astype(np.uint8)
        frame = np.repeat(grey[..., None], 3, axis=2)
        frame[index % height, :3] = (213, 94, 0)
        drawn.append(frame)
    return drawn


def test_a_voxel_has_the_colour_of_its_error_the_patients_right_at_the_left():
    reference = mask({(7, 5, 2): 3, (4, 2, 2): 3, (1, 5, 2): 1})
    prediction = mask({(4, 2, 2): 3, (0, 0, 2): 3})
    (frame,) = frames(lung_ct(), reference, prediction, labels=LUNG_LABELS, indices=[2], width_px=8)
    assert frame.shape == (6, 16, 3)
    assert frame.dtype == np.uint8
    right = frame[:, 8:].astype(int)
    assert right[0, 0].tolist() == shown(MISSED)  # right, front: top left
    assert right[3, 3].tolist() == shown(CORRECT)
    assert right[5, 7].tolist() == shown(FALSE)
    assert right[0, 6].tolist() == shown(OTHER)
    assert (frame[:, :8] == GREY).all()  # the CT alone


def test_outlines_are_around_what_they_enclose_and_the_predictions_are_dashed():
    lung = np.zeros((24, 24, 1), np.uint8)
    lung[4:20, 4:20] = 1
    blue = np.array(LUNG_LABELS.colours[1])
    both, ours = (
        (
            frames(lung_ct(lung.shape), true, volume(lung), labels=LUNG_LABELS, indices=[0], width_px=24)[0][:, 24:]
            == blue
        ).all(-1)
        for true in (volume(lung), volume(np.zeros_like(lung)))
    )
    assert both.sum() == 4 * 16
    assert both[3, 4:20].all()
    assert 20 <= ours.sum() <= 44


def test_frames_are_in_the_order_of_the_indices():
    array = np.full(SHAPE, -1250, np.int16)
    array[..., 3] = 250
    empty = volume(np.zeros(SHAPE, np.uint8))
    drawn = frames(volume(array), empty, empty, labels=LUNG_LABELS, indices=[3, 0, 3], width_px=8)
    assert [int(frame.mean()) for frame in drawn] == [255, 0, 255]
    assert frames(volume(array), empty, empty, labels=LUNG_LABELS, indices=[]) == []


def test_the_height_is_the_patients():
    empty = volume(np.zeros(SHAPE, np.uint8), (1.0, 2.0, 5.0))
    ct = empty.with_array(np.full(SHAPE, -800, np.int16))
    (frame,) = frames(ct, empty, empty, labels=LUNG_LABELS, indices=[0], width_px=100)
    assert frame.shape == (150, 200, 3)  # 8 x 1 mm by 6 x 2 mm
    assert (frame[:20, :20] > 200).any()  # the R at the patient's right
    assert (frame[:, 20:100] == GREY).all()


@pytest.mark.parametrize("value", [0, 1, 3])
def test_empty_and_full_masks_are_drawn(value):
    full = volume(np.full(SHAPE, value, np.uint8))
    (frame,) = frames(lung_ct(), full, full, labels=LUNG_LABELS, indices=[0], width_px=8)
    assert (frame[:, 8:] == (shown(CORRECT) if value == 3 else GREY)).all()


def test_bad_input_of_frames_is_refused():
    empty = volume(np.zeros(SHAPE, np.uint8))
    with pytest.raises(InputError, match=r"CT and prediction must have one shape, found \(8, 6, 5\) and \(4, 4, 4\)"):
        frames(lung_ct(), empty, volume(np.zeros((4, 4, 4), np.uint8)), labels=LUNG_LABELS, indices=[0])
    with pytest.raises(InputError, match="slices of this volume are 0 to 4, found 5"):
        frames(lung_ct(), empty, empty, labels=LUNG_LABELS, indices=[0, 5])
    with pytest.raises(InputError, match="at least 1 pixel wide, found width_px 0"):
        frames(lung_ct(), empty, empty, labels=LUNG_LABELS, indices=[0], width_px=0)


def test_slices_are_spread_over_what_is_labelled_with_the_worst_among_them():
    reference = np.zeros((4, 4, 50), np.uint8)
    reference[0, 0, 10:41] = 1
    prediction = reference.copy()
    assert spread_slices(reference, prediction, 4) == [10, 20, 30, 40]
    prediction[1, 1, 22] = 3
    assert spread_slices(reference, prediction, 4) == [10, 22, 30, 40]
    assert spread_slices(prediction, prediction, 4) == [10, 22, 30, 40]  # no disagreement: the most infection
    assert spread_slices(reference, prediction, 1) == [22]
    assert spread_slices(reference, prediction, 31) == list(range(10, 41))
    assert spread_slices(reference, prediction, 100) == list(range(10, 41))


def test_where_nothing_is_labelled_the_slices_are_spread_over_the_whole():
    empty = np.zeros((4, 4, 11), np.uint8)
    chosen = spread_slices(empty, empty, 3)
    assert len(chosen) == 3
    assert chosen[-1] == 10
    assert spread_slices(empty[..., :1], empty[..., :1], 5) == [0]


def test_bad_input_of_spread_slices_is_refused():
    empty = np.zeros((4, 4, 11), np.uint8)
    with pytest.raises(InputError, match="at least 1 slice can be shown, found 0"):
        spread_slices(empty, empty, 0)
    with pytest.raises(InputError, match="prediction and reference must have one shape"):
        spread_slices(empty[..., :3], empty, 2)


def test_a_gif_has_every_frame_and_repeats_for_ever(tmp_path):
    drawn = noisy_frames(7, 12, 30)
    write_gif(tmp_path / "scroll.gif", drawn, milliseconds=90)
    assert [path.name for path in tmp_path.iterdir()] == ["scroll.gif"]
    with Image.open(tmp_path / "scroll.gif") as gif:
        assert (gif.n_frames, gif.size, gif.info["loop"], gif.info["duration"]) == (7, (30, 12), 0, 90)
        for index, frame in enumerate(drawn):
            gif.seek(index)
            stored = np.asarray(gif.convert("RGB")).astype(int)
            assert np.abs(stored[index, 0] - [213, 94, 0]).max() <= 2  # three pixels keep their colour
            assert np.abs(stored - frame).max() <= 255 / 19 / 2 + 1


def test_a_gif_of_noise_stays_small(tmp_path):
    write_gif(tmp_path / "scroll.gif", noisy_frames(60, 256, 512))
    assert (tmp_path / "scroll.gif").stat().st_size < GIF_BYTES


def test_a_strip_stacks_the_frames(tmp_path):
    levels = (20, 120, 220)
    write_strip(tmp_path / "strip.webp", [np.full((16, 32, 3), level, np.uint8) for level in levels])
    with Image.open(tmp_path / "strip.webp") as strip:
        assert (strip.format, strip.size) == ("WEBP", (32, 3 * 16))
        picture = np.asarray(strip.convert("RGB")).astype(int)
    assert [picture[16 * place + 8, 16, 0] for place in range(3)] == pytest.approx(levels, abs=4)


def test_a_strip_beyond_the_format_is_refused(tmp_path):
    assert strip_capacity(256) == 63
    assert strip_capacity(20_000) == 0
    with pytest.raises(InputError, match="at least 1 pixel high, found 0"):
        strip_capacity(0)
    tall = [np.zeros((8000, 2, 3), np.uint8)] * 3
    with pytest.raises(InputError, match=r"at most 16383 pixels a side, found 3 frames of 8000 x 2; 2 frames .* fit"):
        write_strip(tmp_path / "strip.webp", tall)
    write_strip(tmp_path / "strip.webp", tall[: strip_capacity(8000)])
    assert (tmp_path / "strip.webp").exists()


@pytest.mark.parametrize("write", [write_gif, write_strip])
def test_no_frames_and_unlike_frames_are_refused(tmp_path, write):
    with pytest.raises(InputError, match="at least one frame is needed"):
        write(tmp_path / "file", [])
    with pytest.raises(InputError, match=r"of one shape; found uint8 \(4, 5, 3\) at place 1 and uint8 \(4, 4, 3\)"):
        write(tmp_path / "file", [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8)])
    with pytest.raises(InputError, match="found float64"):
        write(tmp_path / "file", [np.zeros((4, 4, 3))])
    assert not list(tmp_path.iterdir())


def test_a_picture_in_colour_keeps_its_colours_and_has_no_side():
    rgb = np.full((100, 100, 3), [200, 100, 50], np.uint8)
    picture, nothing = picture_volume(rgb), picture_volume(np.zeros((100, 100), np.uint8))
    (frame,) = frames(picture, nothing, nothing, labels=LUNG_LABELS, indices=[0], width_px=100)
    assert frame.shape == (100, 200, 3)
    assert (frame == [200, 100, 50]).all()  # no R either
