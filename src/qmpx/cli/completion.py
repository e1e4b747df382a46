"""``qmpx completion``: a script that completes our commands in a shell of the system.

Commands and options are those of this very parser, written out when the script is made:
completion in a shell has to be quicker than starting Python.
"""

import argparse
from collections.abc import Iterator
from typing import Any, NamedTuple


class Spelled(NamedTuple):
    """A command and what may follow it.

    Attributes:
        path: Its words, without ``qmpx``.
        about: What it does.
        commands: Its subcommands, and what each does.
        options: Its options, and what each does.
        choices: Words that one of its arguments may be.
    """

    path: tuple[str, ...]
    about: str
    commands: dict[str, str]
    options: dict[str, str]
    choices: list[str]


def run(arguments: argparse.Namespace) -> None:
    """Print the script."""
    from qmpx.cli.main import make_parser

    known = list(spelled(make_parser()))
    print(_SCRIPTS[arguments.shell](known))


def spelled(parser: Any, path: tuple[str, ...] = ()) -> Iterator[Spelled]:
    """Yield a command and all that are below it."""
    commands: dict[str, str] = {}
    options: dict[str, str] = {}
    choices: list[str] = []
    below = []
    for action in parser._actions:  # noqa: SLF001 - argparse tells it nowhere else
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            about = {each.dest: each.help or "" for each in action._choices_actions}  # noqa: SLF001
            for name, inner in action.choices.items():
                commands[name] = about.get(name, "")
                below.append((name, inner))
        elif action.choices and not action.option_strings:
            choices += action.choices
        for option in action.option_strings:
            options[option] = (action.help or "").split("(default")[0].strip()
    yield Spelled(path, parser.description or "", commands, options, choices)
    for name, inner in below:
        yield from spelled(inner, (*path, name))


def _bash(known: list[Spelled]) -> str:
    cases = "\n".join(
        f"    {_bash_key(each)}) words='{' '.join((*each.commands, *each.options))}'"
        f" choices='{' '.join(each.choices)}' ;;"
        for each in known
    )
    return f"""\
# Completion of qmpx for bash:  eval "$(qmpx completion bash)"
_qmpx() {{
  local word path='' words='' choices=''
  COMPREPLY=()
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case "$path/$word" in
      {"|".join(_bash_key(each) for each in known if each.path)}) path="$path/$word" ;;
    esac
  done
  case "$path" in
{cases}
  esac
  if [[ ${{COMP_WORDS[COMP_CWORD]}} != -* && -n $path && $words != [a-z]* ]]; then
    words=$choices
    if [[ -n $choices ]]; then
      COMPREPLY=($(compgen -f -- "${{COMP_WORDS[COMP_CWORD]}}"))
    fi
  fi
  COMPREPLY+=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -o bashdefault -F _qmpx qmpx"""


def _bash_key(each: Spelled) -> str:
    return "".join(f"/{word}" for word in each.path) or "''"


def _zsh(known: list[Spelled]) -> str:
    functions = []
    for each in known:
        name = "_".join(("_qmpx", *each.path))
        options = " ".join(
            _zsh_word(f"{option}[{about.translate(_ZSH_PLAIN)}]")
            for option, about in each.options.items()
        )
        if each.commands:
            commands = " ".join(
                _zsh_word(f"{command}:{about}")
                for command, about in each.commands.items()
            )
            calls = "\n".join(
                f"        {command}) {name}_{command} ;;" for command in each.commands
            )
            functions.append(f"""\
{name}() {{
  local state line
  local -a commands=({commands})
  _arguments -C {options} '1: :->command' '*:: :->rest'
  case $state in
    command) _describe command commands ;;
    rest)
      case $line[1] in
{calls}
      esac ;;
  esac
}}""")
        else:
            words = "_files"
            if each.choices:
                chosen = f'"words:word:({" ".join(each.choices)})"'
                words = f'{{ _alternative {chosen} "files:file:_files" }}'
            functions.append(f"""\
{name}() {{
  _arguments {options} '*:file:{words}'
}}""")
    body = "\n".join(functions)
    return (
        "#compdef qmpx\n"
        '# Completion of qmpx for zsh:  eval "$(qmpx completion zsh)"\n'
        f"{body}\ncompdef _qmpx qmpx"
    )


_ZSH_PLAIN = str.maketrans({"[": "(", "]": ")", "\n": " "})


def _zsh_word(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _fish(known: list[Spelled]) -> str:
    lines = ["# Completion of qmpx for fish:  qmpx completion fish | source"]
    for each in known:
        conditions = [f"__fish_seen_subcommand_from {word}" for word in each.path]
        if each.commands:
            names = " ".join(each.commands)
            conditions.append(f"not __fish_seen_subcommand_from {names}")
        when = " -n " + _zsh_word("; and ".join(conditions)) if conditions else ""
        for command, about in each.commands.items():
            lines.append(
                f"complete -c qmpx -f{when} -a {command} -d {_fish_word(about)}"
            )
        if each.choices:
            lines.append(f"complete -c qmpx{when} -a '{' '.join(each.choices)}'")
        for option, about in each.options.items():
            kind = f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}"
            lines.append(f"complete -c qmpx{when} {kind} -d {_fish_word(about)}")
    return "\n".join(lines)


def _fish_word(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


_SCRIPTS = {"bash": _bash, "zsh": _zsh, "fish": _fish}
