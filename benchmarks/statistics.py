"""Simulations of the intervals, tests and the stopping rule: do they err as rarely as they say?

    python benchmarks/statistics.py [--draws N]

The simulations are in `simulation.py`: this file has the name of one of Python's own modules, which
is what the other benchmarks and the libraries mean when they import it from this folder.
"""

import sys

if __name__ == "__main__":
    from simulation import main

    main()
elif __name__ == "statistics":
    from importlib.util import module_from_spec, spec_from_file_location
    from pathlib import Path
    from sysconfig import get_path

    spec = spec_from_file_location(__name__, Path(get_path("stdlib")) / "statistics.py")
    if spec is None or spec.loader is None:
        raise ImportError("Python's own module statistics is not in its library")
    sys.modules[__name__] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules[__name__])
