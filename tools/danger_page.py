"""Write ``docs/reference/danger.md``: what commands may do, from the tables.

Run it after changing one; a test compares the page with what this would write::

    python tools/danger_page.py
"""

from pathlib import Path

from qmpx.gateway.policy.inspectors import INSPECTORS
from qmpx.gateway.policy.profiles import PROFILES
from qmpx.gateway.settings.roles import RoleSettings, build_role
from qmpx.qapi.danger import HAZARDS, HUMAN_LINES, Danger, is_unstable
from qmpx.qapi.event_secrets import EVENT_SECRETS
from qmpx.qapi.harms import HARMS

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "danger.md"

HEAD = """\
# What commands may do

<!-- Made by tools/danger_page.py from the tables in the sources; do not edit. -->

One table (`qmpx.qapi.danger`) says of each command how much harm it can do. From it
follow the [profiles](gateway.md#roles) of a gateway's policy. A command that is not
here is not known, and no profile allows it. What `qmpx shell` asks about first is what
may destroy something (`qmpx.qapi.harms`).

| class | what such a command does |
|---|---|
"""

SUMMARIES = {
    Danger.READ: "reads, cheaply, what gives nobody away",
    Danger.LEAK: "reads what is confidential (file names, addresses), or at a cost",
    Danger.CONTROL: "changes what another command changes back",
    Danger.LOSS: "may lose the guest's state or data",
    Danger.HOST: "reaches the host or the guest's memory: as good as a shell",
}

PROFILES_HEAD = """
## Profiles

`some` means: by its arguments, which are
[looked into](gateway.md#what-is-looked-into), or not all of the class.

| profile | R1 | R2 | C1 | C2 | X | for |
|---|---|---|---|---|---|---|
"""

COMMANDS_HEAD = """
## Commands

`looked into`: a role that may run it may still not run it with any arguments.
`unstable`: a later QEMU may change or drop it; it has to be named.

| command | class | area | |
|---|---|---|---|
"""

LINES_HEAD = """
## Lines of the human monitor

Whole lines; anything else is refused, unless the role names it.

| line | class |
|---|---|
"""

EVENTS_HEAD = """
## Events

Profiles that read class R1 alone see the places that are named here as `(hidden)`.

| event | hidden |
|---|---|
"""


def level(profile: str, danger: Danger) -> str:
    """Return how much of a class a profile allows."""
    role = build_role(profile, RoleSettings(profile=profile, directories=("/x",)))
    names = [
        name
        for name, row in HAZARDS.items()
        if row.danger is danger
        and not is_unstable(name)
        and not name.startswith("guest-")
        and name not in {"abort", "qmp_capabilities"}
    ]
    runs = [name for name in names if role.may_run(name)]
    if not runs:
        return ""
    # In all profiles each action of a transaction has to be allowed.
    others = [name for name in runs if name != "transaction"]
    free = not any(role.depends_on_arguments(name) for name in others)
    return "all" if runs == names and free else "some"


def page() -> str:
    """Return the whole page."""
    text = HEAD
    text += "".join(f"| {danger} | {SUMMARIES[danger]} |\n" for danger in Danger)
    text += PROFILES_HEAD
    for name, profile in PROFILES.items():
        levels = " | ".join(level(name, danger) for danger in Danger)
        text += f"| `{name}` | {levels} | {profile.summary} |\n"
    text += COMMANDS_HEAD
    for name, row in sorted(HAZARDS.items()):
        notes = ["looked into"] * (name in INSPECTORS or name == "transaction")
        notes += ["unstable"] * is_unstable(name)
        notes += [HARMS[name]] if name in HARMS else []
        text += f"| `{name}` | {row.danger} | {row.area} | {'; '.join(notes)} |\n"
    text += LINES_HEAD
    text += "".join(
        f"| `{line}` | {danger} |\n" for line, danger in HUMAN_LINES.items()
    )
    text += EVENTS_HEAD
    for name, places in sorted(EVENT_SECRETS.items()):
        text += f"| `{name}` | {', '.join(f'`{each}`' for each in places)} |\n"
    return text


if __name__ == "__main__":
    PAGE.write_text(page())
