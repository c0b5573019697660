"""Patients in tables that may be published: told apart, not named."""

import hashlib


def patient_code(patient: str) -> str:
    """A code that is the same for all studies of a patient, in place of the name.

    It is no encryption: who knows a patient's name can compute the code.
    """
    return "p" + hashlib.sha256(patient.encode("utf-8", "surrogatepass")).hexdigest()[:12]
