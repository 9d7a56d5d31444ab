"""Writes examples/digits.csv from scikit-learn's copy of the UCI digits, unchanged.

Columns p00 .. p77 are the ink (0..16) of pixel (row, column); digit is what was written.
Run from the repository's root: python3 examples/make_data.py
"""
import csv

from sklearn.datasets import load_digits

digits = load_digits()
names = [f"p{row}{column}" for row in range(8) for column in range(8)]
with open("examples/digits.csv", "w", newline="") as file:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(names + ["digit"])
    for pixels, digit in zip(digits.data.astype(int), digits.target):
        writer.writerow([*pixels, digit])
