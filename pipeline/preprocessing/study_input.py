"""From the arrays of a cohort file to what a network for whole studies sees."""

import numpy as np

from pneumoseg.pipeline.settings.studies import StudyInputSettings


def network_input(image: np.ndarray, lungs: np.ndarray, settings: StudyInputSettings) -> np.ndarray:
    """The windowed CT, float32 (x, y, z, channels), values of 0..1.

    `image`: HU, (z, y, x); `lungs`: the mask, 1 within the lungs, of the same shape. With `settings.lungs`
    "multiplied" the value outside the lungs is 0, as that of air; with "channel" the mask is the second channel.

    >>> settings = StudyInputSettings(window_hu=(-1000, 0))
    >>> network_input(np.array([[[-1000, -500, 0, 300]]]), np.array([[[1, 1, 0, 1]]]), settings)[:, 0, 0, 0].tolist()
    [0.0, 0.5, 0.0, 1.0]
    """
    low, high = settings.window_hu
    windowed = image.astype(np.float32)
    windowed -= np.float32(low)
    windowed /= np.float32(high - low)
    np.clip(windowed, 0.0, 1.0, out=windowed)
    if settings.lungs == "multiplied":
        windowed *= lungs > 0
    channels = [windowed, lungs > 0] if settings.lungs == "channel" else [windowed]
    seen = np.empty((len(channels), *image.shape[::-1]), np.float32)  # a channel at a time is what augmentation reads
    for number, channel in enumerate(channels):
        seen[number] = channel.transpose(2, 1, 0)
    return np.moveaxis(seen, 0, -1)
