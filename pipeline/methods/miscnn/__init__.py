"""MIScnn 1.4.0 as a second method, run in an environment of its own: the reference that this program is measured by."""
