"""Codes of patients."""

from pneumoseg.evaluation.scoring.patient_codes import patient_code


def test_a_code_tells_patients_apart_and_names_none():
    codes = {patient_code(name) for name in ("Doe^Jane", "Doe^John", "\udcff")}
    assert len(codes) == 3
    assert all(len(code) == 13 and "Doe" not in code for code in codes)
    assert patient_code("Doe^Jane") == patient_code("Doe^Jane")
