"""Trained models that come with the program: see pipeline/bundled.py."""
