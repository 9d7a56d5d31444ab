"""The command reads tables of Stata and SPSS as it reads the same table as text.

Called with the path of the command, that of the repository and that of the program stat_write.
"""
import json
import os
import subprocess
import sys

from cli_support import FORMULA, PRODUC, Case, main, rows_of

WRITER = os.path.abspath(sys.argv.pop(3))
FAILED, DATA = 1, 3

# Debian's Python has pandas, whatever stands first on PATH.
PANDAS = "/usr/bin/python3"
NOTHING = subprocess.run([PANDAS, "-c", "import pandas"], capture_output=True).returncode


class Stat(Case):
    def pandas(self, code, *args):
        script = "import sys, numpy as np, pandas as pd\n" + code
        subprocess.run([PANDAS, "-c", script, *args], cwd=self.folder.name, check=True)

    def writer(self, name, version):
        subprocess.run([WRITER, self.path(name), str(version)], check=True)
        return name

    def fit(self, formula, table, *more):
        return json.loads(self.good("fit", formula, table, "--epochs", "3", "--json", *more))


class Stata(Stat):
    def test_produc_is_the_same_as_csv(self):
        self.good("fit", FORMULA, PRODUC, "--epochs", "20", "--out", "m.st", "--fitted", "f.csv")
        for version in (114, 117, 118, 119):
            self.pandas("pd.read_csv(sys.argv[1]).to_stata(sys.argv[2], write_index=False, "
                        "version=int(sys.argv[3]))", PRODUC, "p.dta", str(version))
            self.good("fit", FORMULA, "p.dta", "--epochs", "20", "--out", "n.st", "--fitted",
                      "g.csv")
            self.assertEqual(self.read("m.st"), self.read("n.st"))
            csv, dta = (rows_of(self.read(name).decode()) for name in ("f.csv", "g.csv"))
            self.assertEqual([r[1] for r in csv], [r[1] for r in dta])
            self.assertEqual([r[0] for r in dta], ["row"] + [str(k) for k in range(1, 817)])
        self.assertEqual(self.read("g.csv").decode(), self.good("predict", "m.st", "p.dta"))

    def test_extension_in_capitals(self):
        self.pandas("pd.DataFrame({'x': range(9), 'y': range(9)}).to_stata('P.DTA')")
        self.assertEqual(self.fit("y ~ x", "P.DTA")["rows"], 9)

    def test_every_type_and_missing_value(self):
        self.pandas("""
n = 40
k = np.arange(n)
frame = pd.DataFrame({
    'tiny': (k % 100).astype('int8'), 'small': (k * 7 % 31).astype('int16'),
    'large': (k * 70001).astype('int32'), 'single': (k / 8 + 0.1).astype('float32'),
    'real': np.where(k == 3, np.nan, k * 0.3), 'zip': [f'0{i // 3 % 3}' for i in k],
    'day': pd.to_datetime('1960-01-01') + pd.to_timedelta(k, unit='D'),
    'g': pd.Categorical([('u', 'v', None)[i % 3] for i in k])})
frame.to_stata('t.dta', write_index=False, convert_dates={'day': 'td'}, version=118)
frame = frame.assign(day=k)
frame.to_csv('t.csv', index=False, float_format='%.17g')
""")
        terms = ("tiny", "small", "large", "single", "real", "day", "g")
        for target, inputs in (("real", terms[:4]), ("day", terms[:5]), ("small", terms),
                               ("tiny", ("factor(zip)", "large", "g"))):
            formula = f"{target} ~ {' + '.join(t for t in inputs if t != target)}"
            found = [self.fit(formula, name, "--fitted", "f.csv") for name in ("t.csv", "t.dta")]
            for result in found:
                del result["table"], result["seconds"]
            self.assertEqual(found[0]["rows_used"], found[1]["rows_used"])
            if "zip" in formula:  # text is text: a code keeps its 0, which CSV cannot tell
                self.assertEqual(found[1]["inputs"][:2], ["factor(zip)01", "factor(zip)02"])
            else:
                self.assertEqual(found[0], found[1])

    def test_labels_are_levels(self):
        for name, version in (("l.dta", 114), ("l.sav", 0)):
            self.writer(name, version)
            inputs = self.fit("x ~ named + some + same + text", name)["inputs"]
            self.assertEqual(inputs, ["namedlow", "namedmiddle", "some", "same", "textcafé"])

    def test_missing_in_each_format(self):
        self.writer("l.dta", 114)
        self.writer("l.sav", 0)
        self.assertEqual(self.fit("x ~ named", "l.dta")["rows_used"], 30)
        self.assertEqual(self.fit("x ~ named", "l.sav")["rows_used"], 29)
        self.assertEqual(self.fit("x ~ text", "l.sav")["rows_used"], 28)
        self.bad(DATA, "l.sav row 5", "fit", "x ~ named", "l.sav", "--na", "error")

    def test_weights_are_told_by_row(self):
        self.pandas("pd.DataFrame({'x': range(9), 'y': range(9), 'w': [1.] * 5 + [-1., 1, 1, 1]})"
                    ".to_stata('t.dta')")
        self.bad(DATA, "t.dta row 6: the weight -1", "fit", "y ~ x", "t.dta", "--weights", "w")

    def test_long_table(self):
        self.pandas("k = np.arange(200000)\npd.DataFrame({'x': k % 101, 'y': k % 101 * 2.0, "
                    "'t': np.array(['a', 'b'])[k % 2]}).to_stata('t.dta', write_index=False)")
        result = self.fit("y ~ x + t", "t.dta", "--hidden", "2", "--optimizer", "lbfgs")
        self.assertEqual((result["rows"], result["rows_used"]), (200000, 200000))


class Bad(Stat):
    def test_files(self):
        self.bad(FAILED, "nowhere.dta could not be opened: No such file", "fit", "y ~ x",
                 "nowhere.dta")
        os.mkdir(self.path("folder.sav"))
        self.bad(FAILED, "folder.sav could not be read: Is a directory", "fit", "y ~ x",
                 "folder.sav")
        for name in ("t.dta", "t.sav"):
            for content in ("", "x,y\n1,2\n", b"\0" * 400):
                self.write(name, content)
                self.bad(DATA, name, "fit", "y ~ x", name)

    def test_cut_short(self):
        for name, version in (("l.dta", 118), ("l.sav", 0)):
            self.writer("whole" + name, 114 if version else 0)
            whole = self.read("whole" + name)
            for size in (1, 50, len(whole) // 2, len(whole) * 3 // 4):
                self.write(name, whole[:size])
                self.bad(DATA, name, "fit", "x ~ some", name)

    def test_variable_that_is_not_utf8(self):
        self.writer("l.dta", 118)
        self.assertIn("UTF-8", self.bad(DATA, "l.dta row 1: variable 'text'", "fit", "x ~ some",
                                        "l.dta"))

    def test_no_rows(self):
        self.pandas("pd.DataFrame({'x': np.zeros(0), 'y': np.zeros(0)}).to_stata('t.dta', "
                    "write_index=False)")
        self.bad(DATA, "t.dta has 2 variables but no rows", "fit", "y ~ x", "t.dta")


if __name__ == "__main__":
    if NOTHING:
        print("pandas is missing: nothing writes .dta")
        sys.exit(77)
    main()
