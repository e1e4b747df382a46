"""The interactive shell: ``qmpx shell``.

What a line means, what may come next in it, and how an answer looks are decided in
modules that know no terminal; `prompt` puts them on one, and `piped` does without. Only
`prompt` needs prompt_toolkit; tables need rich.
"""
