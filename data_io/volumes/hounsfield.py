"""What the numbers of a CT are: Hounsfield units, or grey values of a window."""

AIR_HU = -1000
HIGHEST_MINIMUM_HU = -500.0
"""Every chest CT holds air (about -1000 HU) and lung (-950 to -700 HU); values that stay above this are no HU."""

UNIT_VALUES = "values lie in {:g}..{:g}, neither HU nor the 0..255 of a window; save the CT in HU, or these times 255"


def is_hu(minimum: float, maximum: float) -> bool:
    """Whether a CT volume with these extremes can be Hounsfield units: it must reach down to air."""
    return minimum <= HIGHEST_MINIMUM_HU < maximum


def is_windowed(minimum: float, maximum: float) -> bool:
    """Whether values with these extremes are grey values of 0..255, as a window leaves them; no CT in HU is."""
    return minimum >= 0 and maximum <= 255


def is_unit(minimum: float, maximum: float) -> bool:
    """Whether a volume with these extremes was scaled to 0..1, from a window that its values do not tell."""
    return minimum >= 0 and 0 < maximum <= 1
