# What several files need: data, central differences, conditions.

draw <- function(rows, cols, seed = 1) {
  set.seed(seed)
  matrix(rnorm(rows * cols), rows, cols,
         dimnames = list(sprintf("r%d", seq_len(rows)), sprintf("c%d", seq_len(cols))))
}

# The gradient of f at x by central differences with Richardson's step.
differences <- function(f, x, h = 1e-3) {
  slope <- function(k, h) {
    e <- replace(0 * x, k, h)
    (f(x + e) - f(x - e)) / (2 * h)
  }
  g <- vapply(seq_along(x), function(k) (4 * slope(k, h / 2) - slope(k, h)) / 3, 0)
  if (is.matrix(x)) matrix(g, nrow(x)) else g
}

expect_near <- function(got, expected, tolerance) {
  testthat::expect_lt(max(abs(unname(unclass(got)) - unname(unclass(expected)))), tolerance)
}

expect_refused <- function(code, kind, text) {
  testthat::expect_error(code, text, class = paste0("bnorm_error_", kind))
}

# The scores of a structured model, and what the penalty of its top layer adds: they cancel.
sandwich_scores <- function(fit) model.matrix(fit) * residuals(fit)
ridge_pull <- function(fit) {
  top <- unlist(lapply(coef(fit, "all")[-1], `[[`, "top"))
  c(0 * coef(fit), fit$info$n * fit$penalties[["top"]] * top)
}
