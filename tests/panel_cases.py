"""What the tests of the command's structured models share: a table, formulas, a case."""
import json

from cli_support import Case

USAGE, DATA = 2, 3
WITHIN = "log(gsp) ~ log(pcap) + log(pc) + log(emp) + unemp | state"
NET = "log(gsp) ~ log(pcap) + log(pc) + nn(log(emp), unemp, year) | state"
SMALL_NET = ("--hidden", "4", "--penalty", "1e-4", "--epochs", "60", "--period", "year")


def panel_table(units=12, periods=8, extra=""):
    """A panel whose slopes are about 2 and -1, unsorted, with a weight and a constant a unit."""
    lines = ["id,year,x,z,c,y,w" + (",e" if extra else "")]
    for k in range(units * periods):
        i, t = (k * 5) % units, (k // units * 3) % periods
        x, z = (k * k * 7 % 23) / 3, (k * 11 % 17) / 2
        y = 3 * i + 2 * x - z + 0.5 * t + ((k * 13 % 29) - 14) / 20
        lines.append(f"u{i:02},{2000 + t},{x},{z},{i},{y},{1 + k % 3}" + extra)
    return "\n".join(lines) + "\n"


class Panel(Case):
    def fit(self, formula, table, *more):
        return json.loads(self.good("fit", formula, table, "--json", *more))

    def coefficients(self, *args):
        return {c["name"]: c for c in self.fit(*args)["coefficients"]}
