"""The commands in .venv/bin, and the plugin that hosts our components: a few lines of Python each that run from this
checkout."""

from __future__ import annotations

from gridmill.operations.places import TOOLKIT as CHECKOUT
from tools.project_setup.virtual_environment import DIRECTORY

COMMANDS = {
    "gridmill": "gridmill.operations.cli",
    "lab": "gridmill.lab.cli",
    "pulumi-resource-gridmill": "components.provider",
}


def write_launchers() -> None:
    """Write each command anew when it differs."""
    for name, module in COMMANDS.items():
        path = DIRECTORY / "bin" / name
        text = (
            f"#!{DIRECTORY / 'bin' / 'python'}\nimport sys\nsys.path.insert(0, {str(CHECKOUT)!r})\n"
            f"from {module} import main\nsys.exit(main())\n"
        )
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            path.chmod(0o755)
