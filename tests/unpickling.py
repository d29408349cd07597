"""A program's first lines: from then on no pickle in the process can name a class or a function."""

# Python tells hooks before an unpickler looks a name up, whoever asked for it.
WATCHED = """
import sys
def refuse(event, args):
    if event == "pickle.find_class":
        raise RuntimeError(f"unpickled {args}")
sys.addaudithook(refuse)
"""
