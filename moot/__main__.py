"""Where the program begins and ends: everything between is in `moot.cli`."""

import errno
import sys


def main() -> None:
    """Run the command line and exit with its code."""
    sys.exit(run(sys.argv[1:]))


def run(argv: list[str]) -> int:
    """Run the command line with ``argv``; return the exit code. No exception leaves here, and no traceback is shown."""
    try:
        if argv in (["--version"], ["-V"]):  # answered before anything heavy is imported
            from moot import __version__

            print(f"moot {__version__}", flush=True)
            return 0
        from moot.cli import dispatch

        code = dispatch(argv)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return _pipe_closed()
    except OSError as error:
        if error.errno != errno.ENOSPC:
            return _crashed(error, argv)
        _pipe_closed()
        print("moot: cannot write the output: no space left where it goes", file=sys.stderr)
        return 1
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 1
    except Exception as error:  # the outermost edge
        return _crashed(error, argv)


def _crashed(error: Exception, argv: list[str]) -> int:
    from moot.crash import report

    print(report(error, argv), file=sys.stderr)
    return 70  # EX_SOFTWARE of sysexits.h


def _pipe_closed() -> int:
    """Whoever read our output is gone, as in `moot tail … | head`; keep Python from complaining at exit."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 141


if __name__ == "__main__":
    main()
