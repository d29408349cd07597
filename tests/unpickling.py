"""A program's first lines: from then on no pickle in the process can name a class or a function.

But for those that numba keeps of compiled loops in our own `__pycache__`: like the bytecode beside them, who can write
there can change the program itself.
"""

# Python tells hooks before an unpickler looks a name up, whoever asked for it.
WATCHED = """
import sys
def refuse(event, args):
    if event == "pickle.find_class":
        frame = sys._getframe(1)
        while frame is not None and not frame.f_code.co_filename.endswith("numba/core/caching.py"):
            frame = frame.f_back
        if frame is None:
            raise RuntimeError(f"unpickled {args}")
sys.addaudithook(refuse)
"""
