"""``fulmen new-plugin``: writes a plugin distribution that works as it stands.

request.py   the command line: what is to be written, and whether it may be
examples.py  the component that a new plugin of each kind begins with
writing.py   the files, from the templates

Nothing here imports torch.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

from fulmen.scaffold.examples import EXAMPLES
from fulmen.scaffold.request import USAGE, read
from fulmen.scaffold.writing import write


def run(argv: Sequence[str]) -> int:
    """Write the plugin that the arguments ask for, and say what to do next; return the exit status.

    Raises:
        ConfigError: an argument is wrong, the name is taken, or the folder is not empty.
        ArtifactError: the disk is full; nothing is left behind.
    """
    if set(argv) & {"-h", "--help"}:
        sys.stdout.write(USAGE)
        return 0
    request = read(argv)
    count = write(request)
    example, folder = EXAMPLES[request.kind], str(request.folder)
    commands = [
        ["pip", "install", "-e", f"{folder}[test]"],
        ["python", "-m", "pytest", folder],
        ["fulmen", example.verb, "--config", f"{folder}/example.yaml"],
    ]
    sys.stdout.write(
        f"{folder}: {count} files; a plugin with the {request.kind} {example.component!r}. Next:\n"
    )
    sys.stdout.writelines(f"  {shlex.join(command)}\n" for command in commands)
    return 0
