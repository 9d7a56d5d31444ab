"""The command's fit: what it finds, reports, writes and draws, and that its options matter."""
import csv
import io
import json
import os
import xml.etree.ElementTree

from cli_support import FORMULA, PRODUC, Case, line_table, main, rows_of


class Fit(Case):
    def test_line_is_found(self):
        for more in ((), ("--hidden", "none"), ("--no-standardize",), ("--no-batchnorm",)):
            self.write("line.csv", line_table())
            result = json.loads(self.good("fit", "y ~ a + b", "line.csv", "--json", *more))
            self.assertGreater(result["training"]["r_squared"], 0.99)
            self.assertIsNone(result["validation"])
            self.assertEqual(result["loss"], "squared")
            self.assertEqual((result["rows"], result["rows_used"]), (40, 40))

    def test_linear_model_is_least_squares(self):
        self.write("line.csv", line_table())
        self.good("fit", "y ~ a + b", "line.csv", "--hidden", "none", "--fitted", "f.csv")
        observed = [float(r[2]) for r in rows_of(line_table())[1:]]
        for row, y in zip(rows_of(self.read("f.csv").decode())[1:], observed):
            self.assertAlmostEqual(float(row[1]), y, delta=1e-4)

    def test_report(self):
        text = self.fit_line("--validate", "0.25", "--dropout", "0.1", "--ddof", "1")
        for part in ("formula: y ~ a + b", "2 -> 4, 8 weights", "ddof 1, eps 1e-05",
                     "population statistics", "relu", "rate 0.1", "4 -> 1, 4 weights, 1 bias",
                     "21 parameters", "30 training, 10 validation", "R squared:",
                     "model: m.safetensors"):
            self.assertIn(part, text)
        self.assertEqual(self.fit_line("--quiet"), "")
        text = self.fit_line("--no-batchnorm", "--hidden", "5,3")
        self.assertNotIn("batchnorm", text)
        self.assertIn("5 -> 3, 15 weights, 3 biases", text)

    def test_json(self):
        result = json.loads(self.fit_line("--validate", "0.25", "--json", "--seed", "7"))
        self.assertEqual(result["parameters"], 21)
        self.assertEqual([layer["name"] for layer in result["layers"]],
                         ["dense", "batchnorm", "relu", "dense"])
        self.assertEqual(result["inputs"], ["a", "b"])
        self.assertEqual(result["seed"], "7")
        self.assertEqual(result["validation"]["rows"], 10)
        self.assertEqual(result["layers"][1]["statistics"], "population")

    def test_classes(self):
        self.write("line.csv", line_table())
        for formula, more, classes in (
                ("g ~ a + b", (), ["u", "v", "w"]),
                ("factor(b) ~ a", (), [str(k) for k in range(13)]),
                ("b ~ a", ("--loss", "softmax"), [str(k) for k in range(13)])):
            result = json.loads(self.good("fit", formula, "line.csv", "--json", "--epochs",
                                          "3", "--fitted", "f.csv", *more))
            self.assertEqual(result["classes"], classes)
            self.assertEqual(result["loss"], "softmax")
            table = rows_of(self.read("f.csv").decode())
            self.assertEqual(table[0], ["line", "prediction"] +
                             [f"probability {c}" for c in classes])
            column = 3 if formula.startswith("g") else 1
            right = sum(row[1] == source[column] for row, source in
                        zip(table[1:], rows_of(line_table())[1:]))
            self.assertAlmostEqual(result["training"]["accuracy"], right / 40, delta=1e-12)
            for row in table[1:]:
                shares = [float(p) for p in row[2:]]
                self.assertAlmostEqual(sum(shares), 1, delta=1e-12)
                self.assertEqual(row[1], classes[shares.index(max(shares))])

    def test_odd_names_survive(self):
        classes = ['a "b"', "c,d", "e\\f\n", "\u00e9t\u00e9"]
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(["x", "g"])
        writer.writerows([i, classes[i % 4]] for i in range(40))
        name = os.path.join(os.fsencode(self.folder.name), b"caf\xe9 \x01.csv")
        with open(name, "wb") as file:
            file.write(text.getvalue().encode())
        result = json.loads(self.good("fit", "g ~ x", name, "--json", "--fitted", "f.csv",
                                      "--plot", "p.svg", "--epochs", "3"))
        self.assertEqual(result["classes"], classes)
        self.assertTrue(result["table"].endswith("/caf\ufffd \u0001.csv"), result["table"])
        table = rows_of(self.read("f.csv").decode())
        self.assertEqual(table[0][2:], [f"probability {c}" for c in classes])
        self.assertTrue({row[1] for row in table[1:]} <= set(classes))
        xml.etree.ElementTree.fromstring(self.read("p.svg"))

    def test_what_is_no_number_is_null(self):
        self.write("line.csv", line_table())
        result = json.loads(self.good("fit", "y ~ a", "line.csv", "--json", "--validate",
                                      "0.001", "--epochs", "2"))
        self.assertEqual(result["validation"]["rows"], 1)
        self.assertIsNone(result["validation"]["r_squared"])

    def test_two_classes_are_logistic(self):
        self.write("two.csv", "x,g\n" + "".join(f"{i},{'no' if i < 25 else 'yes'}\n"
                                                for i in range(50)))
        result = json.loads(self.good("fit", "g ~ x", "two.csv", "--json", "--fitted", "f.csv"))
        self.assertEqual((result["loss"], result["classes"]), ("logistic", ["no", "yes"]))
        self.assertEqual(result["training"]["accuracy"], 1)
        table = rows_of(self.read("f.csv").decode())
        self.assertEqual(table[0], ["line", "prediction", "probability no", "probability yes"])
        self.assertEqual(table[1][1], "no")
        self.assertGreater(float(table[1][2]), 0.5)
        self.assertEqual(table[50][:2], ["51", "yes"])

    def test_same_results_for_any_threads(self):
        for optimizer in ("lbfgs", "adam"):
            files = set()
            for threads in "1234":
                self.good("fit", FORMULA, PRODUC, "--hidden", "16,8", "--epochs", "5",
                          "--optimizer", optimizer, "--validate", "0.2", "--threads", threads,
                          "--out", "m.safetensors", "--fitted", "f.csv", "--plot", "p.svg",
                          "--quiet")
                files.add((self.read("m.safetensors"), self.read("f.csv"), self.read("p.svg")))
            self.assertEqual(len(files), 1)

    def test_seed_matters(self):
        for more in ((), ("--optimizer", "sgd"), ("--validate", "0.3")):
            fitted = []
            for seed in "112":
                self.fit_line("--seed", seed, "--fitted", "f.csv", "--epochs", "5", *more)
                fitted.append(self.read("f.csv"))
            self.assertTrue(fitted[0] == fitted[1] != fitted[2], more)

    def test_every_option_reaches_the_fit(self):
        sgd = ("--optimizer", "sgd")
        for common, option in (
                ((), ("--activation", "tanh")), ((), ("--ddof", "1")), ((), ("--eps", "0.1")),
                ((), ("--no-batchnorm",)), ((), ("--dropout", "0.5")),
                ((), ("--penalty", "0.1")), ((), ("--optimizer", "rmsprop")),
                ((), ("--epochs", "10")), (sgd, ("--batch", "7")), (sgd, ("--rate", "0.02")),
                (sgd, ("--momentum", "0.5")), (sgd, ("--running",)),
                ((*sgd, "--running"), ("--update", "0.3")),
                (("--optimizer", "adam"), ("--weight-decay", "0.1")),
                ((), ("--validate", "0.3")), ((), ("--no-standardize",)),
                (("--validate", "0.3", "--optimizer", "adam", "--rate", "0.5"),
                 ("--patience", "2"))):
            self.fit_line(*common)
            plain = self.read("m.safetensors")
            self.fit_line(*common, *option)
            self.assertTrue(plain != self.read("m.safetensors"), option)

    def test_validation_rows_are_drawn(self):
        self.write("order.csv", "x,y\n" + "".join(f"{i},{i}\n" for i in range(40)))
        centers = set()
        for seed in "123":
            self.good("fit", "y ~ x", "order.csv", "--validate", "0.5", "--seed", seed,
                      "--epochs", "2", "--out", "m.st")
            scaling = json.loads(self.good("summary", "m.st", "--json"))["scaling"]
            centers.add(scaling[1]["center"])
        self.assertEqual(len(centers), 3)
        self.assertFalse(centers & {9.5, 29.5}, "the first or last rows, not drawn ones")

    def test_weight_that_is_missing(self):
        lines = [f"{i},{i * i},{'NA' if i in (3, 5) else 1}" for i in range(20)]
        self.write("w.csv", "x,y,w\n" + "\n".join(lines))
        result = json.loads(self.good("fit", "y ~ x", "w.csv", "--weights", "w", "--epochs",
                                      "2", "--json"))
        self.assertEqual((result["rows_used"], result["rows_dropped"]), (18, 2))
        self.bad(3, "w.csv line 5: column 'w' is missing", "fit", "y ~ x", "w.csv", "--weights",
                 "w", "--na", "error")

    def test_integer_weights_are_copies(self):
        head, *body = line_table(24).splitlines()
        self.write("w.csv", "\n".join([head + ",w"] + [f"{r},{i % 3}" for i, r in
                                                       enumerate(body)]) + "\n")
        self.write("copies.csv", "\n".join([head] + [r for i, r in enumerate(body)
                                                     for _ in range(i % 3)]) + "\n")
        common = ("--hidden", "none", "--no-standardize", "--json")
        weighted = json.loads(self.good("fit", "y ~ a * b", "w.csv", "--weights", "w", *common))
        copied = json.loads(self.good("fit", "y ~ a * b", "copies.csv", *common))
        for key in ("loss", "r_squared"):
            self.assertAlmostEqual(weighted["training"][key], copied["training"][key],
                                   delta=1e-6)
        everything = json.loads(self.good("fit", "y ~ . - g", "w.csv", "--weights", "w",
                                          "--epochs", "2", "--json"))
        self.assertEqual(everything["inputs"], ["a", "b"])

    def test_missing_values_are_counted(self):
        lines = line_table().splitlines()
        lines[3], lines[5] = "NA,1,2,u", "1,,2,u"
        lines[9] = "1,2,NA,u"
        self.write("na.csv", "\n".join(lines) + "\n")
        done = self.run_bnorm("fit", "y ~ a + b", "na.csv", "--epochs", "3", "--out", "m.st",
                              "--fitted", "f.csv")
        self.assertEqual(done.returncode, 0)
        self.assertIn(b"3 of 40 rows have missing values", done.stderr)
        self.assertIn(b"40 in na.csv, 3 dropped", done.stdout)
        done = self.run_bnorm("predict", "m.st", "na.csv", "--out", "p.csv")
        self.assertIn(b"2 of 40 rows have missing inputs", done.stderr)
        self.assertEqual(self.read("p.csv"), self.read("f.csv"))
        self.assertEqual(rows_of(self.read("p.csv").decode())[3], ["4", "NA"])
        self.bad(3, "na.csv", "fit", "y ~ a + b", "na.csv", "--na", "error")
        self.bad(3, "na.csv line 4", "predict", "m.st", "na.csv", "--na", "error")

    def test_constant_inputs(self):
        self.write("c.csv", "x,c,y\n" + "".join(f"{i},5,{i * i}\n" for i in range(20)))
        self.bad(3, "constant", "fit", "y ~ x + c", "c.csv", "--epochs", "2")
        done = self.run_bnorm("fit", "y ~ x + c", "c.csv", "--epochs", "2", "--constant=drop",
                              "--json")
        self.assertIn(b"input c is constant and left out", done.stderr)
        self.assertEqual(json.loads(done.stdout)["constant_inputs"], ["c"])

    def test_input_formats(self):
        self.fit_line()
        first = self.read("m.safetensors")
        quoted = line_table().replace("a,b,y,g", '"a","b","y","g\n second line"')
        for text in (b"\xef\xbb\xbf" + line_table().encode(), line_table(end="\r\n"),
                     line_table(separator="\t"), line_table(separator=";", end="\r\n"), quoted,
                     line_table(end="\n\n")):
            self.write("other.csv", text)
            self.good("fit", "y ~ a + b", "other.csv", "--hidden", "4", "--epochs", "30",
                      "--out", "m.safetensors")
            self.assertEqual(first, self.read("m.safetensors"))
        self.good("fit", "y ~ a + b", "-", "--hidden=4", "--epochs=30", "-om.safetensors",
                  stdin=line_table().encode())
        self.assertEqual(first, self.read("m.safetensors"))
        self.write("-odd.csv", line_table())
        self.good("fit", "--hidden", "4", "--epo", "30", "-o", "m.safetensors", "--",
                  "y ~ a + b", "-odd.csv")
        self.assertEqual(first, self.read("m.safetensors"))

    def test_plot_is_xml(self):
        self.write("odd.csv", line_table().replace("y", "<y & \"z\">", 1).replace(
            '<y & "z">', '"<y & z>"'))
        self.good("fit", "`<y & z>` ~ a + b", "odd.csv", "--epochs", "5", "--plot", "p.svg",
                  "--validate", "0.3")
        root = xml.etree.ElementTree.fromstring(self.read("p.svg"))
        texts = [element.text for element in root.iter() if element.tag.endswith("text")]
        self.assertTrue(any("<y & z>" in text for text in texts), texts)
        self.assertIn("validation loss", texts)
        circles = [e for e in root.iter() if e.tag.endswith("circle")]
        self.assertEqual(len(circles), 40 + 2)

    def test_ticks_are_nice(self):
        self.write("line.csv", line_table())
        for epochs in (7, 12, 30, 77, 230):
            self.good("fit", "y ~ a + b", "line.csv", "--optimizer", "adam", "--epochs",
                      str(epochs), "--plot", "p.svg")
            root = xml.etree.ElementTree.fromstring(self.read("p.svg"))
            texts = [e for e in root.iter() if e.tag.endswith("text")]
            below = max(float(e.get("y")) for e in texts if e.text == "epoch") - 20
            ticks = [float(e.text) for e in texts
                     if abs(float(e.get("y")) - below) < 1 and float(e.get("x")) < 440]
            self.assertTrue(3 <= len(ticks) <= 10, ticks)
            step = ticks[1] - ticks[0]
            self.assertIn(f"{step:e}"[0], "125")
            for k, tick in enumerate(ticks):
                self.assertAlmostEqual(tick, ticks[0] + k * step, delta=1e-9)
                self.assertAlmostEqual(tick % step, 0, delta=1e-9)

    def test_plot_thins(self):
        self.write("long.csv", line_table(7000))
        self.good("fit", "y ~ a + b", "long.csv", "--epochs", "2", "--plot", "p.svg",
                  "--hidden", "2")
        self.assertLess(self.read("p.svg").count(b"<circle"), 3003)


    def test_results_on_stdout(self):
        self.fit_line("--fitted", "f.csv", "--plot", "p.svg")
        for option, name in (("--out", "m.safetensors"), ("--fitted", "f.csv"),
                             ("--plot", "p.svg")):
            done = self.run_bnorm("fit", "y ~ a + b", "line.csv", "--hidden", "4", "--epochs",
                                  "30", option, "-")
            self.assertEqual(done.stdout, self.read(name))
            self.assertIn(b"R squared", done.stderr)


if __name__ == "__main__":
    main()
