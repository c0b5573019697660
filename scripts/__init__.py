"""One thin file per command; `pneumoseg COMMAND` and `python scripts/COMMAND.py` run the same code."""
