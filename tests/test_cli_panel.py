"""The command's structured models: regression tables, networks and their figures."""
import math
import os
import re
import types
import xml.etree.ElementTree

from cli_support import PRODUC, ROOT, main, rows_of
from panel_cases import NET, SMALL_NET, USAGE, WITHIN, Panel, panel_table


def goldens():
    """What plm and sandwich give: tests/panel_golden.h."""
    fields = ("data", "formula", "unit", "period", "weights", "names", "rows", "absorbed",
              "terms", "coefficients", "ssr", "classical", "hc0", "hc1", "arellano", "stata",
              "cluster", "two", "two_plain")
    with open(os.path.join(ROOT, "tests", "panel_golden.h")) as file:
        text = file.read()
    text = text[text.index("panel_golden[] = {") + len("panel_golden[] = "):text.rindex(";")]
    text = re.sub(r",\s*}", "}", text)
    text = text.replace("{", "(").replace("}", ",)").replace("NULL", "None")
    for entry in eval(text):  # C's initialisers are Python's tuples but for the braces
        yield types.SimpleNamespace(**dict(zip(fields, entry)))


def t_tail(t, df):
    """P(|T| > |t|), by Simpson's rule on the density: an independent reference."""
    log_c = math.lgamma((df + 1) / 2) - math.lgamma(df / 2) - 0.5 * math.log(df * math.pi)
    density = lambda x: math.exp(log_c - (df + 1) / 2 * math.log1p(x * x / df))
    n, t = 20000, abs(t)
    step = t / n
    inner = sum((1, 4, 2)[0 if k in (0, n) else 1 + (k % 2 == 0)] * density(k * step)
                for k in range(n + 1)) * step / 3
    return 1 - 2 * inner


class Regression(Panel):
    def test_plm_and_sandwich(self):
        count = 0
        for g in goldens():
            folder = ("examples",) if g.data == "produc" else ("tests", "panel")
            table = os.path.join(ROOT, *folder, g.data + ".csv")
            common = (g.formula, table, "--unit", g.unit, "--period", g.period)
            common += ("--weights", g.weights) if g.weights else ()
            for more, cov in ((("--vcov", "classical"), g.classical), (("--vcov", "hc1"), g.hc1),
                              (("--small", "none"), g.arellano), (("--small", "sss"), g.stata),
                              (("--small", "all"), g.cluster)):
                if "--vcov" not in more:
                    more += ("--cluster", g.unit)
                result = self.fit(*common, *more)
                self.assertEqual([c["name"] for c in result["coefficients"]],
                                 g.names.split(";"))
                self.assertEqual((result["rows_used"], result["absorbed"]),
                                 (g.rows, g.absorbed))
                for k, c in enumerate(result["coefficients"]):
                    se = math.sqrt(cov[k * (g.terms + 1)])
                    for key, right in (("estimate", g.coefficients[k]), ("se", se)):
                        self.assertAlmostEqual(c[key], right, delta=1e-9 * abs(right),
                                               msg=(g.data, g.formula, more, c["name"], key))
                self.assertAlmostEqual(result["sse"], g.ssr, delta=1e-9 * g.ssr)
                count += 1
        self.assertGreaterEqual(count, 60)

    def test_counts_of_produc(self):
        result = self.fit(WITHIN, PRODUC, "--vcov", "classical", "--period", "year")
        self.assertEqual(result["df"], 816 - 48 - 4)
        self.assertEqual((result["units"], result["periods"], result["gaps"],
                          result["duplicates"], result["absorbed"]), (48, 17, 0, 0, 48))
        self.assertAlmostEqual(result["r_squared_within"], 0.941336, delta=1e-6)
        self.assertAlmostEqual(result["sigma"]**2 * result["df"], result["sse"], delta=1e-12)

    def test_statistic_p_and_interval(self):
        for more in (("--vcov", "classical"), ("--cluster", "state"), ("--vcov", "hc1")):
            result = self.fit(WITHIN, PRODUC, *more)
            df = result["vcov"]["df"]
            self.assertEqual(df, 47 if "--cluster" in more else 764)
            for c in result["coefficients"]:
                self.assertAlmostEqual(c["statistic"], c["estimate"] / c["se"], delta=1e-12)
                self.assertAlmostEqual(c["p"], t_tail(c["statistic"], df), delta=1e-9)
                self.assertAlmostEqual((c["high"] + c["low"]) / 2, c["estimate"], delta=1e-12)
                half = (c["high"] - c["low"]) / 2
                self.assertAlmostEqual(t_tail(half / c["se"], df), 0.05, delta=1e-9)

    def test_covariances_differ_and_default_is_clustered(self):
        def errors(*more):
            return tuple(c["se"] for c in self.fit(WITHIN, PRODUC, *more)["coefficients"])

        names = ("classical", "hc0", "hc1", "cluster")
        found = {name: errors("--vcov", name) for name in names}
        self.assertEqual(len(set(found.values())), 4)
        self.assertEqual(errors(), found["cluster"])
        self.assertEqual(errors("--cluster", "state"), found["cluster"])
        for a, b in zip(found["hc0"], found["hc1"]):
            self.assertAlmostEqual(b / a, math.sqrt(816 / 764), delta=1e-12)
        none = errors("--small", "none")
        for rule, k in (("sss", 4), ("nested", 5), ("all", 52)):
            factor = math.sqrt(48 / 47 * 815 / (816 - k))
            for a, b in zip(none, errors("--small", rule)):
                self.assertAlmostEqual(b / a, factor, delta=1e-12)
        two = self.fit(WITHIN, PRODUC, "--cluster", "state,year")["vcov"]
        self.assertEqual([(c["name"], c["count"]) for c in two["clusters"]],
                         [("state", 48), ("year", 17)])
        self.assertEqual(two["df"], 16)

    def test_ordinary_least_squares(self):
        """Without effects: the classical textbook formula, by hand."""
        self.write("t.csv", "x,y\n1,2\n2,3\n3,7\n5,8\n8,13\n")
        c = self.coefficients("y ~ x", "t.csv", "--hidden", "none", "--vcov", "classical")
        x, y = (1, 2, 3, 5, 8), (2, 3, 7, 8, 13)
        mx, my = sum(x) / 5, sum(y) / 5
        sxx = sum((a - mx)**2 for a in x)
        b = sum((a - mx) * (v - my) for a, v in zip(x, y)) / sxx
        s2 = sum((v - my - b * (a - mx))**2 for a, v in zip(x, y)) / 3
        self.assertAlmostEqual(c["x"]["estimate"], b, delta=1e-13)
        self.assertAlmostEqual(c["x"]["se"], math.sqrt(s2 / sxx), delta=1e-13)
        self.assertAlmostEqual(c["(Intercept)"]["estimate"], my - b * mx, delta=1e-13)

    def test_plain_formulas_keep_their_meaning(self):
        self.write("t.csv", panel_table())
        self.assertIn("training", self.fit("y ~ x + z", "t.csv", "--hidden", "none"))
        self.assertIn("layers", self.fit("y ~ x + z", "t.csv"))

    def test_names_are_not_networks(self):
        self.write("t.csv", "nn,a|b,y,id\n" + "".join(f"{i % 7},{i % 5},{i},{i % 3}\n"
                                                     for i in range(30)))
        for formula in ("y ~ nn + `a|b`", "y ~ I(nn^2)"):
            self.assertIn("layers", self.fit(formula, "t.csv", "--epochs", "2"))
        self.assertIn("coefficients", self.fit("y ~ `a|b` + nn | id", "t.csv"))

    def test_table(self):
        text = self.good("fit", WITHIN, PRODUC, "--period", "year")
        for part in ("linear terms", "P(>|t|)", "fixed effects: state (48 levels); 48 parameters",
                     "panel: 48 units, 17 periods, 0 gaps, 0 duplicates", "within 0.941336",
                     "clustered by state (48 clusters)", "t with 47 degrees of freedom"):
            self.assertIn(part, text)
        self.assertRegex(text, r"log\(pcap\) +-0\.0261497 +0\.061\d+ +-0\.428 +0\.67\d+\n")
        self.assertNotIn("*", text)
        self.assertEqual(self.good("fit", WITHIN, PRODUC, "--quiet"), "")

    def test_several_effects_and_slopes(self):
        self.write("t.csv", panel_table())
        result = self.fit("y ~ x + z | id + year", "t.csv")
        self.assertEqual([(f["name"], f["levels"]) for f in result["fixed_effects"]],
                         [("id", 12), ("year", 8)])
        self.assertEqual(result["absorbed"], 12 + 8 - 1)
        for c, slope in zip(result["coefficients"], (2, -1)):
            self.assertAlmostEqual(c["estimate"], slope, delta=4 * c["se"])
        self.assertEqual(self.fit("y ~ x | id + id[[z]]", "t.csv")["absorbed"], 24)

    def test_weights(self):
        self.write("t.csv", panel_table())
        head, *body = panel_table().splitlines()
        copies = [r for r in body for _ in range(int(r.split(",")[6]))]
        self.write("copies.csv", "\n".join([head] + copies) + "\n")
        a = self.coefficients("y ~ x + z | id", "t.csv", "--weights", "w")
        b = self.coefficients("y ~ x + z | id", "copies.csv")
        for name in a:
            self.assertAlmostEqual(a[name]["estimate"], b[name]["estimate"], delta=1e-12)

    def test_same_for_any_threads_and_order(self):
        head, *body = panel_table().splitlines()
        self.write("t.csv", panel_table())
        self.write("r.csv", "\n".join([head] + sorted(body)) + "\n")
        once = self.good("fit", "y ~ x + z | id + year", "t.csv", "--threads", "1")
        for threads in "234":
            self.assertEqual(once, self.good("fit", "y ~ x + z | id + year", "t.csv",
                                             "--threads", threads))
        a, b = (self.coefficients("y ~ x + z | id + year", n) for n in ("t.csv", "r.csv"))
        for name in a:
            self.assertAlmostEqual(a[name]["estimate"], b[name]["estimate"], delta=1e-11)
            self.assertAlmostEqual(a[name]["se"], b[name]["se"], delta=1e-11)

    def test_logistic(self):
        lines = [f"{i / 10},{'yes' if (i * 7 % 20) < i / 2 else 'no'}" for i in range(40)]
        self.write("t.csv", "x,g\n" + "\n".join(lines) + "\n")
        result = self.fit("g ~ x", "t.csv", "--hidden", "none", "--loss", "logistic", "--vcov",
                          "classical")
        self.assertEqual(result["loss"], "logistic")
        slope = result["coefficients"][1]
        self.assertGreater(slope["estimate"], 0)
        self.assertAlmostEqual(slope["p"], math.erfc(abs(slope["statistic"]) / math.sqrt(2)),
                               delta=1e-12)
        text = self.good("fit", "g ~ x", "t.csv", "--hidden", "none", "--loss", "logistic",
                         "--vcov", "hc1")
        self.assertIn("P(>|z|)", text)


class Networks(Panel):
    def test_produc_with_a_network(self):
        result = self.fit(NET, PRODUC, *SMALL_NET)
        self.assertEqual(result["networks"][0]["inputs"], 3)
        self.assertEqual(result["inputs"],
                         ["log(emp)", "unemp", "year", "log(pcap)", "log(pc)"])
        self.assertEqual([m["name"] for m in result["margins"]], result["inputs"])
        self.assertGreater(result["r_squared_within"], 0.9414)
        linear = {c["name"]: c for c in result["coefficients"]}
        for m in result["margins"]:
            if m["name"] in linear:
                for key in ("estimate", "se", "p"):
                    self.assertAlmostEqual(m[key], linear[m["name"]][key], delta=1e-9)
            self.assertGreater(m["se"], 0)
        self.assertEqual(result["vcov"]["parameters"], 2 + 4)
        full = self.fit(NET, PRODUC, *SMALL_NET, "--jacobian")["vcov"]
        self.assertEqual(full["parameters"], 2 + 4 + result["networks"][0]["parameters"])
        self.assertLess(full["effective"], full["parameters"])
        text = self.good("fit", NET, PRODUC, *SMALL_NET)
        for part in ("nn1: 3 inputs, hidden 4 (batchnorm, tanh)", "average marginal effects",
                     "effective", "on the design of the top layer"):
            self.assertIn(part, text)

    def test_options_reach_the_fit(self):
        def sse(*more):
            return self.fit(NET, PRODUC, *SMALL_NET, *more)["sse"]

        usual = sse()
        for more in (("--hidden", "5"), ("--activation", "logistic"), ("--seed", "2"),
                     ("--penalty", "0.1"), ("--penalty-top", "0.1"),
                     ("--penalty-linear", "0.1"), ("--no-batchnorm",), ("--eps", "0.1"),
                     ("--validate", "0.2"), ("--validate", "0.2", "--hold", "periods"),
                     ("--validate", "0.2", "--hold", "rows"), ("--bags", "2"),
                     ("--optimizer", "adam"), ("--epochs", "20")):
            self.assertNotAlmostEqual(usual, sse(*more), delta=1e-9 * usual, msg=more)

    def test_starts(self):
        result = self.fit(NET, PRODUC, *SMALL_NET, "--starts", "3")
        self.assertEqual(result["starts"], 3)
        self.assertLess(result["best_start"], result["worst_start"])
        self.assertRegex(self.good("fit", NET, PRODUC, *SMALL_NET, "--starts", "3"),
                         r"3 starts, [\d.e-]+ \(best\) to ")

    def test_gradient_at_the_fit(self):
        """The two layers of the example, from the start far into the fit."""
        for more in (("--epochs", "1"), ("--epochs", "300", "--penalty-top", "1e-4")):
            result = self.fit(NET, PRODUC, "--hidden", "8,4", "--penalty", "1e-4", "--period",
                              "year", "--check", *more)
            self.assertEqual([b["name"] for b in result["blocks"]],
                             ["nn1.G1", "nn1.gamma1", "nn1.beta1", "nn1.G2", "nn1.gamma2",
                              "nn1.beta2"])
            for block in result["blocks"]:
                self.assertIs(block["ok"], True)
                self.assertLess(block["error"], 1e-7)
        self.assertIn("every block agrees", self.good("fit", NET, PRODUC, *SMALL_NET, "--check"))

    def test_bag_has_no_covariance(self):
        result = self.fit(NET, PRODUC, *SMALL_NET, "--bags", "2")
        self.assertIsNone(result["vcov"])
        self.assertIsNone(result["coefficients"][0]["se"])
        self.assertIsNone(result["margins"][0]["p"])
        self.assertIn("NA", self.good("fit", NET, PRODUC, *SMALL_NET, "--bags", "2"))

    def test_threads(self):
        files = set()
        for threads in "124":
            self.good("fit", NET, PRODUC, *SMALL_NET, "--threads", threads, "--fitted", "f.csv",
                      "--plot", "p.svg", "--quiet")
            files.add((self.read("f.csv"), self.read("p.svg")))
        self.assertEqual(len(files), 1)


class Choice(Panel):
    def test_candidates(self):
        result = self.fit(NET, PRODUC, *SMALL_NET, "--cv", "3", "--hold", "periods",
                          "--cv-hidden", "none;2;3,2", "--cv-penalty", "1e-4,0.1")
        cv = result["cv"]
        self.assertEqual([(c["hidden"], c["penalty"]) for c in cv],
                         [([], 1e-4), ([2], 1e-4), ([2], 0.1), ([3, 2], 1e-4), ([3, 2], 0.1)])
        for c in cv:
            self.assertAlmostEqual(c["rmse"], sum(c["folds"]) / 3, delta=1e-12)
        best = min(cv, key=lambda c: c["rmse"])
        self.assertEqual([c for c in cv if c["chosen"]], [best])
        same = self.fit(NET, PRODUC, *SMALL_NET, "--hidden", ",".join(map(str, best["hidden"])),
                        "--penalty", str(best["penalty"]))
        self.assertEqual(result["sse"], same["sse"])
        text = self.good("fit", NET, PRODUC, *SMALL_NET, "--cv", "3", "--cv-hidden", "2;3")
        self.assertRegex(text, r"(?m)^3 .* chosen$|^2 .* chosen$")
        self.assertIn("RMSE in 3 folds of units", text)

    def test_linear_folds_are_least_squares(self):
        """Without networks the error of a fold of periods is that of a fit to the others."""
        self.write("t.csv", panel_table())
        result = self.fit("y ~ x + nn(w) | id", "t.csv", "--period", "year", "--cv", "4",
                          "--hold", "periods", "--cv-hidden", "none;1", "--epochs", "3")
        head, *body = panel_table().splitlines()
        for k, rmse in enumerate(result["cv"][0]["folds"]):
            held = {str(2000 + 2 * k), str(2001 + 2 * k)}
            parts = [[r for r in body if (r.split(",")[1] in held) == out] for out in (0, 1)]
            for name, rows in zip(("train.csv", "test.csv"), parts):
                self.write(name, "\n".join([head] + rows) + "\n")
            self.good("fit", "y ~ x | id", "train.csv", "--out", "m.st")
            found = rows_of(self.good("predict", "m.st", "test.csv"))[1:]
            errors = [float(f[1]) - float(r.split(",")[5]) for f, r in zip(found, parts[1])]
            self.assertAlmostEqual(rmse, math.sqrt(sum(e * e for e in errors) / len(errors)),
                                   delta=1e-9)

    def test_none_is_chosen_where_networks_are_noise(self):
        self.write("t.csv", panel_table())
        result = self.fit("y ~ x + z + nn(w, c) | id + year", "t.csv", "--cv", "4",
                          "--cv-hidden", "none;16,16", "--out", "m.st", "--fitted", "f.csv")
        self.assertEqual([c["hidden"] for c in result["cv"] if c["chosen"]], [[]])
        plain = self.fit("y ~ x + z | id + year", "t.csv")
        for key in ("coefficients", "sse", "networks", "vcov"):
            self.assertEqual(result[key], plain[key], key)
        self.assertEqual(self.read("f.csv").decode(), self.good("predict", "m.st", "t.csv"))
        self.assertIn("nn(...) is left out", self.good(
            "fit", "y ~ x + z + nn(w, c) | id + year", "t.csv", "--cv", "4", "--cv-hidden",
            "none;16,16"))

    def test_refusals(self):
        self.write("t.csv", panel_table())
        for text, *more in (("folds", "--cv", "50", "--cv-hidden", "2;3"),
                            ("linear term", "--cv", "3", "--cv-hidden", "none;3"),
                            ("bag", "--cv", "3", "--cv-hidden", "2;3", "--bags", "2")):
            self.bad(USAGE, text, "fit", "y ~ nn(x) | id", "t.csv", *more)


class Plot(Panel):
    def texts(self):
        root = xml.etree.ElementTree.fromstring(self.read("p.svg"))
        return [e.text for e in root.iter() if e.tag.endswith("text")]

    def paths(self, fill):
        root = xml.etree.ElementTree.fromstring(self.read("p.svg"))
        return [e for e in root.iter() if e.tag.endswith("path") and e.get("fill") == fill]

    def test_network(self):
        self.good("fit", NET, PRODUC, *SMALL_NET, "--plot", "p.svg")
        texts = self.texts()
        for title in ("Training", "Effect of unemp", "Effect of log(pcap)", "on log(gsp)"):
            self.assertIn(title, texts)
        self.assertEqual(len(self.paths("#0072b2")), 5, "a band for each variable")
        self.assertEqual(self.read("p.svg").count(b"<circle"), 816)

    def test_none(self):
        self.good("fit", WITHIN, PRODUC, "--plot", "p.svg")
        self.assertNotIn("Training", self.texts())
        self.assertEqual(len(self.paths("#0072b2")), 4)
        self.assertTrue(any(t.startswith("R squared 0.9987, within 0.9413")
                            for t in self.texts()))

    def test_effect_is_the_slope(self):
        """The curve of a linear term is a line through the means with its coefficient."""
        self.good("fit", WITHIN, PRODUC, "--plot", "p.svg")
        points = [[float(v) for v in p.split()] for p in
                  self.paths("none")[0].get("d")[1:].split("L")]
        slopes = {round((b[1] - a[1]) / (b[0] - a[0]), 1) for a, b in zip(points, points[1:])}
        self.assertLessEqual(max(slopes) - min(slopes), 0.11)

    def test_many_variables(self):
        n = 50
        lines = [",".join(str(((k + 1) * (k + j)**3 * (j + 7)) % 997) for j in range(n + 1)) for k in range(120)]
        self.write("t.csv", ",".join(["y"] + [f"v{j}" for j in range(n)]) + "\n" +
                   "\n".join(lines) + "\n")
        done = self.run_bnorm("fit", "y ~ .", "t.csv", "--hidden", "none", "--vcov", "hc1",
                              "--plot", "p.svg")
        self.assertIn(b"the plot shows the first 40 of 50 variables", done.stderr)


class Fitted(Panel):
    def test_fitted_and_residuals_agree(self):
        self.write("t.csv", panel_table())
        result = self.fit("y ~ x + z | id", "t.csv", "--fitted", "f.csv")
        fitted = [float(r[1]) for r in rows_of(self.read("f.csv").decode())[1:]]
        observed = [float(r[5]) for r in rows_of(panel_table())[1:]]
        self.assertAlmostEqual(sum((a - b)**2 for a, b in zip(fitted, observed)),
                               result["sse"], delta=1e-9)


if __name__ == "__main__":
    main()
