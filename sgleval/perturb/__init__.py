"""Placeholder by the lead until the helper who owns this package writes it: overwrite freely."""


def parse(specs):
    if specs:
        raise NotImplementedError
    return ()
