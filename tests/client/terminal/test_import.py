"""What importing costs, and on which systems it works."""

import subprocess
import sys


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_knowing_of_the_terminal_client_does_not_load_textual() -> None:
    assert run("import sys, client.terminal; print('textual' in sys.modules, 'rich' in sys.modules)") == "False False"


def test_the_client_loads_where_there_are_no_unix_modules() -> None:
    missing = "for name in ('fcntl', 'pwd', 'grp', 'resource', 'uvloop', 'pyseccomp'): sys.modules[name] = None"
    code = f"""
import sys, textual.app, textual.driver
{missing}
import client.terminal.app
print('fine')
"""
    assert run(code) == "fine"
