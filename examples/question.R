# The data and the printed numbers of the question that bnorm answers (docs/answer.md), written
# to examples/question.csv and cli/question_data.h. Base R only; run it from the project's root:
#   Rscript examples/question.R
# The calls of the random numbers stand in the order of the question's own code, so the stream
# of set.seed(1) gives its numbers. 17 digits read back to the same binary64 value.
set.seed(1)
N <- 10; p1 <- 7; p2 <- 4
G1 <- matrix(rnorm(p1 * p2), nrow = p1)
G2 <- rnorm(p2)
gamma <- 1:p2 + 1
beta <- (1:p2 + 1) * -1
u <- rnorm(N)
X <- matrix(round(runif(N * p1, -5, 5)) + 0, nrow = N)  # + 0: no negative zeros
a <- function(v) { v[v < 0] <- 0; v }
yhat <- function(scale_of) {
  Z <- X %*% G1
  Zc <- sweep(Z, 2, colMeans(Z))
  B <- sweep(sweep(Zc, 2, gamma / apply(Z, 2, scale_of), "*"), 2, beta, "+")
  a(B) %*% G2
}
y <- yhat(sd) + u
y0 <- yhat(function(z) sqrt(mean((z - mean(z))^2))) + u

# What the question printed, digit for digit.
text <- function(s, rows) {
  matrix(scan(text = s, what = "", quiet = TRUE), nrow = rows, byrow = TRUE)
}
G1_text <- "
-61.531877  122.66157  360.08132 -51.666215
  7.047767  -14.04947  -41.24316   5.917769
124.157678 -247.50384 -726.56422 104.250961
 44.151682  -88.01478 -258.37333  37.072659
 22.478082  -44.80924 -131.54056  18.874078
 22.098857  -44.05327 -129.32135  18.555655
 79.617345 -158.71430 -465.91653  66.851965"
printed <- list(
  drdb = text("-0.4460901 0.3899186 1.26758 -0.09589582", 1),
  loop_drdb = text("-0.44609015 0.38991862 1.26758024 -0.09589582", 1),
  drdG1 = text(G1_text, p1),
  loop_drdG1 = text(G1_text, p1),
  drdg = text("
 0.8580574 -1.125017  -4.876398  0.4611406
-4.5463304  5.960787  25.837103 -2.4433071
 2.0706860 -2.714919 -11.767849  1.1128364
-8.5641868 11.228681  48.670853 -4.6025996", p2),
  loop_drdg = text("0.8580574 5.9607870 -11.7678486 -4.6025996", 1))

number <- function(v) sprintf("%.17g", v)
values <- list(X = X, G1 = G1, G2 = t(G2), gamma = t(gamma), beta = t(beta), u = matrix(u),
               y = y, y0 = y0)
cells <- c(lapply(values, function(m) matrix(number(m), nrow(m))), printed)

# One line a number: whose, row, column, value; rows first.
lines <- unlist(lapply(names(cells), function(name) {
  m <- cells[[name]]
  at <- expand.grid(col = seq_len(ncol(m)), row = seq_len(nrow(m)))
  paste(name, at$row, at$col, t(m), sep = ",")
}))
writeLines(c("name,row,col,value", lines), "examples/question.csv")

# The same as C: matrices row after row, the printed numbers as texts.
table_of <- function(name, m, quote) {
  v <- paste0(quote, t(m), quote)
  n <- if (ncol(m) == 1) 5 else ncol(m)
  n <- if (all(nchar(v) * n < 86)) n else 4
  rows <- vapply(split(v, (seq_along(v) - 1) %/% n), paste, "", collapse = ", ")
  type <- if (quote == "") "static const double" else "static const char *const"
  paste0(type, " ", name, "[", length(v), "] = {\n    ", paste(rows, collapse = ",\n    "), "};")
}
writeLines(c(
  "/* question_data: the question's data (set.seed(1) in R) and the 84 numbers it printed. Made",
  " * by examples/question.R together with examples/question.csv: change that, not this. */",
  "#ifndef BNORM_CLI_QUESTION_DATA_H",
  "#define BNORM_CLI_QUESTION_DATA_H",
  "",
  "/* clang-format off */",
  sprintf("enum { QUESTION_N = %d, QUESTION_P1 = %d, QUESTION_P2 = %d };", N, p1, p2),
  "",
  unlist(lapply(names(values), function(k) table_of(paste0("question_", k), cells[[k]], ""))),
  "",
  unlist(lapply(names(printed), function(k) table_of(paste0("printed_", k), printed[[k]], "\""))),
  "/* clang-format on */",
  "",
  "#endif"), "cli/question_data.h")
