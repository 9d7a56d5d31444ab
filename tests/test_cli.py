"""The command but for the fit itself: help, predict, summary, check, terminals, signals."""
import csv
import json
import math
import os
import pty
import signal
import statistics
import struct
import subprocess
import time

from cli_support import (BNORM, FORMULA, PRODUC, ROOT, Case, environment, line_table, main,
                         rows_of)


class Information(Case):
    def test_help_and_version_everywhere(self):
        for command in ("fit", "predict", "summary", "check"):
            text = self.good(command, "--help")
            self.assertIn(f"Usage: bnorm {command}", text)
            self.assertIn("130  interrupted", text)
            self.assertEqual(text, self.good("help", command))
            self.assertEqual(text, self.good(command, "--nonsense", "-h"))
            self.assertRegex(self.good(command, "--version"), r"^bnorm \d+\.\d+\.\d+\n$")
        self.assertIn("bnorm check MODEL TABLE", self.good("--help"))
        self.assertEqual(self.good("help"), self.good("-h"))
        self.assertEqual(self.good("-V"), self.good("--version"))

    def test_help_fits_a_terminal(self):
        for command in ("fit", "predict", "summary", "check"):
            for line in self.good(command, "--help").splitlines():
                self.assertLessEqual(len(line), 96)

    def test_man_page_is_up_to_date(self):
        with open(os.path.join(ROOT, "docs", "bnorm.1")) as file:
            self.assertEqual(file.read(), self.good("--man"), "bnorm --man > docs/bnorm.1")


class Predict(Case):
    def test_fit_save_predict_same_bytes(self):
        self.good("fit", FORMULA, PRODUC, "--hidden", "16,8", "--validate", "0.2", "--epochs",
                  "40", "--out", "m.safetensors", "--fitted", "f.csv")
        printed = self.good("predict", "m.safetensors", PRODUC)
        self.assertEqual(self.read("f.csv").decode(), printed)
        table = rows_of(printed)
        self.assertEqual(table[0], ["line", "prediction"])
        self.assertEqual(len(table), 817)
        for row in table[1:]:
            self.assertEqual(row[1], "%.17g" % float(row[1]))
        with open(PRODUC) as file:
            observed = [math.log(float(r["gsp"])) for r in csv.DictReader(file)]
        mean = sum(observed) / len(observed)
        residual = sum((float(r[1]) - y)**2 for r, y in zip(table[1:], observed))
        self.assertLess(residual, 0.05 * sum((y - mean)**2 for y in observed))
        for threads in "234":
            self.assertEqual(printed,
                             self.good("predict", "m.safetensors", PRODUC, "--threads", threads))

    def test_rows_alone_and_stdin(self):
        self.fit_line()
        whole = rows_of(self.good("predict", "m.safetensors", "line.csv"))
        head, *body = line_table().splitlines()
        for k in (0, 17, 39):
            text = f"{head}\n{body[k]}\n".encode()
            alone = rows_of(self.good("predict", "m.safetensors", "-", stdin=text))
            self.assertEqual(alone[1][1], whole[k + 1][1])

    def test_target_is_not_needed(self):
        self.fit_line()
        whole = self.good("predict", "m.safetensors", "line.csv")
        self.write("inputs.csv", "\n".join(",".join(r[:2]) for r in rows_of(line_table())))
        self.assertEqual(whole, self.good("predict", "m.safetensors", "inputs.csv"))

    def test_lines_are_those_of_the_file(self):
        self.fit_line()
        self.write("gaps.csv", 'a,b,c\n\n1,2,"x\ny"\n\n3,4,z\n')
        table = rows_of(self.good("predict", "m.safetensors", "gaps.csv"))
        self.assertEqual([row[0] for row in table], ["line", "3", "6"])


class SummaryAndCheck(Case):
    def test_summary(self):
        self.fit_line("--validate", "0.25")
        text = self.good("summary", "m.safetensors")
        for part in ("formula: y ~ a + b", "inputs: a, b", "2 -> 4, 8 weights",
                     "population statistics", "loss: squared", "training rows: 30"):
            self.assertIn(part, text)
        result = json.loads(self.good("summary", "m.safetensors", "--json"))
        self.assertEqual(result["target"], "y")
        self.assertEqual(result["notes"]["validation rows"], 10)
        self.assertEqual([s["name"] for s in result["scaling"]], ["y", "a", "b"])
        self.fit_line()
        scaling = json.loads(self.good("summary", "m.safetensors", "--json"))["scaling"]
        for column, at in ((2, 0), (0, 1), (1, 2)):
            values = [float(r[column]) for r in rows_of(line_table())[1:]]
            self.assertAlmostEqual(scaling[at]["center"], statistics.mean(values), delta=1e-12)
            self.assertAlmostEqual(scaling[at]["scale"], statistics.stdev(values), delta=1e-12)
        self.assertEqual(self.good("summary", "m.safetensors", "--quiet"), "")

    def test_check(self):
        self.fit_line()
        text = self.good("check", "m.safetensors", "line.csv")
        self.assertIn("every block agrees", text)
        result = json.loads(self.good("check", "m.safetensors", "line.csv", "--json",
                                      "--entries", "0", "--seed", "3"))
        self.assertEqual(list(result), ["ok", "blocks"])
        self.assertIs(result["ok"], True)
        self.assertEqual([b["name"] for b in result["blocks"]],
                         ["G1", "gamma1", "beta1", "G2", "bias2"])
        for block in result["blocks"]:
            self.assertEqual(list(block), ["name", "error", "bound", "ok"])
            self.assertLessEqual(block["error"], block["bound"])

    def test_check_that_fails(self):
        """A model whose weights overflow the loss: its gradient agrees with nothing."""
        self.fit_line()
        model = bytearray(self.read("m.safetensors"))
        data = 8 + struct.unpack("<Q", model[:8])[0]
        begin, end = json.loads(model[8:data])["G2"]["data_offsets"]
        for at in range(data + begin, data + end, 8):
            model[at:at + 8] = struct.pack("<d", 1e300)
        self.write("huge.st", bytes(model))
        done = self.run_bnorm("check", "huge.st", "line.csv")
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"the blocks marked NO do not agree", done.stdout)
        self.assertIn(b"bnorm: block G1", done.stderr)
        done = self.run_bnorm("check", "huge.st", "line.csv", "--json")
        self.assertEqual(done.returncode, 1)
        result = json.loads(done.stdout)
        self.assertIs(result["ok"], False)
        self.assertIsNone(result["blocks"][0]["error"])

    def test_entries_and_rows_of_a_check(self):
        self.fit_line()
        reports = {self.good("check", "m.safetensors", "line.csv", "--json", *more)
                   for more in (("--entries", "1"), ("--entries", "0"), ("--rows", "20"),
                                ("--rows", "20", "--seed", "2"))}
        self.assertEqual(len(reports), 4)

    def test_check_of_the_example(self):
        self.good("fit", FORMULA, PRODUC, "--hidden", "16,8", "--epochs", "20", "--out", "m.st")
        self.assertIn("on 100 rows", self.good("check", "m.st", PRODUC, "--rows", "100"))


class Terminal(Case):
    def on_terminal(self, *args, **changes):
        """Runs with stderr on a terminal; returns what appears there."""
        master, slave = pty.openpty()
        done = subprocess.Popen([BNORM, *args], stdout=subprocess.DEVNULL, stderr=slave,
                                cwd=self.folder.name, env=environment(TERM="xterm", **changes))
        os.close(slave)
        seen = b""
        while True:
            try:
                part = os.read(master, 4096)
            except OSError:
                break
            if not part:
                break
            seen += part
        os.close(master)
        done.wait(60)
        return seen.decode()

    def test_progress_only_on_a_terminal(self):
        self.write("line.csv", line_table())
        fit = ("fit", "y ~ a + b", "line.csv", "--epochs", "30", "--validate", "0.2")
        seen = self.on_terminal(*fit)
        self.assertRegex(seen, r"epoch \d+ of 30  \[#+\.*\]  loss .*validation .* left")
        self.assertTrue(seen.endswith("\r\x1b[K"), "the bar is not wiped")
        self.assertEqual(self.on_terminal(*fit, "--quiet"), "")
        self.assertEqual(self.run_bnorm(*fit).stderr, b"")

    def test_colour_only_where_wanted(self):
        self.assertIn("\x1b[1;31mbnorm:", self.on_terminal("fit"))
        self.assertTrue(self.on_terminal("fit", NO_COLOR="1").startswith("bnorm: "))
        self.assertIn("\x1b[", self.on_terminal("fit", NO_COLOR=""))
        self.assertNotIn(b"\x1b", self.run_bnorm("fit").stderr)


class Interruption(Case):
    def interrupt(self, number, *more):
        self.write("line.csv", line_table(2000))
        fit = subprocess.Popen([BNORM, "fit", "y ~ a + b", "line.csv", "--hidden", "32,32",
                                "--optimizer", "adam", "--epochs", "1000000", "--patience",
                                "1000000", *more],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               cwd=self.folder.name, env=environment())
        time.sleep(1.5)
        self.assertIsNone(fit.poll(), "the fit ended by itself")
        fit.send_signal(number)
        _, err = fit.communicate(timeout=60)
        self.assertEqual(fit.returncode, 130, err)
        return err.decode()

    def test_interrupted_fit_saves(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            message = self.interrupt(number, "--out", "m.safetensors", "--validate", "0.2")
            self.assertIn("best so far is saved in m.safetensors", message)
            self.assertEqual(sorted(os.listdir(self.folder.name)),
                             ["line.csv", "m.safetensors"])
            self.assertIn("interrupted: yes", self.good("summary", "m.safetensors"))
            self.good("predict", "m.safetensors", "line.csv")
            os.remove(self.path("m.safetensors"))

    def test_interrupted_without_out(self):
        self.assertIn("nothing is saved", self.interrupt(signal.SIGINT))


if __name__ == "__main__":
    main()
