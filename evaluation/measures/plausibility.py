"""Plausibility of a lung segmentation: volumes, densities and sides against limits from the literature.

The limits are wide: values outside are almost always errors, values inside may still be wrong.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf

from pneumoseg.data_io.volumes.labels import LabelTable
from pneumoseg.evaluation.measures.volumetry import total_name

STATIC_VOLUMES = (
    "Hall et al., Official ERS technical standard: GLI reference values for static lung volumes, Eur Respir J 57 "
    "(2021) 2000289; by its equations a boy of 5 years and 1 m has a total lung capacity of 1.4 l, a man of 25 years "
    "and 2.1 m one of 9.5 l"
)
AERATION = (
    "Gattinoni et al., What has computed tomography taught us about the acute respiratory distress syndrome?, "
    "Am J Respir Crit Care Med 164 (2001) 1701-1711; lung is aerated normally from -900 to -500 HU, poorly from -500 "
    "to -100 HU, and not at all from -100 to 100 HU"
)
EMPHYSEMA = (
    "Gevenois et al., Comparison of computed density and microscopic morphometry in pulmonary emphysema, "
    "Am J Respir Crit Care Med 154 (1996) 187-192; emphysema lies below -950 HU"
)
LUNG_WEIGHTS = (
    "Gray, Anatomy of the Human Body, 20th ed. (1918); the right lung is two ounces heavier than the left, of 42 ounces"
)
ONE_LUNG = "was a lung removed by surgery, or is one missed?"
OTHER_REGION = "is this a CT of the chest?"


@dataclass(frozen=True, kw_only=True)
class Limit:
    """Limits of a fact about the lungs: `lowest` to `highest` in `unit`, from the publication `source`.

    `message`: a likely cause of values outside. `whole_lungs_only`: the limit is not applied where the lungs reach an
    end of the scan, as in series of central slices. `grave`: values outside are no lungs at all.
    """

    fact: str
    lowest: float
    highest: float
    unit: str
    source: str
    message: str
    whole_lungs_only: bool = False
    grave: bool = False


@dataclass(frozen=True)
class Finding:
    """A sentence on what is not plausible; `grave` where the mask then is hardly one of lungs."""

    sentence: str
    grave: bool


LIMITS = (
    Limit(
        fact="lungs_ml",
        lowest=300,
        highest=inf,
        unit="ml",
        source=STATIC_VOLUMES,
        message=OTHER_REGION,
        whole_lungs_only=True,
        grave=True,
    ),
    Limit(
        fact="lungs_ml",
        lowest=0,
        highest=12_000,
        unit="ml",
        source=STATIC_VOLUMES,
        message="are spacings right, and is air around the patient left out?",
        grave=True,
    ),
    Limit(
        fact="smaller_lung_percent",
        lowest=25,
        highest=100,
        unit="%",
        source=LUNG_WEIGHTS,
        message=ONE_LUNG,
        whole_lungs_only=True,
    ),
    Limit(fact="smaller_lung_percent", lowest=0.5, highest=100, unit="%", source=LUNG_WEIGHTS, message=ONE_LUNG),
    Limit(
        fact="lung_mean_hu",
        lowest=-950,
        highest=inf,
        unit="HU",
        source=EMPHYSEMA,
        message="is air outside the lungs, as in the bowel, taken for lung?",
        grave=True,
    ),
    Limit(fact="lung_mean_hu", lowest=-inf, highest=-200, unit="HU", source=AERATION, message=OTHER_REGION, grave=True),
    Limit(
        fact="infection_mean_hu",
        lowest=-900,
        highest=inf,
        unit="HU",
        source=AERATION,
        message="is emphysema taken for infection?",
    ),
    Limit(
        fact="infection_mean_hu",
        lowest=-inf,
        highest=200,
        unit="HU",
        source=AERATION,
        message="is bone or metal taken for infection?",
    ),
)
"""Implausible are volumes below a quarter of a small child's or above 1.25 times that of any healthy adult, lungs with
the mean density of air or of airless tissue, and infections with that of air or above that of tissue."""


def implausible(facts: Mapping, table: LabelTable, lungs: Sequence[int], *, infection: int) -> Iterator[Finding]:
    """Yields a finding for each of the `facts` of `volumetry` outside its limits.

    Nothing is checked without `lungs`, as with a model of other organs, and no mean HU that is None, as for a CT that
    is not in HU.

    >>> from pneumoseg.data_io.volumes.labels import LUNG_LABELS
    >>> for finding in implausible({"lung_left_ml": 0, "lung_right_ml": 0}, LUNG_LABELS, (1, 2), infection=3):
    ...     print(finding.sentence)
    no lung was found; is this a CT of the chest?
    """
    lungs = [label for label in lungs if label < len(table)]
    if not lungs:
        return
    if not sum(facts[f"{table.names[label]}_ml"] for label in lungs):
        yield Finding(f"no lung was found; {OTHER_REGION}", grave=True)
        return
    cut = any(facts[f"lungs_touch_{end}"] for end in ("lowest_slice", "highest_slice", "sides"))
    measured = _measured(facts, table, lungs, infection)
    warned: set[str] = set()  # each fact once
    for limit in LIMITS:
        if limit.whole_lungs_only and cut:
            continue
        for words, value in measured[limit.fact]:
            if value is not None and not limit.lowest <= value <= limit.highest and words not in warned:
                warned.add(words)
                sentence = f"{words} is {value:g} {limit.unit}, {_expected(limit)}; {limit.message}"
                yield Finding(sentence, limit.grave)


def _measured(
    facts: Mapping, table: LabelTable, lungs: Sequence[int], infection: int
) -> dict[str, list[tuple[str, float | None]]]:
    """Description and value of each measurement, by the `fact` of its limits.

    The smaller lung is measured in percent of the larger, with all infection counted as part of it.
    """
    names = [table.names[label] for label in lungs]
    measured: dict[str, list[tuple[str, float | None]]] = {
        "lungs_ml": [("the volume of the lungs", facts[f"{total_name(table)}_ml"])],
        "lung_mean_hu": [(f"the mean of {name}", facts[f"{name}_mean_hu"]) for name in names],
        "smaller_lung_percent": [],
        "infection_mean_hu": [],
    }
    infection_ml = 0.0
    if infection < len(table):
        name = table.names[infection]
        infection_ml = facts[f"{name}_ml"]
        measured["infection_mean_hu"] = [(f"the mean of {name}", facts[f"{name}_mean_hu"])]
    if len(names) == 2:
        smaller, larger = sorted(names, key=lambda name: facts[f"{name}_ml"])
        percent = 100 * (facts[f"{smaller}_ml"] + infection_ml) / facts[f"{larger}_ml"]
        words = f"the volume of {smaller} (with all infection) against that of {larger}"
        measured["smaller_lung_percent"] = [(words, min(round(percent, 1), 100.0))]
    return measured


def _expected(limit: Limit) -> str:
    if limit.highest == inf:
        return f"expected at least {limit.lowest:g}"
    if limit.lowest in (-inf, 0):
        return f"expected at most {limit.highest:g}"
    return f"expected {limit.lowest:g} to {limit.highest:g}"
