# Bad input: a condition that names the argument, never a crash.

bad_matrices <- list(NULL, 1:3, "a", letters, list(1), data.frame(a = 1:3, b = 4:6),
                     factor(c("a", "b")), array(0, c(2, 2, 2)), matrix("a", 2, 2),
                     matrix(1i, 2, 2), quote(x), sum, as.raw(1:4), new.env(), NA, table(1:3))

test_that("what is no numeric matrix is refused by name", {
  good <- matrix(1:6 / 2, 3)
  f <- bn_forward(good)
  for (x in bad_matrices) {
    expect_refused(bn_forward(x), "argument", "'x'")
    expect_refused(bn_moments(x), "argument", "'x'")
    expect_refused(bn_gram(x), "argument", "'x'")
    expect_refused(bn_dense(good, x), "argument", "'g1'")
    expect_refused(layer_norm(x), "argument", "'x'")
    expect_refused(bn_infer(x, NULL, NULL, 1, 1), "argument", "'x'")
    expect_refused(bn_fold(x, NULL, NULL, NULL, 1, 1), "argument", "'g1'")
    expect_refused(bn_jacobian(x), "argument", "'x'")
    expect_refused(bn_backward(f, x), "argument", "'dy'")
    expect_refused(bn_backward(x, good), "argument", "'f'")
    expect_refused(bn_merge(x, bn_moments(good)), "argument", "'a'")
    expect_refused(bn_merge(bn_moments(good), x), "argument", "'b'")
  }
})

test_that("what is no vector of the right length is refused by name", {
  x <- matrix(1:6 / 2, 3)
  for (v in list("a", 1, 1:3, c(1, NA), c(NaN, 1), c(1, Inf), factor(1:2), list(1, 2), sum,
                 c(1i, 2))) {
    expect_refused(bn_forward(x, gamma = v), "argument", "'gamma'")
    expect_refused(bn_forward(x, beta = v), "argument", "'beta'")
    expect_refused(bn_infer(x, NULL, NULL, v, 1:2), "argument", "'mean'")
    expect_refused(bn_infer(x, NULL, NULL, 1:2, v), "argument", "'var'")
    expect_refused(bn_fold(x, v, NULL, NULL, 1:2, 1:2), "argument", "'bias'")
    expect_refused(layer_norm(x, v), "argument", "'gamma'")
  }
  for (w in list(1:2, c(1, NA, 1), c(-1, 1, 1), factor(1:3), "a", c(0, Inf, 1))) {
    expect_refused(bn_forward(x, weights = w), "argument", "weight")
    expect_refused(bn_moments(x, w), "argument", "weight")
    expect_refused(bn_gram(x, w), "argument", "weight")
  }
  for (n in list("a", NULL, 1:2, NA, NaN, -1, Inf, factor(1), list(1), sum)) {
    expect_refused(bn_forward(x, eps = n), "argument", "eps")
    expect_refused(bn_forward(x, ddof = n), "argument", "ddof")
    expect_refused(layer_norm(x, eps = n), "argument", "eps")
  }
  expect_refused(bn_infer(x, NULL, NULL, 1:2, c(1, -1)), "argument", "var")
  expect_refused(bn_infer(x, NULL, NULL, mean = NULL, var = NULL), "argument", "'mean'")
})

test_that("shapes that do not fit are refused with got and expected", {
  x <- matrix(1:6 / 2, 3)
  expect_refused(bn_backward(bn_forward(x), t(x)), "argument", "2 x 3; it must be 3 x 2")
  expect_refused(bn_dense(x, x), "argument", "3 rows; it must have 2")
  expect_refused(bn_jacobian(x, "g1", x), "argument", "3 rows; it must have 2")
  expect_refused(bn_jacobian(x, "g1"), "argument", "'g1' is needed")
  expect_refused(bn_jacobian(matrix(0, 3000, 2)), "argument", "too large")
  expect_refused(bn_merge(bn_moments(x), bn_moments(t(x))), "argument", "3 columns; 'a' has 2")
  expect_refused(update(bn_running(3), x), "argument", "2 columns; 'object' has 3")
  expect_error(update(bn_running(2), "a"), class = "bnorm_error_argument")
})

test_that("too few observations are an error of their own; zero columns are none", {
  expect_refused(bn_forward(matrix(1, 1, 2)), "domain", "n - ddof")
  expect_refused(bn_forward(matrix(0, 0, 2)), "domain", "n - ddof")
  expect_refused(bn_gram(matrix(0, 0, 2)), "domain", "n - ddof")
  expect_refused(bn_forward(matrix(1:4, 2), weights = c(0, 0)), "domain", "n - ddof")
  none <- bn_forward(matrix(0, 5, 0))
  expect_identical(dim(none$y), c(5L, 0L))
  expect_identical(bn_backward(none, matrix(0, 5, 0))$dgamma, double())
  expect_identical(bn_moments(matrix(0, 0, 2))$n, 0)
})

test_that("an object that was tampered with is refused", {
  x <- matrix(1:6 / 2, 3)
  f <- bn_forward(x)
  for (k in c("x", "mean", "rstd", "ddof", "eps")) {
    g <- f
    g[[k]] <- "a"
    expect_error(bn_backward(g, x), class = "bnorm_error_argument")
  }
  g <- f
  g$mean <- 1
  expect_error(bn_backward(g, x), class = "bnorm_error_argument")
  expect_error(bn_backward(unclass(f), x), class = "bnorm_error_argument")
  expect_error(bn_backward(structure(list(), class = "bn_forward"), x),
               class = "bnorm_error_argument")
  gram <- bn_gram(x)
  gram$s <- 1
  expect_error(bn_dense(gram, diag(2)), class = "bnorm_error_argument")
  r <- bn_running(2)
  r$kind <- "none"
  expect_error(update(r, x), class = "bnorm_error_argument")
  m <- bn_moments(x)
  m$m2 <- 1
  expect_error(bn_merge(m, m), class = "bnorm_error_argument")
})

test_that("starts of running statistics are checked", {
  for (p in list("a", NA, -1, 1.5, 1:2, NULL)) expect_refused(bn_running(p), "argument", "'p'")
  expect_refused(bn_running(2, update = 0), "argument", "update")
  expect_refused(bn_running(2, update = 2), "argument", "update")
  expect_refused(bn_running(2, mean = "a"), "argument", "'mean'")
  expect_refused(bn_running(2, var = -1), "argument", "'var'")
  expect_error(bn_running(2, "other"))
  expect_refused(update(bn_running(1), matrix(c(1, NA))), "nonfinite", "keep")
})

test_that("a number of threads is checked", {
  for (k in list("a", -1, NA, 1:2, 1.5, 1e9)) expect_refused(bnorm_threads(k), "argument", "'k'")
  expect_identical(bnorm_threads(), 1L)
})

test_that("networks refuse bad input by name", {
  d <- data.frame(y = c(1, 2, 4, 3, 5, 6), x = c(1, 3, 2, 5, 4, 6), g = gl(2, 3))
  d$when <- Sys.Date() + 1:6
  d$m <- matrix(1:12, 6)
  fit <- function(...) bnorm(..., hidden = 2, epochs = 2)
  expect_refused(fit("y ~ x", d), "argument", "'formula'")
  expect_refused(fit(~x, d), "argument", "'formula'")
  expect_refused(fit(y ~ x, 1:3), "argument", "'data'")
  expect_refused(fit(y ~ missing_one, d), "data", "no column 'missing_one'")
  expect_refused(fit(y ~ when, d), "data", "'when'")
  expect_refused(fit(y ~ m, d), "data", "'m'")
  expect_refused(fit(y ~ poly(x, 2), d), "formula", "poly")
  expect_refused(fit(y ~ x, d[0, ]), "data", "no rows")
  expect_refused(fit(y ~ x, d, weights = 1:2), "argument", "'weights'")
  expect_refused(fit(y ~ x, d, weights = c(NA, 1:5)), "argument", "'weights'")
  expect_refused(fit(y ~ x, d, weights = c(-1, 1:5)), "argument", "'weights'")
  expect_refused(fit(y ~ x, d, loss = "other"), "argument", "'loss'")
  expect_refused(fit(y ~ x, d, activation = "other"), "argument", "'activation'")
  expect_refused(fit(y ~ x, d, activation = 3), "argument", "'activation'")
  expect_refused(fit(g ~ x, d, loss = "squared"), "data", "classes")
  expect_refused(fit(y ~ x, d, validate = 1), "argument", "'validate'")
  expect_refused(fit(y ~ x, d, seed = -1), "argument", "'seed'")
  expect_refused(fit(y ~ x, d, batch = 1.5), "argument", "'batch'")
  expect_refused(fit(y ~ x, d, dropout = "a"), "argument", "'dropout'")
  expect_refused(fit(y ~ x, d, control = list(speed = 1)), "argument", "'speed'")
  expect_refused(fit(y ~ x, d, na.action = "what"), "argument", "'na.action'")
  expect_refused(fit(y ~ x, transform(d, y = replace(y, 2, NA)), na.action = na.fail), "data",
                 "y")
  expect_refused(fit(y ~ x, d, layers = list(quote(a))), "argument", "'layers'")
  expect_refused(bnorm(y ~ x, d, hidden = "a"), "argument", "'hidden'")
  expect_refused(bnorm(y ~ x, d, hidden = 0), "argument", "'hidden'")
  expect_refused(fit(y ~ x, transform(d, x = replace(x, 2, Inf))), "data", "x")
  ok <- fit(y ~ x, d)
  expect_refused(predict(ok, 3), "argument", "'newdata'")
  expect_refused(predict(ok, d["y"]), "data", "no column 'x'")
  expect_refused(predict(ok, d, "class"), "argument", "class")
  expect_refused(predict(ok, d[0, ]), "data", "no rows")
  expect_refused(bnorm_save(3, "a"), "argument", "'object'")
  expect_refused(bnorm_save(ok, 3), "argument", "'file'")
  expect_refused(bnorm_save(ok, file.path(tempfile(), "none")), "io", "none")
  expect_refused(bnorm_load(tempfile()), "io", "")
  file <- tempfile()
  writeLines("not a model", file)
  expect_refused(bnorm_load(file), "format", "")
  expect_refused(bn_activation(1, sin, cos), "argument", "'name'")
  expect_refused(bn_activation("a", 1, cos), "argument", "'value'")
  expect_refused(bn_loss("a", sin, 2), "argument", "'gradient'")
  expect_refused(bn_layer("a", sin, cos, units = "a"), "argument", "'units'")
})
