"""Whether somebody else has changed a run's settings since it last wrote or read them.

config.toml.kept holds them as they were then. A start names each difference, once, and keeps what
is in force: an edit is welcome, and one that nobody made would be a changed bit.
"""

from backend.commit import commit_file
from backend.errors import ConfigError
from backend.filesystem import OS, FileSystem
from backend.rundir import RunDirectory, differing
from backend.settings import load_config
from backend.settings_text import setting_text


def edited(run: RunDirectory) -> str:
    """What differs, for a person; empty when nothing does.

    ConfigError when config.toml itself cannot be used.
    """
    if not run.kept_config_file.exists() or _text(run) == run.kept_config_file.read_bytes():
        return ""
    now = run.read_config()
    try:
        before = load_config(run.kept_config_file)
    except ConfigError as error:
        return f"{run.kept_config_file.name} is damaged, so nobody knows what was edited: {error}"
    changes = [
        f"{name} is {setting_text(new)}, was {setting_text(old)}"
        for name, old, new in differing(before, now)
        if name != "keys"  # Of the screen: they train nothing.
    ]
    found = "; ".join(changes) or "no setting differs"
    return f"config.toml was edited since the last start of this run: {found}"


def keep_settings(run: RunDirectory, *, fs: FileSystem = OS) -> None:
    """From now on these are the settings that an edit differs from; errors of the commit."""
    if run.exists and (
        not run.kept_config_file.exists() or _text(run) != run.kept_config_file.read_bytes()
    ):
        commit_file(run.kept_config_file, _text(run), fs=fs)


def _text(run: RunDirectory) -> bytes:
    return run.config_file.read_bytes()
