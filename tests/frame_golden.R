# Writes frame_golden.h: model matrices of R, against which test_frame.c holds ours.
# Rscript tests/frame_golden.R > tests/frame_golden.h && clang-format -i tests/frame_golden.h
d <- data.frame(
  y = c(1, 2, 3, 4, 5, 6, 7, 8), x = c(.5, 1.5, -2, 3, 4.25, 5, 6, 7),
  z = c(2, 3, 5, 7, 11, 13, 17, 19), a = c("n", "s", "e", "n", "s", "e", "n", "s"),
  b = c("u", "v", "u", "v", "u", "v", "v", "u"), c = c(10, 2, 10, 33, 2, 33, 10, 2),
  `my col` = c(1, 0, 2, 0, 3, 0, 4, 5), check.names = FALSE)
formulas <- c(
  "y ~ x + a", "y ~ a:b", "y ~ a*b", "y ~ x:a", "y ~ x*a", "y ~ a + x:a", "y ~ b:a + a",
  "y ~ factor(c) + log(z)", "y ~ factor(c):x", "y ~ I(x^2 - 1) + sqrt(z)", "y ~ . - c - a",
  "y ~ a + b:x + x:z", "y ~ a*b*x - a:b:x", "y ~ `my col` + I(-x^2/2)", "y ~ (a + x)*b",
  "y ~ a:b + a:x", "log(y) ~ exp(x/10) + abs(x) + log1p(z) + log2(z) + log10(z)",
  "y ~ I((x+3)^2^.5*z - 3/z) + b", "y ~ a:b:x", "y ~ 0 + x + a - 1")
# 0 and -1 mean nothing to networks: R is asked with its intercept.
with_intercept <- function(f) sub("- 1$", "", sub("~ 0 \\+", "~", f))
cat("/* frame_golden: made by frame_golden.R with R ", as.character(getRversion()),
    "; do not edit. */\n", sep = "")
cat("static const struct golden {\n    const char *formula, *names;\n    double values[8 * 12];",
    "\n} golden[] = {\n", sep = "")
for (f in formulas) {
  m <- suppressWarnings(model.matrix(as.formula(with_intercept(f)), d))[, -1, drop = FALSE]
  cat('    {"', f, '",\n     "', paste0(colnames(m), collapse = "|"), '",\n     {', sep = "")
  cat(paste(apply(m, 1, function(r) paste(sprintf("%.17g", r), collapse = ", ")),
            collapse = ",\n      "), "}},\n", sep = "")
}
cat("};\n")
