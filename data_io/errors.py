"""The error for the person at the keyboard."""


class InputError(ValueError):
    """A file, setting or argument that cannot be used.

    Its message says what must hold, what was found (file, case, shape, value) and how to mend it. The command line
    prints it as one line and exits with code 2; every other exception is a fault of the program.
    """
