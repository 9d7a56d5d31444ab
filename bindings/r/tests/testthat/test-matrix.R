test_that("forward is scale(), but for constant columns", {
  x <- draw(11, 5)
  x[, 3] <- 7
  f <- bn_forward(x)
  expect_s3_class(f, "bn_forward")
  expect_equal(f$y[, -3], scale(x)[, -3], ignore_attr = TRUE, tolerance = 1e-14)
  expect_equal(f$mean, colMeans(x), tolerance = 1e-15)
  expect_equal(f$sd, apply(x, 2, sd), tolerance = 1e-15)
  expect_true(all(is.nan(scale(x)[, 3])))
  expect_identical(unname(bn_forward(x, beta = 1:5 / 3)$y[, 3]), rep(1, 11))
  expect_identical(dimnames(f$y), dimnames(x))
  expect_identical(names(f$sd), colnames(x))
})

test_that("forward has the rule it is asked for", {
  x <- draw(9, 3)
  w <- c(0, 1, 2, 1, 3, 0.5, 1, 1, 2)
  f <- bn_forward(x, gamma = c(-1, 2, 0), beta = 1:3, weights = w, ddof = 0.5, eps = 0.1)
  mean <- colSums(w * x) / sum(w)
  v <- colSums(w * sweep(x, 2, mean)^2) / (sum(w) - 0.5)
  expected <- sweep(x, 2, mean) %*% diag(c(-1, 2, 0) / sqrt(v + 0.1)) + rep(1:3, each = 9)
  expect_near(f$y, expected, 1e-14)
  expect_near(f$sd, sqrt(v), 1e-14)
  expect_near(f$rstd, 1 / sqrt(v + 0.1), 1e-14)
  expect_identical(f$n, sum(w))
})

test_that("backward is the derivative of forward", {
  for (rule in list(c(0, 0), c(1, 0), c(0.5, 0.3))) for (weighted in c(FALSE, TRUE)) {
    x <- draw(8, 3)
    u <- draw(8, 3, seed = 2)
    gamma <- c(2, -1, 0.5)
    beta <- c(1, 0, -1)
    w <- if (weighted) c(1, 2, 0.5, 1, 1, 3, 1, 1)
    value <- function(x, g = gamma, b = beta) {
      sum(u * sin(bn_forward(x, g, b, w, rule[1], rule[2])$y))
    }
    f <- bn_forward(x, gamma, beta, w, rule[1], rule[2])
    d <- bn_backward(f, u * cos(f$y))
    expect_near(d$dx, differences(value, x), 1e-9)
    expect_near(d$dgamma, differences(function(g) value(x, g), gamma), 1e-9)
    expect_near(d$dbeta, differences(function(b) value(x, b = b), beta), 1e-9)
    expect_identical(dimnames(d$dx), dimnames(x))
    expect_identical(names(d$dgamma), colnames(x))
    expect_near(colSums(d$dx), 0, 1e-13)
  }
})

test_that("gradients come without gamma and beta, and are zero of constant columns", {
  x <- draw(6, 2)
  x[, 2] <- -3
  d <- bn_backward(bn_forward(x), draw(6, 2, 3))
  expect_identical(unname(d$dx[, 2]), rep(0, 6))
  expect_identical(unname(d$dgamma[2]), 0)
  expect_length(d$dbeta, 2)
})

test_that("the Jacobians give the same gradient", {
  z <- draw(5, 3)
  w <- draw(5, 3, 2)
  for (weights in list(NULL, c(1, 2, 1, 0.5, 1))) {
    f <- bn_forward(z, 1:3, NULL, weights, 1, 0.2)
    d <- bn_backward(f, w)
    j <- function(of) bn_jacobian(z, of, NULL, 1:3, weights, 1, 0.2)
    expect_near(t(j("z")) %*% c(w), c(d$dx), 1e-13)
    expect_near(t(j("gamma")) %*% c(w), d$dgamma, 1e-13)
    expect_near(t(j("beta")) %*% c(w), d$dbeta, 1e-13)
  }
  x <- draw(5, 2, 4)
  g1 <- draw(2, 3, 5)
  f <- bn_dense(x, g1, 1:3)
  expect_near(t(bn_jacobian(x, "g1", g1, 1:3)) %*% c(w), c(bn_backward(f, w)$dg1), 1e-12)
})

test_that("weight space is the ordinary way", {
  x <- draw(30, 4)
  g1 <- draw(4, 3, 2)
  w <- draw(30, 3, 3)
  for (weights in list(NULL, seq_len(30) / 10)) for (eps in c(0, 0.5)) {
    gram <- bn_gram(x, weights, ddof = 1)
    f <- bn_dense(gram, g1, 1:3, 3:1, eps)
    z <- bn_forward(x %*% g1, 1:3, 3:1, weights, 1, eps)
    expect_near(f$y, z$y, 1e-12)
    expect_near(f$sd, z$sd, 1e-12)
    expect_near(f$mean, z$mean, 1e-12)
    d <- bn_backward(f, w)
    b <- bn_backward(z, w)
    expect_near(d$dg1, t(x) %*% b$dx, 1e-11)
    expect_near(d$dgamma, b$dgamma, 1e-12)
    expect_near(d$dbeta, b$dbeta, 1e-12)
  }
  expect_equal(bn_gram(x)$s, cov(x), tolerance = 1e-13)
  expect_identical(dimnames(f$y), list(rownames(x), colnames(g1)))
  expect_identical(bn_dense(x, g1)$y, bn_dense(bn_gram(x), g1)$y)
})

test_that("inference, its gradient and folding agree", {
  x <- draw(7, 3)
  f <- bn_forward(x, 1:3, 3:1)
  expect_near(bn_infer(x, 1:3, 3:1, f$mean, f$sd^2), f$y, 1e-14)
  u <- draw(7, 3, 2)
  value <- function(x) sum(u * sin(bn_infer(x, 1:3, 3:1, f$mean, f$sd^2, 0.1)))
  dy <- u * cos(bn_infer(x, 1:3, 3:1, f$mean, f$sd^2, 0.1))
  d <- bn_infer_backward(dy, x, 1:3, f$mean, f$sd^2, 0.1)
  expect_near(d$dx, differences(value, x), 1e-9)
  expect_near(d$dbeta, colSums(dy), 1e-14)
  g1 <- draw(4, 3, 4)
  later <- draw(5, 4, 5)
  folded <- bn_fold(g1, c(1, 0, -1), 1:3, 3:1, f$mean, f$sd^2, 0.1)
  z <- sweep(later %*% g1, 2, c(1, 0, -1), "+")
  expect_near(sweep(later %*% folded$g1, 2, folded$bias, "+"),
              bn_infer(z, 1:3, 3:1, f$mean, f$sd^2, 0.1), 1e-13)
  expect_identical(dim(bn_infer(x[0, ], NULL, NULL, f$mean, f$sd)), c(0L, 3L))
})

test_that("layer normalisation works on rows", {
  x <- draw(5, 6)
  x[2, ] <- 4
  f <- layer_norm(x, 1:6, 6:1)
  rows <- t(apply(x[-2, ], 1, function(r) (r - mean(r)) / sqrt(mean((r - mean(r))^2))))
  expect_near(f$y[-2, ], sweep(sweep(rows, 2, 1:6, "*"), 2, 6:1, "+"), 1e-13)
  expect_identical(unname(f$y[2, ]), as.double(6:1))
  u <- draw(5, 6, 2)
  value <- function(x) sum(u * sin(layer_norm(x, 1:6, 6:1, 0.1)$y))
  f <- layer_norm(x, 1:6, 6:1, 0.1)
  expect_near(bn_backward(f, u * cos(f$y))$dx, differences(value, x), 1e-8)
})

test_that("moments merge exactly and feed running statistics", {
  x <- draw(20, 3)
  w <- seq_len(20) / 5
  whole <- bn_moments(x, w)
  merged <- bn_merge(bn_moments(x[1:4, ], w[1:4]), bn_moments(x[5:9, ], w[5:9]),
                     bn_moments(x[10:20, ], w[10:20]))
  expect_near(merged$n, whole$n, 1e-13)
  expect_near(merged$mean, whole$mean, 1e-14)
  expect_near(merged$m2, whole$m2, 1e-12)
  expect_identical(bn_merge(bn_moments(x[0, ]), whole), whole)

  start <- bn_running(3)
  one <- update(start, x)
  expect_identical(start$mean, double(3))
  expect_near(one$mean, 0.1 * colMeans(x), 1e-15)
  expect_near(one$var, 0.9 + 0.1 * apply(x, 2, var), 1e-15)
  expect_identical(update(start, bn_moments(x)), one)
  expect_identical(update(start, bn_forward(x)), one)
  average <- bn_running(3, "average")
  merge <- bn_running(3, "merge")
  for (k in list(1:5, 6:20)) {
    average <- update(average, x[k, ])
    merge <- update(merge, x[k, ])
  }
  expect_near(merge$var, apply(x, 2, var), 1e-14)
  expect_near(average$var, (apply(x[1:5, ], 2, var) + apply(x[6:20, ], 2, var)) / 2, 1e-14)
})

test_that("inputs stay as they are, integers are converted, threads change no bit", {
  x <- draw(500, 20)
  before <- x + 0
  f <- bn_forward(x, gamma = 1:20)
  d <- bn_backward(f, x)
  expect_identical(x, before)
  i <- matrix(c(1:11, 3L), 4)
  expect_identical(bn_forward(i)$y, bn_forward(i + 0)$y)
  expect_identical(bn_forward(i > 3)$y, bn_forward((i > 3) + 0)$y)
  i[2, 1] <- NA
  expect_warning(y <- bn_forward(i)$y, "column 1")
  expect_true(all(is.na(y[, 1])) && !anyNA(y[, -1]))
  expect_identical(bnorm_threads(2), 1L)
  expect_identical(bnorm_threads(), 2L)
  expect_identical(bn_forward(x, gamma = 1:20), f)
  expect_identical(bn_backward(f, x), d)
  bnorm_threads(1)
})

test_that("a child of a fork can work", {
  skip_on_os("windows")
  bnorm_threads(2)
  x <- draw(4000, 40)
  expected <- bn_forward(x)$y
  got <- parallel::mclapply(1:2, function(k) bn_forward(x)$y, mc.cores = 2)
  bnorm_threads(1)
  expect_identical(got, list(expected, expected))
})

test_that("results print", {
  x <- draw(5, 2)
  expect_output(print(bn_forward(x)), "5 x 2")
  expect_output(print(bn_moments(x)), "n = 5")
  expect_output(print(bn_running(2)), "exponential")
  expect_output(print(layer_norm(x)), "5 rows over 2 columns")
  expect_output(print(bn_gram(x)), "2 centred")
  expect_output(print(bn_dense(x, matrix(1:2, 2))), "G1 2 x 1")
})
