"""The interactive shell: ``qmpx shell``.

What a line means, what may come next in it, and how an answer looks are decided in
modules that know no terminal; `qmpx.cli.shell.session` puts them on one. Only that one
and its neighbours `prompt` and `run` need prompt_toolkit; tables need rich.
"""
