"""Settings of the data: classes, files, preprocessing, patches and augmentation."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pneumoseg.data_io.formats.nifti_placement import GridForm
from pneumoseg.data_io.volumes.labels import LUNG_LABELS, LabelTable
from pneumoseg.pipeline.settings.field_types import (
    Axes,
    ClassNumber,
    Count,
    Group,
    Labels,
    Level,
    Name,
    NotNegativeRange,
    Pairs,
    Plugins,
    Positive,
    PositiveRange,
    Share,
    Spacing,
    Weights,
    Window,
)


class LabelSettings(Group):
    """The classes, in the order of their numbers in the masks; 0 is the background.

    `within`: pairs of a class and one that it lies in, for masks without some of the classes; by default an infection
    in each lung, where the first classes are these. `merge`: the class of values in the datasets' masks, such as
    {1: 1, 2: 1, 3: 1} for one class of three labels; other values stay as they are.
    """

    names: Annotated[tuple[Name, ...], Field(max_length=255)] = LUNG_LABELS.names
    colours: Annotated[tuple[tuple[ClassNumber, ClassNumber, ClassNumber], ...], Field(max_length=255)] = (
        LUNG_LABELS.colours
    )
    mirror_pairs: Annotated[tuple[tuple[ClassNumber, ClassNumber], ...], Field(max_length=128)] = (
        LUNG_LABELS.mirror_pairs
    )
    within: Annotated[tuple[tuple[ClassNumber, ClassNumber], ...], Field(max_length=128)] | None = None
    merge: Annotated[Pairs, Field(max_length=1000)] = ()

    @property
    def table(self) -> LabelTable:
        """The classes as a LabelTable, as files and figures use it."""
        of_lungs = self.names[: len(LUNG_LABELS)] == LUNG_LABELS.names
        within = (LUNG_LABELS.within if of_lungs else ()) if self.within is None else self.within
        return LabelTable(self.names, self.colours, self.mirror_pairs, within)

    @model_validator(mode="after")
    def _is_a_table(self):
        classes = len(self.table)
        if wrong := sorted({label for _, label in self.merge if label >= classes}):
            raise ValueError(f"merge gives classes below {classes}, the number of classes, found {wrong}")
        return self


class DataSettings(Group):
    """How files are read. `grid`: the form of a NIfTI header that places the voxels, where both forms are set; see
    data_io/formats/nifti_placement.py. `cases`: "slices" makes each slice across `patches.axis` a case of its own.
    `masks`: the folder of the masks in a dataset of pictures. `source_weights`: of a source, such as a dataset beside
    others, how often patches of its cases are drawn at random, such as {covid_ct_hu: 2}; 1 where it is not named."""

    grid: GridForm = "sform"
    cases: Literal["volumes", "slices"] = "volumes"
    masks: Name = "masks"
    source_weights: Annotated[Weights, Field(max_length=1000)] = ()

    @model_validator(mode="after")
    def _sources_differ(self):
        names = [name for name, _ in self.source_weights]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"source_weights gives each source one weight, found {', '.join(twice)} twice")
        return self


class PreprocessingSettings(Group):
    """From HU on the scanner's grid to 0..1 on the network's grid.

    `values`: what the images hold: "hu", where a volume with values in 0..255 is read as windowed by
    `windowed_source_hu`, or "picture", grey values or colours of 0..255 that are no HU and become 0..1. `channels` of
    the images: 1 turns colours to grey, 3 repeats a grey channel. `window_hu` becomes 0..1; each of
    `further_windows_hu` makes a further channel. `spacing_mm` null keeps the grid of each volume. `size`: voxels along
    x, y, z in place of the spacing, null along an axis that is kept; of such axes only every `every`-th voxel is read.
    `image_order` is the spline order of the resampling (labels are resampled class by class). `normalisation`:
    "z-score" by each image's mean and standard deviation, "dataset" by those of the training cases, which the training
    puts into `statistics` (one pair for each channel), or "none". `steps`: user-defined functions, "module:function",
    applied after the window; see pipeline/preprocessing/preprocessor.py. `equalise`: volumes whose slices are equalised
    (CLAHE) on the network's grid: "never", "hu" (volumes in HU, for a network trained on equalised slices) or "always".
    """

    values: Literal["hu", "picture"] = "hu"
    channels: Annotated[int, Field(ge=1, le=64)] = 1
    window_hu: Window = (-1250.0, 250.0)
    further_windows_hu: Annotated[tuple[Window, ...], Field(max_length=16)] = ()
    windowed_source_hu: Window = (-1250.0, 250.0)
    spacing_mm: tuple[Spacing, Spacing, Spacing] | None = (1.58, 1.58, 2.70)
    size: tuple[Count | None, Count | None, Count | None] | None = None
    every: Count = 1
    image_order: Literal[0, 1, 3] = 3
    normalisation: Literal["z-score", "dataset", "none"] = "z-score"
    statistics: Annotated[tuple[tuple[Level, Positive], ...], Field(max_length=2048)] | None = None
    steps: Plugins = ()
    equalise: Literal["never", "hu", "always"] = "never"

    @model_validator(mode="after")
    def _windows_are_of_hu(self):
        if self.values == "picture" and self.further_windows_hu:
            raise ValueError("further_windows_hu are for values in HU; pictures have none")
        if self.every != 1 and self.size is None:
            raise ValueError(f"every {self.every} is for axes of a fixed size, found size null")
        return self


class PatchSettings(Group):
    """The patches that the network is trained on.

    `shape` in voxels: three numbers, or two for a 2D network on slices across `axis` (0 sagittal, 1 coronal, 2 axial);
    null is the full image. `neighbours`: slices on each side that a 2D network sees as further channels. `sampling`:
    "random" positions, or every tile of a "grid" once an epoch. With random sampling, `foreground_share` of the patches
    is centred on a voxel of `foreground_labels`. `empty`: "drop" leaves out the tiles of a grid, and the slices that
    are cases, without a voxel of `foreground_labels`.
    """

    shape: Annotated[tuple[Count, ...], Field(max_length=10)] | None = (160, 160, 80)
    batch: Count = 2
    sampling: Literal["random", "grid"] = "random"
    foreground_share: Share = 0.0
    foreground_labels: Labels = (3,)
    axis: Literal[0, 1, 2] = 2
    neighbours: Annotated[int, Field(ge=0, le=16)] = 0
    empty: Literal["keep", "drop"] = "keep"

    @model_validator(mode="after")
    def _two_or_three_axes(self):
        if self.shape is not None and len(self.shape) not in (2, 3):
            raise ValueError(f"shape has two or three numbers, found {list(self.shape)}")
        if self.shape is None and self.batch != 1:
            raise ValueError("full images differ in shape, so that batch must be 1")
        if self.neighbours and len(self.shape or ()) != 2:
            raise ValueError(
                f"neighbours are further channels of a 2D network, whose shape has two numbers, found "
                f"{self.shape and list(self.shape)}"
            )
        if self.axis != 2 and len(self.shape or ()) != 2:
            raise ValueError(
                f"axis {self.axis} is of a 2D network, whose shape has two numbers, found "
                f"{self.shape and list(self.shape)}"
            )
        return self


class AugmentationSettings(Group):
    """Random changes of each training patch. `probability` is that of each change except mirroring; a range whose ends
    equal the neutral value switches a change off. Rotation and scaling are in millimetres about the centre of the
    patch; elastic sigma is in voxels, alpha as in batchgenerators; intensity changes act on normalised values. `shift`
    is a share of the patch's size along each axis. `blur_sigma` is in voxels; `low_resolution` is the factor by which
    the patch is downsampled before it is upsampled again. `transforms`: further transforms with the interface of
    batchgenerators, each "module:class" or a function that returns one; applied last, see
    pipeline/sampling/custom_transforms.py. `equalise`: the share of the patches of a CT in HU that are read from
    equalised slices (CLAHE), for a network that is to know such data too."""

    enabled: bool = True
    probability: Share = 0.15
    scale: PositiveRange = (0.85, 1.25)
    rotation_deg: Annotated[float, Field(ge=0, le=180)] = 15.0
    shift: Share = 0.0
    elastic_alpha: NotNegativeRange = (0.0, 900.0)
    elastic_sigma: PositiveRange = (9.0, 13.0)
    brightness: PositiveRange = (0.5, 2.0)
    contrast: PositiveRange = (0.3, 3.0)
    gamma: PositiveRange = (0.7, 1.5)
    noise_variance: NotNegativeRange = (0.0, 0.05)
    blur_sigma: NotNegativeRange = (0.0, 0.0)
    low_resolution: PositiveRange = (1.0, 1.0)
    equalise: Share = 0.0
    mirror_axes: Axes = (0, 1, 2)
    mirror_probability: Share = 0.5
    image_order: Literal[0, 1, 3] = 3
    transforms: Plugins = ()
