"""What the tests of the command share: running it in a folder of its own, and small tables.

The test files are called with the path of the command and that of the repository.
"""
import csv
import io
import os
import subprocess
import sys
import tempfile
import unittest

BNORM = os.path.abspath(sys.argv[1])
ROOT = os.path.abspath(sys.argv[2])
PRODUC = os.path.join(ROOT, "examples", "produc.csv")
FORMULA = "log(gsp) ~ log(pcap) + log(pc) + log(emp) + unemp + factor(region)"


def environment(**changes):
    """The environment without what would change the command's output."""
    kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "BNORM_ISA")}
    return {**kept, **changes}


def line_table(rows=40, separator=",", end="\n"):
    """y = 1 + 2a - b without noise, and a class g of three levels."""
    lines = [separator.join(["a", "b", "y", "g"])]
    for i in range(rows):
        a, b = (i * 7) % 11, (i * 5) % 13
        lines.append(separator.join([str(a), str(b), str(1 + 2 * a - b), "uvw"[i % 3]]))
    return end.join(lines) + end


def rows_of(text):
    return list(csv.reader(io.StringIO(text, newline="")))


class Case(unittest.TestCase):
    """Each test has a folder; what fails leaves nothing new there."""

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="bnorm-test-")
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def write(self, name, content):
        with open(self.path(name), "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return name

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def run_bnorm(self, *args, stdin=b"", stdout=subprocess.PIPE, env=None, **more):
        done = subprocess.run([BNORM, *args], input=stdin, stdout=stdout,
                              stderr=subprocess.PIPE, cwd=self.folder.name, timeout=120,
                              env=env or environment(), **more)
        self.assertGreaterEqual(done.returncode, 0, f"died of a signal: {args}\n{done.stderr}")
        return done

    def good(self, *args, **more):
        """Runs what must succeed; returns its output."""
        done = self.run_bnorm(*args, **more)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done.stdout.decode() if done.stdout is not None else ""

    def bad(self, code, text, *args, **more):
        """Runs what must fail with a code and a message that holds `text`; no file appears."""
        before = set(os.listdir(self.folder.name))
        done = self.run_bnorm(*args, **more)
        message = done.stderr.decode()
        self.assertEqual(done.returncode, code, f"{args}: {message}")
        self.assertIn(text, message)
        self.assertTrue(message.startswith("bnorm: "), message)
        self.assertEqual(set(os.listdir(self.folder.name)), before, "a file was left behind")
        return message

    def fit_line(self, *more):
        """Fits the table of line_table quickly; the model is m.safetensors."""
        self.write("line.csv", line_table())
        return self.good("fit", "y ~ a + b", "line.csv", "--hidden", "4", "--epochs", "30",
                         "--out", "m.safetensors", *more)


def main():
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=1)
