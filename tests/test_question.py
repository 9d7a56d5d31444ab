#!/usr/bin/env python3
"""`bnorm check --question`: test_question.py BNORM ROOT

The data in C are those of the table, and both are what R makes of them; the report and its JSON
against gradients that this file finds by itself, from the table, with Python's complex numbers.
Exit code 77 (skipped) when R is missing and all else went well.
"""
import csv
import json
import os
import pathlib
import pty
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

BNORM, ROOT = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
FORMULAS = ("drdb", "loop_drdb", "drdG1", "loop_drdG1", "drdg", "loop_drdg")
COLUMNS = 96


def run(*arguments, **options):
    return subprocess.run([BNORM, "check", "--question", *arguments], capture_output=True,
                          text=True, timeout=60, **options)


def read_table(path):
    """name -> rows of texts."""
    table = {}
    with open(path, newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            rows = table.setdefault(line["name"], [])
            if int(line["col"]) == 1:
                rows.append([])
            rows[int(line["row"]) - 1].append(line["value"])
    return table


def read_header(path):
    """name -> texts, in the order of the file."""
    found = re.findall(r"(?:question|printed)_(\w+)\[(\d+)\] = \{(.*?)\};",
                       path.read_text(encoding="utf-8"), re.S)
    table = {}
    for name, count, body in found:
        table[name] = [cell.strip().strip('"') for cell in body.split(",")]
        assert len(table[name]) == int(count), name
    return table


def flat(rows):
    return [cell for row in rows for cell in row]


def numbers(rows):
    return [[float(cell) for cell in row] for row in rows]


TABLE = read_table(ROOT / "examples" / "question.csv")


class Data(unittest.TestCase):
    def test_c_is_the_table(self):
        header = read_header(ROOT / "cli" / "question_data.h")
        self.assertEqual(set(header), set(TABLE))
        for name, rows in TABLE.items():
            self.assertEqual(header[name], flat(rows), name)

    def test_84_numbers_were_printed(self):
        self.assertEqual(sum(len(flat(TABLE[name])) for name in FORMULAS), 84)

    @unittest.skipUnless(shutil.which("Rscript"), "no R")
    def test_r_makes_the_table(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in ("examples", "cli"):
                os.mkdir(os.path.join(folder, name))
            subprocess.run(["Rscript", "--vanilla", ROOT / "examples" / "question.R"], check=True,
                           cwd=folder)
            made = read_table(os.path.join(folder, "examples", "question.csv"))
        for name, rows in TABLE.items():
            if name in ("y", "y0"):  # products: another BLAS may round otherwise
                for ours, theirs in zip(flat(numbers(rows)), flat(numbers(made[name]))):
                    self.assertAlmostEqual(ours, theirs, delta=1e-13)
            else:
                self.assertEqual(rows, made[name], name)


def risk(x, y, g1, gamma, beta, g2, ddof):
    """R of the question's network; any argument may be complex."""
    n, yhat = len(x), [0] * len(x)
    for j in range(len(g2)):
        z = [sum(a * g[j] for a, g in zip(row, g1)) for row in x]
        mu = sum(z) / n
        sigma = (sum((v - mu) ** 2 for v in z) / (n - ddof)) ** 0.5
        for i in range(n):
            b = gamma[j] * (z[i] - mu) / sigma + beta[j]
            if complex(b).real > 0:
                yhat[i] += b * g2[j]
    return sum((a - b) ** 2 for a, b in zip(y, yhat)) / n


def gradient(ddof):
    """The complex step, entry by entry."""
    x, g1 = numbers(TABLE["X"]), numbers(TABLE["G1"])
    gamma, beta, g2 = (numbers(TABLE[k])[0] for k in ("gamma", "beta", "G2"))
    y = flat(numbers(TABLE["y" if ddof else "y0"]))
    h = 1e-100

    def slope(vector, k):
        kept, vector[k] = vector[k], vector[k] + h * 1j
        value = complex(risk(x, y, g1, gamma, beta, g2, ddof)).imag / h
        vector[k] = kept
        return value

    return {"dbeta": [slope(beta, k) for k in range(4)],
            "dgamma": [slope(gamma, k) for k in range(4)],
            "dG1": [[slope(row, k) for k in range(4)] for row in g1],
            "dG2": [slope(g2, k) for k in range(4)]}


class Report(unittest.TestCase):
    def near(self, ours, theirs, bound):
        ours = flat(ours) if isinstance(ours[0], list) else ours
        theirs = flat(theirs) if isinstance(theirs[0], list) else theirs
        self.assertEqual(len(ours), len(theirs))
        scale = max(map(abs, theirs))
        for a, b in zip(ours, theirs):
            self.assertLessEqual(abs(a - b), bound * scale)

    def test_json_has_the_gradients(self):
        ran = run("--json")
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        report = json.loads(ran.stdout)
        self.assertIs(report["ok"], True)
        for key, ddof in (("ddof1", 1), ("ddof0", 0)):
            for block, values in gradient(ddof).items():
                self.near(report[key][block], values, 1e-12)
            self.assertLess(max(v for k, v in report[key]["apart"].items() if k != "central"),
                            1e-12)

    def test_json_has_the_printed_numbers(self):
        report = json.loads(run("--json").stdout)
        self.assertEqual(report["printed_equal"], 84)
        for name in FORMULAS:
            values = report["ddof1"]["question"][name]
            values = flat(values) if isinstance(values[0], list) else values
            for value, text in zip(values, flat(TABLE[name]), strict=True):
                decimals = len(text.partition(".")[2])
                self.assertEqual(f"{value:.{decimals}f}", text, name)

    def test_report_shows_every_printed_number(self):
        ran = run()
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        for name in FORMULAS:
            for text in flat(TABLE[name]):
                self.assertIn(f" {text} ", ran.stdout, name)
        self.assertIn("84 of 84 printed numbers reproduced; the gradients agree", ran.stdout)
        self.assertNotIn("\033", ran.stdout)
        self.assertLessEqual(max(map(len, ran.stdout.splitlines())), COLUMNS)

    def test_any_folder(self):
        self.assertEqual(run(cwd="/").stdout, run().stdout)

    def on_a_terminal(self, **environment):
        kept = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
        kept.update({"TERM": "xterm"}, **environment)
        master, slave = pty.openpty()
        process = subprocess.Popen([BNORM, "check", "--question"], stdout=slave, env=kept)
        os.close(slave)
        shown = b""
        while True:
            try:
                part = os.read(master, 65536)
            except OSError:  # the other end is closed
                part = b""
            if not part:
                break
            shown += part
        os.close(master)
        self.assertEqual(process.wait(), 0)
        return shown

    def test_colour(self):
        self.assertIn(b"\033[32m", self.on_a_terminal())
        self.assertNotIn(b"\033", self.on_a_terminal(NO_COLOR="1"))

    def test_full_disk(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            ran = subprocess.run([BNORM, "check", "--question"], stdout=full,
                                 stderr=subprocess.PIPE, text=True)
        self.assertEqual(ran.returncode, 1)
        self.assertIn("bnorm:", ran.stderr)

    def test_operands_are_refused(self):
        ran = run("model.safetensors")
        self.assertEqual(ran.returncode, 2)


if __name__ == "__main__":
    result = unittest.main(argv=sys.argv[:1], exit=False).result
    sys.exit(1 if not result.wasSuccessful() else 77 if result.skipped else 0)
