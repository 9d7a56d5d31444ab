#!/usr/bin/env python3
"""Runs the code of docs/*.md: test_docs.py ROOT CC LIBRARY_FOLDER COMMAND [LINK FLAG...]

COMMAND may be empty.

Fenced blocks whose language is `r` or `python` are one session a page, in order; each `c` block
is a program, built against the library. A line "#> text" (in C "//> text") is a line of output:
what a session prints must be these lines and no other. `console` blocks are one session a page of
the command: "$ bnorm ..." is run by a shell beside the tables of examples/, and what it prints must
be the lines that follow, but for the digits of numbers, which differ with the processor. Other
languages are not run.
Equations, between dollars, must survive a code host's Markdown: no inline one over two lines, no
line of a displayed one that opens a list, no backslash before punctuation, which Markdown eats.
The theorems that a table names in a column "theorems" must be in proof/Headline.v.
Exit code 77 (skipped) when an interpreter is missing and all else went well.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

FENCE = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```\s*$", re.M | re.S)
EXPECTED = re.compile(r"^\s*(?:#|//)> ?(.*?)\s*$", re.M)


def blocks(page):
    """(language, code) of each fenced block."""
    return FENCE.findall(page.read_text(encoding="utf-8"))


def sessions(page):
    """(language, code) of each session of a page."""
    found = blocks(page)
    for language in ("r", "python"):
        code = "\n".join(text for name, text in found if name == language)
        if code:
            yield language, code
    yield from ((name, text) for name, text in found if name == "c")


def numpy_python():
    """A Python with NumPy, or None."""
    for python in (sys.executable, "/usr/bin/python3"):
        if python and shutil.which(python):
            probe = subprocess.run([python, "-c", "import numpy"], capture_output=True)
            if probe.returncode == 0:
                return python
    return None


def command(language, code, folder, build):
    """The command that runs a session, or None when its interpreter is missing."""
    suffix = {"r": ".R", "python": ".py", "c": ".c"}[language]
    source = folder / ("session" + suffix)
    source.write_text(code, encoding="utf-8")
    if language == "r":
        return shutil.which("Rscript") and ["Rscript", "--vanilla", str(source)]
    if language == "python":
        python = numpy_python()
        return python and [python, str(source)]
    compiled = subprocess.run(build(source, folder / "session"), capture_output=True, text=True)
    if compiled.returncode:
        return ["sh", "-c", 'printf "%s" "$1" >&2; exit 1', "cc", compiled.stderr]
    return [str(folder / "session")]


def compare(ran, code):
    """What is wrong with a run, or None."""
    expected = EXPECTED.findall(code)
    printed = [line.rstrip() for line in ran.stdout.splitlines()]
    if ran.returncode:
        return f"exit code {ran.returncode}\n{ran.stderr}"
    if printed != expected:
        return "printed\n  " + "\n  ".join(printed) + "\nexpected\n  " + "\n  ".join(expected)
    return None


def fragile_equations(page):
    """What Markdown would break in a page's equations."""
    text = re.sub(r"^```.*?^```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    displayed = re.findall(r"\$\$(.*?)\$\$", text, re.S)
    inline = re.findall(r"\$([^$]+)\$", re.sub(r"\$\$.*?\$\$", "", text, flags=re.S))
    bad = [f"over two lines: {e}" for e in inline if "\n" in e]
    bad += [f"opens a list: {e}" for e in displayed if re.search(r"^ *[-+*#>] ", e, re.M)]
    bad += [f"eaten: {e}" for e in displayed + inline if re.search(r"\\[!-/:-@\[-`{-~]", e)]
    return bad


def unknown_theorems(page, root):
    """Names in the last column of tables headed "theorems" that are no theorems."""
    headline = pathlib.Path(root, "proof", "Headline.v")
    tables = re.findall(r"^\|[^\n]*\| theorems \|\n(.*?)(?:\n\n|\Z)",
                        page.read_text(encoding="utf-8"), re.M | re.S)
    named = [name for table in tables for row in table.splitlines()
             for name in re.findall(r"`(\w+)`", row.split("|")[-2])]
    if named and not headline.exists():
        print(f"{page.name}: proof/ is not here: its theorems are not looked up")
        return []
    text = headline.read_text(encoding="utf-8") if named else ""
    known = re.findall(r"^Theorem (\w+)", text, re.M)
    return [name for name in named if name not in known]


def shape(text):
    """The words of an output: numbers are all one, blanks and rules of any length are too."""
    text = re.sub(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?(?![\w.])", "0", text)
    text = re.sub(r"[-=─━]{2,}", "--", re.sub(r"[ \t]+", " ", text))
    return [line.strip() for line in text.splitlines() if line.strip()]


def run_console(page, root, command, tally):
    """The `console` blocks of a page, in order, in one folder that has the example tables."""
    steps = [step for language, code in blocks(page) if language == "console"
             for step in re.findall(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", code, re.M)]
    if not steps:
        return
    if not command:
        tally["missing"].append(f"{page.name}: console")
        return
    with tempfile.TemporaryDirectory() as folder:
        for table in pathlib.Path(root, "examples").glob("*.csv"):
            shutil.copy(table, folder)
        path = os.pathsep.join([os.path.dirname(os.path.abspath(command)), os.environ["PATH"]])
        for typed, expected in steps:
            ran = subprocess.run(["sh", "-c", typed], capture_output=True, text=True, cwd=folder,
                                 timeout=300, env=dict(os.environ, PATH=path, NO_COLOR="1"))
            wrong = ran.stderr if ran.returncode else None
            if not wrong and shape(ran.stdout) != shape(expected):
                wrong = "printed\n" + ran.stdout + "\nexpected\n" + expected
            tally["run"] += 1
            print(f"{page.name}: $ {typed.splitlines()[0]}: {wrong or 'ok'}")
            tally["bad"] += wrong is not None


def run_page(page, build, tally):
    for language, code in sessions(page):
        with tempfile.TemporaryDirectory() as name:
            argv = command(language, code, pathlib.Path(name), build)
            if not argv:
                tally["missing"].append(f"{page.name}: {language}")
                continue
            ran = subprocess.run(argv, capture_output=True, text=True, cwd=name, timeout=120)
        wrong = compare(ran, code)
        tally["run"] += 1
        print(f"{page.name}: {language}: {wrong or 'ok'}")
        tally["bad"] += wrong is not None


def main(root, compiler, library, command, *flags):
    def build(source, program):
        return [*compiler.split(), "-std=c17", "-Wall", "-Wextra", "-Werror", str(source),
                "-I", os.path.join(root, "include"), "-L", library, "-lbnorm", "-lm",
                f"-Wl,-rpath,{library}", *flags, "-o", str(program)]

    tally = {"run": 0, "bad": 0, "missing": []}
    for page in sorted(pathlib.Path(root, "docs").glob("*.md")):
        for equation in fragile_equations(page):
            print(f"{page.name}: equation {equation}")
            tally["bad"] += 1
        for name in unknown_theorems(page, root):
            print(f"{page.name}: no theorem {name} in proof/Headline.v")
            tally["bad"] += 1
        run_page(page, build, tally)
        run_console(page, root, command, tally)
    if tally["missing"]:
        print("not run, R or NumPy is missing:", ", ".join(tally["missing"]))
    if tally["bad"] or not tally["run"]:
        return 1
    return 77 if tally["missing"] else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
