"""A command that was built without ReadStat says so, and what to do."""
from cli_support import Case, main


class Absent(Case):
    def test_refusal(self):
        for name in ("t.dta", "t.SAV"):
            message = self.bad(2, f"{name}: this bnorm was built without ReadStat", "fit",
                               "y ~ x", name)
            self.assertIn("libreadstat-dev", message)
            self.assertIn("CSV", message)


if __name__ == "__main__":
    main()
