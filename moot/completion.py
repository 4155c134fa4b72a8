"""The scripts that make shells complete moot's commands."""

import click
from click.shell_completion import ShellComplete, get_completion_class

INSTALL = {
    "bash": "moot completion bash >> ~/.bashrc",
    "zsh": "moot completion zsh >> ~/.zshrc",
    "fish": "moot completion fish > ~/.config/fish/completions/moot.fish",
}


def script(program: click.Command, shell: str) -> str:
    """Return the script for ``shell`` (bash, zsh or fish), its installation as a comment on top."""
    made = get_completion_class(shell)
    assert made is not None, f"click knows no {shell}"
    # The base class's source: bash's own would start bash to ask for its version.
    source = ShellComplete.source(made(program, {}, "moot", "_MOOT_COMPLETE"))
    return (
        f"# Completion of moot for {shell}. To have it in every new shell:\n#   {INSTALL[shell]}\n{source.lstrip()}\n"
    )
