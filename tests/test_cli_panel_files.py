"""Structured models of the command in files: predictions, summaries, interruption."""
import json
import math
import os
import signal
import subprocess
import time

from cli_support import BNORM, environment, main, rows_of
from panel_cases import DATA, USAGE, Panel, panel_table


class Files(Panel):
    def setUp(self):
        super().setUp()
        self.write("t.csv", panel_table())

    def save(self, formula="y ~ x + nn(z) | id", *more):
        net = ("--hidden", "3", "--penalty", "1e-4") if "nn(" in formula else ()
        return self.good("fit", formula, "t.csv", *net, "--out", "m.st", "--fitted", "f.csv",
                         *more)

    def test_predict_gives_the_fitted_values(self):
        for formula, more in (("y ~ x + nn(z) | id", ()), ("y ~ x + z | id + year", ()),
                              ("y ~ x + z", ("--hidden", "none", "--vcov", "hc1")),
                              ("y ~ x | id[z]", ()), ("y ~ nn(x, z) | id", ("--bags", "3"))):
            self.save(formula, *more)
            for threads in "14":
                self.assertEqual(self.read("f.csv").decode(),
                                 self.good("predict", "m.st", "t.csv", "--threads", threads))

    def test_intervals(self):
        self.save()
        narrow, wide = (rows_of(self.good("predict", "m.st", "t.csv", "--interval", level))
                        for level in ("0.5", "0.95"))
        self.assertEqual(wide[0], ["line", "prediction", "lower", "upper"])
        ratio = None
        for a, b, fitted in zip(narrow[1:], wide[1:], rows_of(self.read("f.csv").decode())[1:]):
            self.assertEqual(a[:2], fitted)
            self.assertEqual(b[:2], fitted)
            (mean, low, high), (_, lower, upper) = ([float(v) for v in r[1:]] for r in (a, b))
            self.assertTrue(lower < low < mean < high < upper)
            self.assertAlmostEqual(mean - low, high - mean, delta=1e-9)
            ratio = ratio or (upper - mean) / (high - mean)
            self.assertAlmostEqual((upper - mean) / (high - mean), ratio, delta=1e-6)
        # t with 11 degrees of freedom: 12 clusters
        self.assertAlmostEqual(ratio, 2.2009851600916 / 0.6974453, delta=1e-5)

    def test_interval_of_a_regression(self):
        """The mean response of a straight line: the textbook formula."""
        self.write("t.csv", "x,y\n1,2\n2,3\n3,7\n5,8\n8,13\n")
        self.save("y ~ x", "--hidden", "none", "--vcov", "classical")
        result = self.fit("y ~ x", "t.csv", "--hidden", "none", "--vcov", "classical")
        self.write("n.csv", "x\n3.8\n10\n")
        sxx = sum((x - 3.8)**2 for x in (1, 2, 3, 5, 8))
        for row, x in zip(rows_of(self.good("predict", "m.st", "n.csv", "--interval", "0.95"))[1:],
                          (3.8, 10)):
            half = 3.182446305284263 * result["sigma"] * math.sqrt(1 / 5 + (x - 3.8)**2 / sxx)
            self.assertAlmostEqual((float(row[3]) - float(row[2])) / 2, half, delta=1e-9)

    def test_new_levels(self):
        self.save("y ~ x + z | id")
        self.write("n.csv", "id,x,z\nu00,1,2\nnew,1,2\nu01,NA,2\nu01,3,1\n")
        done = self.run_bnorm("predict", "m.st", "n.csv")
        self.assertEqual([r[1] == "NA" for r in rows_of(done.stdout.decode())[1:]],
                         [False, True, True, False])
        for text in (b"1 of 4 rows have missing inputs",
                     b"1 of 4 rows have a fixed effect that training did not see"):
            self.assertIn(text, done.stderr)
        zero = rows_of(self.good("predict", "m.st", "n.csv", "--new", "zero", "--interval",
                                 "0.9"))
        same = rows_of(self.good("predict", "m.st", "t.csv"))
        effects = json.loads(self.good("summary", "m.st", "--json"))["fixed_effects"][0]
        mean = sum(effects["effects"].values()) / 12  # the panel is balanced
        self.assertAlmostEqual(float(zero[2][1]) - float(zero[1][1]),
                               mean - effects["effects"]["u00"], delta=1e-9)
        self.assertNotEqual(zero[2][2], "NA")
        self.assertEqual(len(same), 97)
        self.assertIn("'new'", self.bad(DATA, "n.csv line 3", "predict", "m.st", "n.csv",
                                        "--new", "error"))
        self.bad(DATA, "n.csv line 4", "predict", "m.st", "n.csv", "--na", "error")

    def test_summary(self):
        printed = self.save()
        text = self.good("summary", "m.st")
        for part in ("y ~ x + nn(z) | id", "fixed effects: id (12 levels); 12 parameters",
                     "nn1: 1 input, hidden 3 (batchnorm, tanh)", "clustered by id (12 clusters)"):
            self.assertIn(part, text)
        line = next(k for k in printed.splitlines() if k.startswith("x "))
        self.assertIn(line, text)
        result = json.loads(self.good("summary", "m.st", "--json"))
        fitted = self.fit("y ~ x + nn(z) | id", "t.csv", "--hidden", "3", "--penalty", "1e-4")
        for key in ("coefficients", "vcov", "rows_used", "sse", "df", "inputs", "absorbed"):
            self.assertEqual(result[key], fitted[key], key)
        self.assertEqual(self.good("summary", "m.st", "--quiet"), "")

    def test_same_file_for_any_threads(self):
        files = set()
        for threads in "124":
            self.save("y ~ x + nn(z) | id + year", "--threads", threads, "--quiet")
            files.add(self.read("m.st"))
        self.assertEqual(len(files), 1)

    def test_out_on_stdout(self):
        self.save()
        done = self.run_bnorm("fit", "y ~ x + nn(z) | id", "t.csv", "--hidden", "3", "--penalty",
                              "1e-4", "--out", "-")
        self.assertEqual(done.stdout, self.read("m.st"))
        self.assertIn(b"linear terms", done.stderr)

    def test_refused_options(self):
        self.good("fit", "y ~ x", "t.csv", "--epochs", "2", "--out", "plain.st")
        self.bad(USAGE, "--new is for structured models", "predict", "plain.st", "t.csv",
                 "--new", "zero")
        self.bad(USAGE, "--interval is for structured models", "predict", "plain.st", "t.csv",
                 "--interval", "0.9")
        self.bad(USAGE, "above 0 and below 1", "predict", "plain.st", "t.csv", "--interval",
                 "95")
        self.bad(USAGE, "one of error, na, zero", "predict", "plain.st", "t.csv", "--new", "no")
        self.save("y ~ nn(x, z) | id", "--bags", "2")
        self.bad(DATA, "has no covariance", "predict", "m.st", "t.csv", "--interval", "0.9")
        self.assertIn("standard errors: none", self.good("summary", "m.st"))

    def test_check_is_where_the_fit_is(self):
        self.save()
        self.bad(USAGE, "bnorm fit --check", "check", "m.st", "t.csv")

    def test_spoilt_files(self):
        self.save()
        model = self.read("m.st")
        for size in (0, 7, 9, 400, len(model) // 2, len(model) - 1):
            self.write("bad.st", model[:size])
            for args in (("summary", "bad.st"), ("predict", "bad.st", "t.csv", "--out", "p.csv")):
                self.bad(DATA, "bad.st", *args)

    def test_fit_whose_covariance_fails_is_saved(self):
        self.write("t.csv", panel_table(extra=",1"))
        done = self.run_bnorm("fit", "y ~ x | id", "t.csv", "--cluster", "e", "--out", "m.st")
        self.assertEqual(done.returncode, DATA)
        self.assertIn(b"m.st holds the model without a covariance", done.stderr)
        self.good("predict", "m.st", "t.csv")


class Interruption(Panel):
    def test_interrupted_fit_saves_its_best(self):
        self.write("t.csv", panel_table(40, 40))
        fit = subprocess.Popen([BNORM, "fit", "y ~ x + nn(z, c) | id + year", "t.csv",
                                "--hidden", "32,32", "--optimizer", "adam", "--epochs",
                                "1000000", "--out", "m.st"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, cwd=self.folder.name, env=environment())
        time.sleep(2.5)
        self.assertIsNone(fit.poll(), "the fit ended by itself")
        fit.send_signal(signal.SIGINT)
        out, err = fit.communicate(timeout=60)
        self.assertEqual((fit.returncode, out), (130, b""), err)
        self.assertIn(b"the best so far is saved in m.st, without a covariance", err)
        self.assertEqual(sorted(os.listdir(self.folder.name)), ["m.st", "t.csv"])
        self.good("predict", "m.st", "t.csv")


if __name__ == "__main__":
    main()
