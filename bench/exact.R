# exact.R IN OUT: y and dx of R's expressions, for exact.py. IN: rows, columns, eps, x, dy, gamma, beta as doubles.
arguments <- commandArgs()
source(file.path(dirname(sub("--file=", "", grep("--file=", arguments, value = TRUE))), "expressions.R"))
arguments <- commandArgs(trailingOnly = TRUE)
values <- readBin(arguments[1], "double", file.size(arguments[1]) / 8)
n <- values[1]
p <- values[2]
x <- matrix(values[3 + seq_len(n * p)], n, p)
dy <- matrix(values[3 + n * p + seq_len(n * p)], n, p)
rest <- values[-seq_len(3 + 2 * n * p)]
list <- expressions(x, dy, rest[seq_len(p)], rest[p + seq_len(p)], values[3])
writeBin(c(list$forward$R(), list$backward$R()[[1]]), arguments[2])
