"""How Label Studio writes its answers: in ASCII, which holds whatever was stored.

Half a character (a lone surrogate) in somebody's comment is taken and kept, and cannot be written in UTF-8:
every answer that holds it would be an error, the lists of tasks too.
"""

# mypy: ignore-errors
from rest_framework.renderers import JSONRenderer


def answer_in_ascii():
    """The same JSON, other characters spelt out. A setting comes too late: Label Studio's own settings load
    the framework, which looks at them once.
    """
    JSONRenderer.ensure_ascii = True
