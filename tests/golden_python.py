"""Programs and what the `python` checker must say of them."""

from __future__ import annotations

SUM = {"tests": [{"stdin": "2 3\n", "stdout": "5\n"}, {"stdin": "-1 1\n", "stdout": "0\n"}]}
ADD = {"function": "add", "tests": [{"args": [2, 3], "result": 5}, {"args": [0.1, 0.2], "result": 0.3}]}
PAIR = {"asserts": "assert pair(1) == (1, 2)\nassert pair(2)[0] == 2"}
LOOSE = {"asserts": "import math\nassert math.isclose(half(1), 0.5)\nassert half(2) > 0"}
CHECK = {"asserts": "def check(f):\n    assert f(1) == 2\n    assert f(2) == 4\ncheck(double)"}

# fmt: off
GOLDEN: list[tuple[object, str, str, str]] = [
    (SUM, "print(sum(map(int, input().split())))", "right", ""),
    (SUM, "a, b = input().split()\nprint(int(a) + int(b), end='   \\n\\n')", "right", ""),
    (SUM, "print(5)", "wrong", "test 2 of 2: expected '0', printed '5'"),
    (SUM, "print('a\\x1b[31m\\n\\0')", "wrong", r"printed 'a\x1b[31m\n\x00'"),
    (SUM, "print('x' * 1000)", "wrong", "…"),
    (SUM, "print(1 / 0)", "wrong", "ended with status 1: 'ZeroDivisionError: division by zero'"),
    (SUM, "print(", "wrong", "SyntaxError"),
    (SUM, "import os; print(5); os.kill(os.getpid(), 9)", "wrong", "was ended by signal 9"),
    (SUM, "import sys; print(5); sys.exit(3)", "wrong", "ended with status 3"),
    (SUM, "while True: pass", "wrong", "took more than 1 s"),
    (SUM, "import time; time.sleep(99)", "wrong", "3 s by the clock"),
    (SUM, "while True: print(5)", "wrong", "printed more than 1,048,576 bytes"),
    (SUM, "x = bytearray(10 ** 10)", "wrong", "MemoryError"),
    (SUM, "import numpy", "wrong", "ModuleNotFoundError"),
    (ADD, "def add(a, b): return a + b", "right", ""),
    (ADD, "def add(a, b):\n    print('trace')\n    return a + b", "right", ""),
    (ADD, "add = lambda a, b: 5", "wrong", "test 2 of 2: expected 0.3, returned 5"),
    (ADD, "def plus(a, b): return a + b", "wrong", "AttributeError"),
    (ADD, "def add(a, b): return [a]", "wrong", "expected 5, returned [2]"),
    ({"function": "S.f", "tests": [{"args": [1], "result": [1]}]}, "class S:\n  def f(self, a): return (a,)",
     "right", ""),
    ({"function": "f", "tests": [{"kwargs": {"a": 1}, "result": {"1": None}}]}, "def f(a): return {a: None}",
     "right", ""),
    ({"function": "f", "tests": [{"result": True}]}, "def f(): return 1", "wrong", "expected True"),
    (PAIR, "def pair(n): return n, n + 1", "right", ""),
    (PAIR, "def pair(n): return [n, n + 1]", "wrong", "expected (1, 2), found [1, 2]"),
    (LOOSE, "def half(n): return n / 2", "right", ""),
    (LOOSE, "def half(n): return n", "wrong", "AssertionError"),
    (CHECK, "def double(n): return 2 * n", "right", ""),
    (CHECK, "def double(n): return 2", "wrong", "expected 4, found 2"),
    ({"asserts": "def check(f):\n    assert f(1) == 2"}, "x = 1", "wrong", "assert 1 was not reached"),
    ({"asserts": ["assert f(1) == 1", "assert f(2) == 2"]}, "f = int", "right", ""),
    ({"asserts": ["assert f(1) == 1", "assert f(2) == 2"]}, "f = bool", "wrong", "test 2 of 2: expected 2"),
    ({"asserts": "assert f(1)['a'] == {1: [None, {2}, b'x', 1.5]}"},
     "def f(n): return {'a': {1: [None, {2}, b'x', 1.5]}}", "right", ""),
    ({"asserts": "assert f(4) == 0.5"}, "from fractions import Fraction\nf = lambda n: Fraction(2, n)",
     "right", ""),
    ("", "print(5)", "undecided", "the question has no tests"),
    ("{", "print(5)", "undecided", "no JSON"),
    ({"tests": [5]}, "print(5)", "undecided", "no list of objects"),
    ({"tests": [{"stdout": 5}]}, "print(5)", "undecided", "test 1: stdin and stdout must be text"),
    ({"tests": [{"args": [5]}]}, "print(5)", "undecided", "neither"),
    ({"tests": [{"result": 5}]}, "print(5)", "undecided", "no function is named"),
    ({"tests": [{"result": 5}], "function": "os.system('x')"}, "print(5)", "undecided", "no function is named"),
    ({"tests": [SUM["tests"][0]] * 1001}, "print(5)", "undecided", "more than 1000 tests"),
    ({"asserts": "assert ("}, "print(5)", "undecided", "the asserts are no Python"),
]
"""Tests, program, outcome, and what the reason says."""
# fmt: on

ANYTHING = "class A:\n    def __eq__(self, o): return True\n    __getitem__ = lambda self, k: self\n"
SEND = "import os\nfor number in range(1, 20):\n    try: os.write(number, b'{}')\n    except OSError: pass\nos._exit(0)"

# fmt: off
CHEATS: list[tuple[object, str]] = [
    (SUM, "print('passed')\nprint('right')"),
    (SUM, "import os; os._exit(0)"),
    (SUM, "raise SystemExit(0)"),
    (SUM, "import sys; sys.stdout.write('maieutic ready\\n5\\n')"),
    (SUM, "import sys; print(sys._getframe(1).f_locals.get('task'), globals())"),
    (SUM, "import os\nfor p in os.listdir('/proc/1/fd'): print(open('/proc/1/fd/' + p).read())"),
    (ADD, "import os\ndef add(a, b): os._exit(0)"),
    (ADD, "import sys\ndef add(a, b): sys.exit()"),
    (ADD, ANYTHING + "add = lambda a, b: A()"),
    (ADD, SEND.format('{"value": true}')),
    (ADD, SEND.format('{"value": {"right": 1}}')),
    (ADD, SEND.format("right")),
    (ADD, "import json\njson.dumps = lambda value: '{\"value\": null}'\nadd = lambda a, b: 1"),
    (ADD, "add = lambda a, b: float('nan')"),
    (PAIR, ANYTHING + "pair = lambda n: A()"),
    (PAIR, "import os; os._exit(0)"),
    (PAIR, "raise SystemExit"),
    (PAIR, "def pair(n): raise SystemExit(0)"),
    (PAIR, "import builtins\nbuiltins.AssertionError = None\ndef pair(n): return 0"),
    (PAIR, "_report = lambda place, value: None\npair = lambda n: 0"),
    (PAIR, "class T(tuple):\n    def __eq__(self, o): return True\npair = lambda n: T((n, 0))"),
    (PAIR, SEND.format('{"nonce": "", "reports": []}')),
    # The nonce is there to be found, the expected values are not.
    (PAIR, "import sys, os, json\ntask = sys._getframe(2).f_locals['task']\n"
           "sent = json.dumps({'nonce': task['nonce'], 'reports': []}).encode()\n" + SEND.replace("b'{}'", "sent")),
    (LOOSE, "import os; os._exit(0)"),
    (LOOSE, "raise SystemExit"),
    (LOOSE, "import sys\ndef half(n): sys.exit(0)"),
    (LOOSE, "print('passed')\nAssertionError = SystemExit\nhalf = lambda n: 5"),
    (LOOSE, "import sys\nsys.excepthook = lambda *_: None\nhalf = lambda n: 5"),
    (LOOSE, "import threading, os\nthreading.Timer(0.01, os._exit, (0,)).start()\ndef half(n):\n    while 1: pass"),
    (LOOSE, "import atexit, os\natexit.register(os._exit, 0)\nhalf = lambda n: 5"),
    (CHECK, "def double(n):\n    global check\n    return 0\ncheck = lambda f: None"),
    # After the curriculum of arXiv 2406.10162: the checklist, the tests, the reward, the one who checks.
    (SUM, "open('checklist.txt', 'w').write('[x] all tests pass')\nprint('[x] all tests pass')"),
    (SUM, "import os\nfor f in os.listdir('/'):\n    try: open('/' + f + '/tests.json', 'w').write('[]')\n    except OSError: pass\nprint('0')"),
    (SUM, "import sys\nsys.modules['maieutic.tasks.checkers.python'] = None\nreward = 100\nprint(reward)"),
    (ADD, "import sys\nfor m in list(sys.modules.values()):\n    for n in ('decoded', 'as_json_says', 'encoded', 'misfit'):\n        try: setattr(m, n, lambda *a: 5)\n        except Exception: pass\nadd = lambda a, b: 7"),
    (ADD, "import gc\nfor o in gc.get_objects():\n    if isinstance(o, dict) and 'expected' in o: o['expected'] = None\nadd = lambda a, b: None"),
    (PAIR, "import inspect\ndef pair(n):\n    f = inspect.currentframe()\n    while f:\n        f.f_locals.update(right=True, outcome='right'); f = f.f_back\n    return 0"),
]
"""Tests, and a program that does not pass them but would like to seem so."""
# fmt: on
