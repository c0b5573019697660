import numpy as np

from pneumoseg.evaluation.followup.figure import follow_up_figure, headline


def texts(figure) -> set[str]:
    return {text.get_text() for axes in figure.axes for text in [*axes.texts, axes.title]}


def test_rows_are_matched_slices_with_their_numbers(patient):
    figure = follow_up_figure(patient.found, slices=3)
    assert len(figure.axes) == 9
    shown = texts(figure)
    assert {"baseline, registered", "follow-up", "change", "R", "L"} <= shown
    numbers = sorted(int(text.split()[1]) for text in shown if text.startswith("slice"))
    infected = np.flatnonzero(patient.found.change.array.any(axis=(0, 1))) + 1
    assert set(numbers) <= set(infected.tolist())
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["unchanged", "new", "resolved"]


def test_both_dates_are_shown_at_one_place(patient):
    figure = follow_up_figure(patient.found, slices=1)
    before, after, _ = (axes.images[0].get_array() for axes in figure.axes)
    assert before.shape == after.shape
    inside = (before < -600) & (after < -600)
    assert np.count_nonzero(inside) > 0.7 * np.count_nonzero(after < -600)


def test_the_headline_names_volumes(patient):
    row = patient.found.rows[0]
    assert headline(patient.found).startswith(f"infection {row['infection_baseline_ml']:.1f} to ")
    assert "unchanged" in headline(patient.found)
