"""One target under atheris: `python -m fuzz.one TARGET` and libFuzzer's arguments. Imports moot only instrumented."""

import gc
import sys

import atheris


def main() -> None:
    name = sys.argv.pop(1)
    # Ours alone: the standard library and our dependencies would drown what we look for.
    with atheris.instrument_imports(include=["fuzz", "protocol", "funcmds", "broker", "workers", "client", "moot"]):
        from fuzz.table import TARGETS
    gc.freeze()
    atheris.Setup(sys.argv, TARGETS[name].run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
