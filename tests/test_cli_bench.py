"""bnorm bench: that it measures what it says. No time is judged."""
import json
import math
import unittest

import cli_support
from cli_support import environment

# Threads that wait must not spin: tests share their processors.
PATIENT = {"OMP_WAIT_POLICY": "passive"}
RECORD = ["op", "type", "layout", "rows", "cols", "threads", "over_limit", "seconds", "limit_seconds"]


class Bench(cli_support.Case):
    def records(self, *more, **env):
        text = self.good("bench", "--quick", "--json", *more, env=environment(**PATIENT, **env))
        return json.loads(text)

    def test_json_covers_every_case_once(self):
        result = self.records("--threads", "2")
        cases = [tuple(r[k] for k in RECORD[:6]) for r in result["records"]]
        expected = {(op, kind, layout, rows, cols, threads)
                    for op in ("forward", "backward", "infer") for kind in ("f64", "f32")
                    for layout in ("row", "col") for rows, cols in ((60, 100), (256, 64))
                    for threads in (1, 2)}
        self.assertEqual(len(cases), len(expected))
        self.assertEqual(set(cases), expected)
        for r in result["records"]:
            self.assertEqual(list(r), RECORD)
            self.assertGreater(r["limit_seconds"], 0)
            self.assertTrue(math.isclose(r["over_limit"], r["seconds"] / r["limit_seconds"], rel_tol=1e-12))

    def test_instruction_set_and_threads(self):
        self.assertEqual(self.records("--threads", "1", BNORM_ISA="scalar")["isa"], "scalar")
        one = self.records("--threads", "1")
        self.assertEqual({r["threads"] for r in one["records"]}, {1})
        self.assertEqual(one["version"], self.good("--version").split()[1])

    def test_table(self):
        text = self.good("bench", "--quick", "--threads", "2", env=environment(**PATIENT))
        for part in ("time / limit, 1 thread", "time / limit, 2 threads", "60 x 100", "256 x 64", "geometric mean  f32"):
            self.assertIn(part, text)
        rows = [line.split() for line in text.splitlines() if " x " in line]
        self.assertEqual(len(rows), 8)
        for row in rows:
            self.assertEqual(len(row), 11)
            self.assertTrue(all(math.isfinite(float(value)) for value in row[4:]))
        self.assertEqual(self.good("bench", "--quick", "--quiet"), "")

    def test_refusals(self):
        self.bad(2, "unexpected argument 'x'", "bench", "x")
        self.bad(2, "--threads", "bench", "--threads", "-1")
        self.bad(2, "--threads", "bench", "--threads", "two")
        self.bad(2, "unknown option '--seed'", "bench", "--seed", "1")


if __name__ == "__main__":
    cli_support.main()
