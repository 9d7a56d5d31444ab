"""What real panels have, and wrong command lines, for structured models of the command."""
import json

from cli_support import main
from panel_cases import DATA, USAGE, Panel, panel_table


class Bad(Panel):
    """What real panels have: a message, or an action that is counted."""

    def told(self, text, formula, table, *more):
        done = self.run_bnorm("fit", formula, table, "--json", *more)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(text, done.stderr.decode())
        return json.loads(done.stdout)

    def test_unit_with_one_row(self):
        self.write("t.csv", panel_table() + "alone,2000,1,2,3,4,1\n")
        result = self.told("1 row is alone in a level of a fixed effect", "y ~ x + z | id",
                           "t.csv")
        self.assertEqual((result["singletons"], result["rows_used"]), (1, 96))
        kept = self.fit("y ~ x + z | id", "t.csv", "--keep-singletons")
        self.assertEqual((kept["singletons"], kept["rows_used"]), (0, 97))
        self.write("one.csv", "id,x,y\n1,2,3\n2,3,4\n3,5,5\n")
        self.bad(DATA, "", "fit", "y ~ x | id", "one.csv")

    def test_effect_equal_to_a_regressor(self):
        self.write("t.csv", panel_table())
        result = self.told("c is left out: ", "y ~ x + c | id", "t.csv")
        self.assertEqual([d["name"] for d in result["dropped"]], ["c"])
        self.assertEqual([c["name"] for c in result["coefficients"]], ["x"])

    def test_target_that_is_constant_or_an_effect(self):
        self.write("t.csv", panel_table())
        self.assertIn("R squared: 1, within NA;", self.good("fit", "c ~ x | id", "t.csv"))
        self.write("one.csv", "id,x,y\n1,2,3\n1,3,3\n2,5,3\n2,7,3\n")
        self.assertIn("R squared: NA, within NA;", self.good("fit", "y ~ x | id", "one.csv"))

    def test_collinear_terms(self):
        self.write("t.csv", panel_table())
        result = self.told("I(2 * x - z) is left out: ", "y ~ x + z + I(2 * x - z) | id",
                           "t.csv")
        self.assertEqual(len(result["coefficients"]), 2)
        self.assertIn("left out: I(2 * x - z)",
                      self.good("fit", "y ~ x + z + I(2 * x - z) | id", "t.csv"))

    def test_duplicates_and_gaps(self):
        lines = panel_table().splitlines()
        self.write("t.csv", "\n".join(lines[:-3] + [lines[1]]) + "\n")
        result = self.told("1 row has the unit and period of an earlier row; all are kept",
                           "y ~ x + z | id + year", "t.csv")
        self.assertEqual((result["duplicates"], result["gaps"]), (1, 3))

    def test_missing_anywhere(self):
        lines = panel_table().splitlines()
        for column in range(7):
            changed = list(lines)
            cells = changed[5].split(",")
            cells[column] = "NA"
            changed[5] = ",".join(cells)
            self.write("t.csv", "\n".join(changed) + "\n")
            more = ("--weights", "w")
            result = self.fit("y ~ x + nn(z) | id + year", "t.csv", "--epochs", "5",
                              "--hidden", "2", *more)
            self.assertEqual(result["missing"], int(column != 4), column)
            if column != 4:
                self.bad(DATA, "t.csv line 6", "fit", "y ~ x + z | id + year", "t.csv", *more,
                         "--na", "error")

    def test_cluster_with_one_level(self):
        self.write("t.csv", panel_table(extra=",1"))
        self.bad(DATA, "'e'", "fit", "y ~ x | id", "t.csv", "--cluster", "e")

    def test_weights(self):
        table = panel_table()
        self.write("t.csv", table.replace(",2\n", ",0\n"))
        result = self.told("rows have weight 0 and are left out", "y ~ x | id", "t.csv",
                           "--weights", "w")
        self.assertEqual(result["weightless"], 32)
        self.write("t.csv", table.replace(",2\n", ",-2\n", 1))
        self.bad(DATA, "the weight -2 in column 'w' is negative", "fit", "y ~ x | id", "t.csv",
                 "--weights", "w")

    def test_command_line(self):
        self.write("t.csv", panel_table())
        for text, formula, *more in (
                ("take it out of the formula", "y ~ x + nn(z) | id", "--hidden", "none"),
                ("the formula has no nn(...)", "y ~ x | id", "--hidden", "8"),
                ("--loss softmax is not for structured models", "y ~ x | id", "--loss",
                 "softmax"),
                ("--running is not for structured models", "y ~ x | id", "--running"),
                ("--constant is not for structured models", "y ~ x | id", "--constant", "drop"),
                ("--vcov is for structured models", "y ~ x", "--vcov", "hc1"),
                ("--starts is for structured models", "y ~ x", "--starts", "2"),
                ("one of classical, hc0", "y ~ x | id", "--vcov", "hc4"),
                ("one of nested, sss", "y ~ x | id", "--small", "stata"),
                ("one of rows, units", "y ~ x | id", "--hold", "years"),
                ("a column, or two", "y ~ x | id", "--cluster", "id,year,x"),
                ("a column, or two", "y ~ x | id", "--cluster", ""),
                ("does not go with --vcov hc1", "y ~ x | id", "--vcov", "hc1", "--cluster",
                 "id"),
                ("--cluster COLUMN, or --unit", "y ~ x", "--hidden", "none", "--vcov",
                 "cluster"),
                ("nothing to choose among", "y ~ nn(x) | id", "--cv", "3"),
                ("by --cv, with 2 folds", "y ~ nn(x) | id", "--cv-penalty", "0,1"),
                ("has none", "y ~ x | id", "--cv", "3", "--cv-hidden", "4;8"),
                ("lists of sizes", "y ~ nn(x) | id", "--cv", "3", "--cv-hidden", "4;;8"),
                ("numbers from 0", "y ~ nn(x) | id", "--cv", "3", "--cv-penalty", "1,-1")):
            self.bad(USAGE, text, "fit", formula, "t.csv", *more)
        self.bad(DATA, "no such column", "fit", "y ~ x | id", "t.csv", "--cluster", "firm")
        for formula in ("y ~ x | firm", "y ~ x | id + firm", "y ~ nn(firm) | id"):
            self.bad(DATA, "firm", "fit", formula, "t.csv")
        self.bad(DATA, "firm", "fit", "y ~ x", "t.csv", "--hidden", "none", "--vcov", "cluster",
                 "--unit", "firm")
        for formula in ("y ~ x |", "y ~ x | id +", "y ~ nn() | id", "y ~ nn(x", "y ~ nn(x):z",
                        "y ~ x | 1", "y ~ x | id | year", "y ~ log(nn(x))"):
            self.bad(USAGE, "", "fit", formula, "t.csv")

    def test_logistic_with_effects(self):
        self.write("t.csv", panel_table())
        done = self.run_bnorm("fit", "y ~ x | id", "t.csv", "--loss", "logistic")
        self.assertIn(done.returncode, (USAGE, DATA))
        self.assertIn(b"fixed effects", done.stderr)


if __name__ == "__main__":
    main()
