"""The command refuses what is bad with its exit code and a sentence, and leaves no file."""
import json
import os
import resource
import struct

from cli_support import BNORM, Case, line_table, main

USAGE, DATA, FAILED = 2, 3, 1


class CommandLine(Case):
    def test_usage(self):
        self.write("line.csv", line_table())
        for text, args in (
                ("a command is needed", ()),
                ("unknown command 'fti'", ("fti",)),
                ("unknown option '--nonsense'", ("--nonsense",)),
                ("unknown option '--nonsense'", ("fit", "y ~ a", "line.csv", "--nonsense")),
                ("ambiguous option '--no'", ("fit", "y ~ a", "line.csv", "--no")),
                ("unknown option '-z'", ("fit", "y ~ a", "line.csv", "-z")),
                ("fit needs FORMULA and TABLE", ("fit", "y ~ a")),
                ("summary needs MODEL", ("summary",)),
                ("unexpected argument 'more'", ("fit", "y ~ a", "line.csv", "more")),
                ("--seed needs a value", ("fit", "y ~ a", "line.csv", "--seed")),
                ("--json takes no value", ("fit", "y ~ a", "line.csv", "--json=1")),
                ("no help for 'x'", ("help", "x")),
                ("a model is read from a file", ("predict", "-", "line.csv"))):
            self.bad(USAGE, text, *args)

    def test_values(self):
        self.write("line.csv", line_table())
        for option, value, text in (
                ("hidden", "0", "every layer needs a unit"),
                ("hidden", "8,,4", "every layer needs a unit"),
                ("hidden", "8,", "every layer needs a unit"),
                ("hidden", "99999999999", "100000000"),
                ("hidden", "99999999999999999999999", "100000000"),
                ("hidden", "-3", "none or up to 64 sizes"),
                ("hidden", ",".join(["2"] * 65), "up to 64"),
                ("activation", "step", "one of identity, relu"),
                ("loss", "hinge", "one of auto, squared"),
                ("ddof", "-1", "a number from 0"),
                ("eps", "nan", "a number from 0"),
                ("eps", "1e-5x", "a number from 0"),
                ("dropout", "1", "from 0 to below 1"),
                ("epochs", "0", "a whole number from 1"),
                ("epochs", "1e3", "a whole number from 1"),
                ("batch", "1", "a whole number from 2"),
                ("rate", "0", "above 0"),
                ("update", "1.5", "above 0 to 1"),
                ("validate", "1", "from 0 to below 1"),
                ("validate", "", "from 0 to below 1"),
                ("seed", "-1", "a whole number"),
                ("seed", "18446744073709551616", "a whole number"),
                ("threads", "1025", "from 0 to 1024"),
                ("threads", "many", "from 0 to 1024"),
                ("na", "ignore", "one of drop, error"),
                ("separator", ":", "one of auto, comma")):
            self.bad(USAGE, text, "fit", "y ~ a", "line.csv", f"--{option}={value}", "--out",
                     "m.st")

    def test_two_results_on_stdout(self):
        self.write("line.csv", line_table())
        self.bad(USAGE, "only one of", "fit", "y ~ a", "line.csv", "--json", "--fitted", "-")

    def test_formula(self):
        self.write("line.csv", line_table())
        for formula in ("y", "y ~", "~ a", "y ~ a +", "y ~ a + + b", "y ~ (a", "y ~ f(a)",
                        "y ~ 1", "y ~ a - a", ""):
            self.bad(USAGE, "", "fit", formula, "line.csv", "--out", "m.st")

    def test_memory_that_is_not_there(self):
        self.write("line.csv", line_table())
        with open(BNORM, "rb") as file:
            if b"__asan_init" in file.read():
                self.skipTest("the address sanitizer needs the address space")
        limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 32, 1 << 32))
        self.bad(FAILED, "out of memory", "fit", "y ~ a", "line.csv", "--hidden",
                 "100000000,100000000", "--out", "m.st", preexec_fn=limit)


class Tables(Case):
    def refuse(self, content, text, code=DATA, formula="y ~ a + b", more=()):
        self.write("t.csv", content)
        return self.bad(code, text, "fit", formula, "t.csv", "--epochs", "2", "--out", "m.st",
                        "--plot", "p.svg", "--fitted", "f.csv", *more)

    def test_cells_and_columns(self):
        table = line_table()
        lines = table.splitlines()
        self.refuse(table, "'foo'", formula="y ~ a + foo")
        self.refuse(table, "'foo'", formula="foo ~ a")
        self.refuse("\n".join(lines[:4] + ["1,2 apples,3,u"] + lines[4:]), "t.csv line 5")
        for value in ("inf", "-Inf", "nan", "1e999"):
            message = self.refuse("\n".join(lines[:4] + [f"1,{value},3,u"] + lines[4:]),
                                  "t.csv line 5")
            self.assertIn("finite", message)
        self.refuse("a,b,y\n" + "1,2,3\n" * 20, "constant")
        self.refuse(table.replace("y", "", 1), "column 3 has no name")
        self.refuse(table.replace("y", "a", 1), "columns 1 and 3 are both named 'a'")
        self.refuse("a,b,y\n-1,2,3\n2,3,4\n3,4,5\n", "line 2", formula="y ~ log(a) + b")

    def test_shape(self):
        self.refuse("", "t.csv is empty: a header line and rows are needed")
        self.refuse("a,b,y\n", "header line but no rows")
        self.refuse("a,b,y\n1,2,3\n", "at least 2 are needed")
        self.refuse("a,b,y\n1,2,3\nNA,2,1\n", "at least 2 are needed")
        self.refuse("a,b,y\n1,2,3\n1,2\n", "t.csv line 3: 2 cells, but the header has 3")
        self.refuse('a,b,y\n1,"2,3\n', "never closes")
        self.refuse(b"a,b,y\n1,2,\0\n", "NUL")
        self.refuse(b"a,b,y\n1,2,\xff\n", "UTF-8")

    def test_too_few_rows(self):
        self.refuse(line_table(), "ddof", more=("--ddof", "1000000"))
        self.refuse(line_table(), "for training", more=("--validate", "0.99"))

    def test_weights(self):
        for weight in ("-1", "abc", "inf"):
            self.refuse(f"a,b,y,w\n1,2,3,1\n2,2,4,{weight}\n3,4,5,1\n", "t.csv line 3",
                        more=("--weights", "w"))
        self.refuse(line_table(), "no column 'w'", more=("--weights", "w"))
        self.refuse("a,b,y,w\n1,2,3,0\n2,3,4,0\n3,5,5,0\n", "positive",
                    more=("--weights", "w"))

    def test_targets(self):
        self.refuse(line_table(), "--loss softmax", formula="g ~ a", more=("--loss", "squared"))
        self.refuse(line_table(), "2 classes", formula="g ~ a", more=("--loss", "logistic"))
        self.refuse("a,g\n1,x\n2,x\n3,x\n", "class", formula="g ~ a")

    def test_diverging_fit(self):
        self.refuse(line_table(), "rate", code=FAILED,
                    more=("--optimizer", "sgd", "--rate", "1e300", "--no-batchnorm"))

    def test_unreadable(self):
        self.bad(FAILED, "nowhere.csv could not be opened: No such file", "fit", "y ~ a",
                 "nowhere.csv")
        self.bad(FAILED, "Is a directory", "fit", "y ~ a", "/")

    def test_unseen_level(self):
        self.write("line.csv", line_table())
        self.good("fit", "y ~ a + g", "line.csv", "--epochs", "2", "--out", "m.st")
        self.write("new.csv", "a,g\n1,u\n2,z\n")
        self.assertIn("'z'", self.bad(DATA, "new.csv line 3", "predict", "m.st", "new.csv",
                                      "--na", "error"))
        done = self.run_bnorm("predict", "m.st", "new.csv")
        self.assertEqual((done.returncode, done.stdout.splitlines()[2]), (0, b"3,NA"))
        self.assertIn(b"1 of 2 rows have a level that training did not see", done.stderr)
        self.write("less.csv", "a\n1\n")
        self.bad(DATA, "'g'", "predict", "m.st", "less.csv", "--out", "p.csv")


class Outputs(Case):
    def test_unwritable(self):
        self.write("line.csv", line_table())
        os.mkdir(self.path("folder"))
        for option in ("--out", "--plot", "--fitted"):
            for path, text in (("missing/x", "missing/x could not be written: No such file"),
                               ("folder", "Is a directory")):
                self.bad(FAILED, text, "fit", "y ~ a", "line.csv", option, path)

    def test_full_disk(self):
        self.write("line.csv", line_table())
        fit = ("fit", "y ~ a", "line.csv", "--epochs", "2")
        for option in ("--out", "--plot", "--fitted"):
            self.bad(FAILED, "No space left", *fit, option, "/dev/full")
        self.good(*fit, "--out", "m.st")
        self.bad(FAILED, "No space left", "predict", "m.st", "line.csv", "--out", "/dev/full")
        for args in (fit, (*fit, "--json"), ("summary", "m.st"), ("fit", "--help"),
                     ("predict", "m.st", "line.csv"), ("check", "m.st", "line.csv")):
            with open("/dev/full", "wb") as full:
                self.bad(FAILED, "No space left", *args, stdout=full)

    def test_old_file_survives(self):
        self.write("line.csv", line_table())
        self.write("m.st", "precious")
        self.bad(FAILED, "", "fit", "y ~ a", "line.csv", "--optimizer", "sgd", "--rate", "1e300",
                 "--no-batchnorm", "--epochs", "5", "--out", "m.st")
        self.assertEqual(self.read("m.st"), b"precious")

    def test_permissions_and_links(self):
        self.write("line.csv", line_table())
        self.write("real.csv", "old")
        os.symlink("real.csv", self.path("link.csv"))
        self.good("fit", "y ~ a", "line.csv", "--epochs", "2", "--fitted", "link.csv", "--plot",
                  "p.svg")
        os.symlink("real.st", self.path("link.st"))
        self.good("fit", "y ~ a", "line.csv", "--epochs", "2", "--out", "real.st")
        self.good("fit", "y ~ a", "line.csv", "--epochs", "3", "--out", "link.st")
        self.assertTrue(os.path.islink(self.path("link.st")))
        self.assertIn("epochs: 3", self.good("summary", "real.st"))
        self.assertTrue(os.path.islink(self.path("link.csv")))
        self.assertTrue(self.read("real.csv").startswith(b"line,prediction"))
        mask = os.umask(0)
        os.umask(mask)
        self.assertEqual(os.stat(self.path("p.svg")).st_mode & 0o777, 0o666 & ~mask)


class Models(Case):
    def setUp(self):
        super().setUp()
        self.fit_line()
        self.model = self.read("m.safetensors")
        self.header = struct.unpack("<Q", self.model[:8])[0]

    def refuse(self, content):
        self.write("bad.st", content)
        for args in (("summary", "bad.st"), ("predict", "bad.st", "line.csv", "--out", "p.csv"),
                     ("check", "bad.st", "line.csv")):
            self.bad(DATA, "bad.st", *args)

    def test_truncated(self):
        for size in (0, 7, 8, 9, self.header, self.header + 8, len(self.model) - 1):
            self.refuse(self.model[:size])

    def test_oversized(self):
        self.refuse(self.model + b"\0" * 8)

    def test_lying_header(self):
        self.refuse(struct.pack("<Q", 1 << 62) + self.model[8:])
        self.refuse(struct.pack("<Q", self.header - 8) + self.model[8:])
        for change in (lambda h: h["G1"].update(shape=[10**15, 4]),
                       lambda h: h["G1"].update(dtype="F32"),
                       lambda h: h["G1"].update(data_offsets=[0, 1 << 60]),
                       lambda h: h.pop("gamma1"),
                       lambda h: h.pop("__metadata__")):
            header = json.loads(self.model[8:8 + self.header])
            change(header)
            text = json.dumps(header).encode()
            text += b" " * (-len(text) % 8)
            self.refuse(struct.pack("<Q", len(text)) + text + self.model[8 + self.header:])

    def test_no_model(self):
        self.refuse(line_table().encode())
        self.bad(FAILED, "nowhere.st", "summary", "nowhere.st")


if __name__ == "__main__":
    main()
