"""The home: its settings, its permissions, its secrets."""

from __future__ import annotations

import os
import shlex
import stat

from adapters.environment import label_studio_database, nearest_setting, unknown_variables
from adapters.home_files import PREFIX, SECRETS_FILE, SETTINGS_FILE, read_env_file
from adapters.services.secrets import DRAW
from adapters.settings import Settings
from adapters.unfinished import leftovers
from cli.doctor.advice import START
from cli.doctor.findings import Check, Finding, fail, ok, warn
from cli.doctor.installation import Installation
from cli.placing import require_restored
from db.filling import require_whole
from loop.errors import Unavailable

OPEN_TO_OTHERS = 0o077
OWN_SECRETS = tuple(name for name in DRAW if name.startswith(PREFIX))


def settings(installation: Installation) -> Finding:
    """Values that fit, names that are known, lines that can be read."""
    refused, root = installation.refused, installation.settings.root
    if refused is not None:
        return fail(refused.got, refused.need, refused.todo)
    unknown = unknown_variables(root)
    if unknown:
        hints = [f"{name} (perhaps {near})" if (near := nearest_setting(name)) else name for name in unknown]
        return warn(
            f"no settings: {', '.join(hints)}", "names from the table of settings", "mend or remove them"
        )
    path = root / SETTINGS_FILE
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    said = ((number, line.strip()) for number, line in enumerate(lines, 1))
    stray = [number for number, line in said if line and "=" not in line and not line.startswith("#")]
    if stray:
        return warn(
            f"{SETTINGS_FILE}, line {stray[0]}, which says nothing",
            "NAME=value",
            "complete it, or take it out",
        )
    return ok(f"{len(lines)} lines in {SETTINGS_FILE}")


def restoration(installation: Installation) -> Finding:
    """One that was killed half way: the home is not there yet, or half of it, and is not to be made."""
    settings = installation.settings
    try:
        for url in (settings.effective_database_url, label_studio_database(settings.root)):
            require_whole(url)
        require_restored(settings)
    except Unavailable as error:
        return warn(f"not looked at: {error.got}", error.need, error.todo)
    return ok("none was cut short")


def home(installation: Installation) -> Finding:
    """There, ours, writable, and closed to others."""
    root = installation.settings.root
    if not root.is_dir():
        return fail(f"no folder {root}", "a home", "make one by " + START + ", or name yours by --home")
    strangers = [path.name for path in (root, *sorted(root.iterdir())) if path.lstat().st_uid != os.getuid()]
    if strangers:
        got = f"{', '.join(strangers[:3])} of another user"
        return fail(got, "a home of this user alone", f"chown -R it, or call as user {root.stat().st_uid}")
    if os.statvfs(root).f_flag & os.ST_RDONLY:
        todo = f"save a copy: cp -a {root} THERE; the system's log says why, a disk that fails is put so"
        return fail(f"{root} on a read-only file system", "one that can be written", todo)
    if not os.access(root, os.R_OK | os.W_OK | os.X_OK):
        return fail(f"{root}, which may not be written", "read, write and enter", f"chmod 700 {root}")
    others = stat.S_IMODE(root.stat().st_mode) & OPEN_TO_OTHERS
    if others:
        return warn(f"{root}, open to others ({others:03o})", "its owner alone", f"chmod 700 {root}")
    return ok(str(root))


def secrets(installation: Installation) -> Finding:
    """All there, and closed to others; where others run the services, variables may hold them."""
    path = installation.settings.root / SECRETS_FILE
    is_elsewhere = installation.settings.services == "elsewhere"
    if not path.is_file():
        if is_elsewhere:
            return _given_secrets(installation.settings)
        return fail(
            f"no {SECRETS_FILE}",
            "that of this home",
            "bring it back from a backup; a new home: " + START,
        )
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & OPEN_TO_OTHERS:
        return fail(
            f"{SECRETS_FILE} with mode {mode:03o}", "600", f"chmod 600 {path}, and change the passwords"
        )
    if is_elsewhere:
        return _given_secrets(installation.settings)
    held = read_env_file(path)
    missing = [name for name in DRAW if not held.get(name)]
    if missing:
        return fail(f"no {', '.join(missing)}", "every secret", f"bring {SECRETS_FILE} back from a backup")
    return ok(f"{len(DRAW)} secrets, mode {mode:03o}")


def _given_secrets(settings: Settings) -> Finding:
    """Those that our programs read, from wherever they have them; Label Studio's session key is its own."""
    given = {name: getattr(settings, name.removeprefix(PREFIX).lower()) for name in OWN_SECRETS}
    missing = [name for name, secret in given.items() if not secret.get_secret_value()]
    if missing:
        todo = "give it to every service from the deployment's env file, which ./sonoloop secrets writes"
        return fail(f"no {', '.join(missing)}", "every secret, in the environment", todo)
    return ok(f"{len(given)} secrets from the environment")


def unfinished(installation: Installation) -> Finding:
    """What a killed backup, restoration or export left: passwords and frames that nobody looks after."""
    root = installation.settings.root
    left = [shlex.quote(str(each)) for each in leftovers(root.parent, root)]
    if left:
        got = f"{', '.join(left)}, left by a killed command: frames lie in it, of a backup passwords too"
        return warn(got, "none", f"rm -r {' '.join(left)}; the next backup or export does it too")
    return ok("no killed backup, restoration or export left anything")


CHECKS = (
    Check("settings", settings),
    Check("restoration", restoration),
    Check("home", home),
    Check("secrets", secrets, after=("home",)),
    Check("unfinished work", unfinished),
)
