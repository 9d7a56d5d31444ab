"""Rules of the command that a user relies on: missing values, files, signals, odd tables."""
import json
import os
import resource
import signal
import subprocess
import time
import xml.etree.ElementTree

from cli_support import BNORM, Case, environment, line_table, main, rows_of

FAILED, USAGE, DATA, INTERRUPTED = 1, 2, 3, 130


class MissingValues(Case):
    def test_the_rule_is_that_of_the_call(self):
        self.fit_line("--na", "error")
        lines = line_table().splitlines()
        lines[3], lines[6] = "NA,1,2,u", "1,2,NA,u"
        self.write("na.csv", "\n".join(lines) + "\n")
        table = rows_of(self.good("predict", "m.safetensors", "na.csv", "--na", "drop"))
        self.assertEqual((table[3], table[6][1] != "NA"), (["4", "NA"], True))
        self.assertIn("on 38 rows", self.good("check", "m.safetensors", "na.csv"))
        for args in (("predict", "m.safetensors", "na.csv"), ("check", "m.safetensors", "na.csv"),
                     ("fit", "y ~ a + b", "na.csv")):
            message = self.bad(DATA, "na.csv line 4: column 'a' is missing", *args, "--na",
                               "error")
            self.assertIn("--na drop", message)

    def test_rows_that_the_fit_left_out(self):
        lines = line_table().splitlines()
        lines[5], lines[9] = "0,1,NA,u", "3,4,NA,only"
        lines[1:] = [line if line[0] != "0" or "NA" in line else "11" + line[1:]
                     for line in lines[1:]]
        self.write("t.csv", "\n".join(lines) + "\n")
        done = self.run_bnorm("fit", "y ~ log(a) + b + g", "t.csv", "--epochs", "3", "--out",
                              "m.st", "--fitted", "f.csv")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"2 of 40 rows have a level that training did not see", done.stderr)
        self.assertIn(b"the first: t.csv line 6: log(a) is not finite", done.stderr)
        table = rows_of(self.read("f.csv").decode())
        self.assertEqual([row[0] for row in table if row[1] == "NA"], ["6", "10"])
        self.assertEqual(self.read("f.csv").decode(), self.good("predict", "m.st", "t.csv"))
        self.bad(DATA, "t.csv line 6: log(a)", "predict", "m.st", "t.csv", "--na", "error")

    def test_check_needs_rows(self):
        self.fit_line()
        self.bad(DATA, "at least 2 complete rows", "check", "m.safetensors", "line.csv",
                 "--rows", "1")
        self.good("fit", "y ~ a", "line.csv", "--ddof", "3", "--epochs", "2", "--out", "m.st")
        self.bad(DATA, "ddof", "check", "m.st", "line.csv", "--rows", "3")


class Tables(Case):
    def test_decimal_commas(self):
        for separator in ";\t":
            rows = [f"{i},5{separator}{i * i}" for i in range(6)]
            rows[0] = separator.join(("NA", "1"))
            self.write("t.csv", separator.join("xy") + "\n" + "\n".join(rows) + "\n")
            for formula in ("y ~ x", "x ~ y"):
                message = self.bad(DATA, "t.csv line 3: column 'x' has a decimal comma: '1,5'",
                                   "fit", formula, "t.csv")
                self.assertIn("1.5", message)
        self.write("t.csv", "x;y;g\n" + "".join(f"{i};{i * i};{'ab'[i % 2]},1\n" for i in range(9)))
        self.good("fit", "y ~ x + g", "t.csv", "--epochs", "2")

    def test_classes_are_told(self):
        self.write("line.csv", line_table())
        done = self.run_bnorm("fit", "g ~ a", "line.csv", "--epochs", "2")
        self.assertIn(b"target g is text: its 3 distinct values are taken as classes",
                      done.stderr)
        for more in (("g ~ a", "--loss", "softmax"), ("factor(b) ~ a",), ("y ~ a",)):
            done = self.run_bnorm("fit", more[0], "line.csv", "--epochs", "2", *more[1:])
            self.assertEqual(done.stderr, b"")

    def test_weights(self):
        head, *body = line_table(24).splitlines()
        self.write("w.csv", "\n".join([head + ",w"] + [f"{r}, {1 + i % 3} " for i, r in
                                                       enumerate(body)]) + "\n")
        for formula, inputs in (("y ~ . - g", ["a", "b"]), ("y ~\n. - g", ["a", "b"]),
                                ("y ~ . + I(w^2) - g", ["a", "b", "I(w^2)"])):
            result = json.loads(self.good("fit", formula, "w.csv", "--weights", "w", "--epochs",
                                          "2", "--json"))
            self.assertEqual(result["inputs"], inputs)
        self.write("h.csv", "\n".join([head + ",w"] + [r + ",0x1" for r in body]) + "\n")
        self.bad(DATA, "h.csv line 2: column 'w' is not a number: '0x1'", "fit", "y ~ a",
                 "h.csv", "--weights", "w")

    def test_any_magnitude(self):
        fits = []
        for factor in ("", "e160", "e-170", "e155"):
            lines = [f"{(i * 7) % 11}{factor},{i % 5},{(i * 7) % 11 + i % 5}{factor}"
                     for i in range(30)]
            self.write("t.csv", "x,z,y\n" + "\n".join(lines) + "\n")
            result = json.loads(self.good("fit", "y ~ x + z", "t.csv", "--json", "--epochs",
                                          "40"))
            fits.append(result["training"])
        for fit in fits[1:]:
            for key in ("loss", "r_squared"):
                self.assertAlmostEqual(fit[key], fits[0][key], delta=1e-4)

    def test_one_row(self):
        self.write("t.csv", "x,y\n1,2\n")
        self.assertNotIn("missing", self.bad(DATA, "1 of 1 rows", "fit", "y ~ x", "t.csv"))

    def test_many_classes(self):
        for classes, drawn in ((40, True), (41, False)):
            self.write("t.csv", "x,g\n" + "".join(f"{i},c{i % classes}\n" for i in range(90)))
            self.good("fit", "g ~ x", "t.csv", "--epochs", "2", "--plot", "p.svg")
            texts = [e.text for e in xml.etree.ElementTree.fromstring(self.read("p.svg")).iter()]
            self.assertEqual("41 classes are too many to draw" in texts, not drawn)
            self.assertEqual(b'fill="rgb(' in self.read("p.svg"), drawn)

    def test_names_cannot_steer_a_terminal(self):
        self.write("t.csv", b"x,g\n" + b"".join(b"%d,%s\n" % (i, (b"a\x1b[31m", b"b\xc2\x9b1m")[
            i % 2]) for i in range(20)))
        self.good("fit", "g ~ x", "t.csv", "--epochs", "2", "--out", "m.st")
        self.assertIn("classes: a?[31m, b?1m", self.good("summary", "m.st"))


class Files(Case):
    def test_files_that_are_one(self):
        self.fit_line()
        os.link(self.path("line.csv"), self.path("hard.csv"))
        os.symlink("line.csv", self.path("soft.csv"))
        fit = ("fit", "y ~ a + b", "line.csv", "--epochs", "2")
        model, table = self.read("m.safetensors"), self.read("line.csv")
        for args in ((*fit, "--out", "new", "--plot", "./new"),
                     (*fit, "--fitted", "new", "--plot", self.path("new")),
                     (*fit, "--out", "m.safetensors", "--fitted", "m.safetensors"),
                     (*fit, "--fitted", "line.csv"), (*fit, "--out", "hard.csv"),
                     (*fit, "--plot", "soft.csv"),
                     ("predict", "m.safetensors", "line.csv", "--out", "./line.csv"),
                     ("predict", "m.safetensors", "line.csv", "--out", "m.safetensors")):
            self.bad(USAGE, "are the same file", *args)
        self.assertEqual((model, table), (self.read("m.safetensors"), self.read("line.csv")))
        self.good(*fit, "--fitted", "/dev/null", "--plot", "/dev/null")
        self.good("predict", "m.safetensors", "line.csv", "--out", "new")

    def test_empty_names(self):
        self.write("line.csv", line_table())
        for option in ("--out", "--fitted", "--plot"):
            self.bad(USAGE, f"{option} needs the name of a file", "fit", "y ~ a", "line.csv",
                     option, "")
        self.bad(USAGE, "--out needs the name", "predict", "m.st", "line.csv", "--out=")

    def test_file_size_limit(self):
        self.fit_line()
        old = self.read("m.safetensors")
        limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512))
        self.bad(FAILED, "File too large", "fit", "y ~ a + b", "line.csv", "--epochs", "2",
                 "--out", "m.safetensors", preexec_fn=limit)
        self.bad(FAILED, "File too large", "predict", "m.safetensors", "line.csv", "--out",
                 "p.csv", preexec_fn=limit)
        self.assertEqual(self.read("m.safetensors"), old)


class Signals(Case):
    def start(self, *args, **more):
        return subprocess.Popen([BNORM, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                cwd=self.folder.name, env=environment(), **more)

    def test_before_the_first_epoch(self):
        self.write("line.csv", line_table(2000))
        self.write("m.st", "precious")
        fit = self.start("fit", "y ~ a + b", "line.csv", "--hidden", "2500,2500", "--optimizer",
                         "adam", "--out", "m.st")
        time.sleep(2)
        fit.send_signal(signal.SIGINT)
        _, err = fit.communicate(timeout=100)
        self.assertEqual(fit.returncode, INTERRUPTED, err)
        self.assertIn(b"before the first epoch", err)
        self.assertEqual(self.read("m.st"), b"precious")

    def test_while_reading(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            fit = self.start("fit", "y ~ a + b", "-", stdin=subprocess.PIPE)
            fit.stdin.write(b"a,b,y\n1,2,3\n")
            fit.stdin.flush()
            time.sleep(0.5)
            fit.send_signal(number)
            self.assertEqual(fit.wait(20), INTERRUPTED)
            fit.communicate()

    def test_while_saving(self):
        """Whatever comes when, no temporary is left behind."""
        self.write("line.csv", line_table(80))
        for number in (signal.SIGINT, signal.SIGHUP):
            fit = self.start("fit", "y ~ a + b", "line.csv", "--hidden", "1500,1500",
                             "--optimizer", "adam", "--epochs", "1", "--out", "m.st")
            deadline = time.time() + 60
            while fit.poll() is None and time.time() < deadline:
                if any(name.startswith(".bnorm-") for name in os.listdir(self.folder.name)):
                    fit.send_signal(number)
                time.sleep(0.002)
            fit.communicate(timeout=60)
            self.assertEqual(sorted(os.listdir(self.folder.name)), ["line.csv", "m.st"])
            self.good("summary", "m.st")
            os.remove(self.path("m.st"))


if __name__ == "__main__":
    main()
