"""The exceptions that bad input raises."""


class InputError(ValueError):
    """Input that cannot be used; the message names it, what was expected and what to do.

    The command line shows the message alone, on one line, and exits with 1.
    """


class NoResult(InputError):
    """One method has no result for one pair; the message stands in the results table, and the others go on."""


class UnreadableGranule(InputError):
    """A granule that cannot be read; the message stands in the table of granules, and the others go on."""
