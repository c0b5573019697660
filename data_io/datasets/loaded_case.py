"""A case whose files are read when they are first asked for, and once."""

from dataclasses import dataclass
from functools import cached_property

from pneumoseg.data_io.datasets.dataset import Case, named
from pneumoseg.data_io.errors import InputError
from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.data_io.volumes.volume import Volume, on_grid_of


@dataclass(frozen=True, eq=False)
class LoadedCase:
    """A case and its volumes, kept as long as this object. `labels`: the classes of its mask, None where masks do not
    matter. It travels to other processes without its volumes."""

    case: Case
    labels: LabelTable | None = None

    @property
    def name(self) -> str:
        """The name of the case."""
        return self.case.name

    @cached_property
    def image(self) -> Volume:
        """The CT volume (HU), (x, y, z), RAS+. Raises InputError as `Case.read_image`."""
        return self.case.read_image()

    @cached_property
    def reference(self) -> Volume:
        """The mask as uint8 class numbers on the image's grid. Raises InputError as `Case.read_mask`, where image and
        mask lie in different places, and where no classes were given."""
        if self.labels is None:
            raise InputError(f"case {self.name}: reading a mask needs its classes; give LoadedCase a table of labels")
        image, mask = self.image, self.case.read_mask(self.labels)
        with named(self.name):
            return on_grid_of(image, mask, f"image {self.case.image} and mask {self.case.mask}")

    @cached_property
    def valid(self) -> Volume | None:
        """Which voxels count, uint8 on the image's grid; None for all. Raises InputError as `Case.read_valid`."""
        return self.case.read_valid()

    @property
    def labelled(self) -> tuple[str, ...]:
        """The names of the classes that the mask labels, none for all."""
        return self.case.labelled

    @property
    def source(self) -> str:
        """Where the case comes from."""
        return self.case.source

    def __getstate__(self):
        return {"case": self.case, "labels": self.labels}
