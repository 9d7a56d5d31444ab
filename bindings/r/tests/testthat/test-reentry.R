# Functions of R that call the package back, change their minds, or jump out of it.

own <- function(value, derivative = function(b) 1 - tanh(b)^2) {
  bn_activation("own", value, derivative)
}

test_that("the threads cannot be changed by a function that bnorm has called", {
  k <- 0
  a <- own(function(b) {
    k <<- k + 1
    if (k == 3) {
      bnorm_threads(2)
      for (i in 1:200) numeric(100)
    }
    tanh(b)
  })
  expect_refused(bnorm(mpg ~ wt + hp, mtcars, hidden = 4, activation = a, epochs = 20), "user",
                 "value of 'own': 'k' cannot be set")
  expect_identical(bnorm_threads(), 1L)
  seen <- NULL
  a <- own(function(b) {
    seen <<- bnorm_threads()
    tanh(b)
  })
  expect_s3_class(bnorm(mpg ~ wt, mtcars, hidden = 2, activation = a, epochs = 2), "bnorm")
  expect_identical(seen, 1L)
})

test_that("a network cannot be used by its own functions, another can", {
  run <- NULL
  a <- own(function(b) {
    if (!is.null(run)) {
      now <- run
      run <<- NULL
      said <<- tryCatch(now(), error = identity)
    }
    tanh(b)
  })
  said <- NULL
  rows <- mtcars[rep(1:32, 200), ]
  x <- bnorm(mpg ~ wt + hp, mtcars, hidden = 4, activation = a, epochs = 2)
  other <- bnorm(mpg ~ wt + hp, mtcars, hidden = 4, epochs = 2)
  few <- predict(other, mtcars[1:3, ])
  expected <- predict(x, rows)
  for (use in list(function() predict(x, mtcars[1:3, ]), function() check_gradient(x),
                   function() coef(x), function() bnorm_save(x, tempfile()))) {
    run <- use
    expect_identical(predict(x, rows), expected)
    expect_s3_class(said, "bnorm_error_argument")
    expect_match(conditionMessage(said), "in use")
    run <- use
    said <- NULL
    expect_true(all(check_gradient(x)$ok))
    expect_s3_class(said, "bnorm_error_argument")
  }
  run <- function() predict(other, mtcars[1:3, ])
  expect_identical(predict(x, rows), expected)
  expect_identical(said, few)
})

test_that("a layer is asked once for its parameters of so many columns", {
  k <- 0
  grow <- bn_layer("grow", parameters = function(n) {
    k <<- k + 1
    list(a = matrix(0.5, 1, n * if (k > 3) 20000 else 1))
  }, forward = function(x, params, training) {
    stopifnot(length(params$a) == ncol(x))
    x
  }, backward = function(x, y, dy, params) list(dx = dy, dparams = list(a = 0 * params$a)))
  x <- bnorm(mpg ~ wt + hp, mtcars, layers = list(grow, 3, grow, "batchnorm", "tanh"),
             epochs = 20)
  expect_identical(k, 2)
  expect_identical(lengths(coef(x)[c("grow.a1", "grow.a3")]), c(grow.a1 = 2L, grow.a3 = 3L))
  # A model restored with another shape is refused, not overrun.
  y <- unserialize(serialize(x, NULL))
  k <- 100
  expect_error(predict(y, mtcars), class = "bnorm_error")
})

test_that("a name stands for one part", {
  for (name in c("identity", "relu", "tanh", "softplus", "gelu")) {
    expect_refused(bn_activation(name, sin, cos), "argument", "'name' is")
  }
  for (name in c("squared", "logistic", "softmax")) {
    expect_refused(bn_loss(name, function(s, t) 0, function(s, t) s), "argument", "'name' is")
  }
  old <- structure(list(name = "relu", value = sin, derivative = cos, gain = 1),
                   class = "bn_activation")
  expect_refused(bnorm(mpg ~ wt, mtcars, layers = list(3, old), epochs = 2), "argument", "relu")
  one <- bn_activation("same", sin, cos)
  two <- bn_activation("same", cos, function(b) -sin(b))
  expect_refused(bnorm(mpg ~ wt, mtcars, layers = list(3, one, 3, two), epochs = 2), "argument",
                 "'same'")
  again <- bn_activation("same", sin, cos)
  r <- bnorm(mpg ~ wt, mtcars, layers = list(3, one, 3, again), epochs = 2)
  expect_identical(predict(unserialize(serialize(r, NULL)), mtcars), predict(r, mtcars))
  file <- tempfile()
  bnorm_save(r, file)
  expect_refused(bnorm_load(file, list(one, two)), "argument", "'same'")
  expect_equal(predict(bnorm_load(file, one), mtcars), predict(r, mtcars))
})

test_that("sd of a column far smaller than eps is the column's own", {
  x <- draw(40, 3)
  g1 <- matrix(c(1, 0, 0, 1e-7, 2e-7, 0, 0, 3e-9, 1e-9), 3)
  expected <- apply(x %*% g1, 2, function(v) sqrt(mean((v - mean(v))^2)))
  expect_lt(max(abs(bn_dense(bn_gram(x, ddof = 0), g1, eps = 1e-3)$sd / expected - 1)), 1e-12)
  expect_identical(unname(bn_dense(bn_gram(x), matrix(0, 3, 1))$sd), 0)
})

test_that("a penalty below zero is refused", {
  for (p in list(-1, Inf, -Inf)) {
    expect_refused(bnorm(mpg ~ wt, mtcars, hidden = 2, epochs = 2, penalty = p), "argument",
                   "'penalty'")
  }
})

test_that("a jump that is no interrupt is not called one", {
  leave <- function(b) invokeRestart("abort")
  fit <- function(...) bnorm(dist ~ speed, cars, epochs = 3, ...)
  expect_refused(fit(activation = own(leave)), "user", "value of 'own' did not return")
  expect_refused(fit(activation = own(tanh, leave)), "user", "derivative of 'own' did not return")
  layer <- function(forward = function(x, params, training) x, units = NULL, parameters = NULL) {
    list(bn_layer("l", forward, function(x, y, dy, params) list(dx = dy), units, parameters), 3,
         "batchnorm", "tanh")
  }
  expect_refused(fit(layers = layer(function(...) leave())), "user",
                 "forward of 'l' did not return")
  expect_refused(fit(layers = layer(units = leave)), "user", "units of 'l' did not return")
  expect_refused(fit(layers = layer(parameters = leave)), "user",
                 "parameters of 'l' did not return")
  interrupt <- function(...) {
    tools::pskill(Sys.getpid(), tools::SIGINT)
    for (k in 1:100) Sys.sleep(0.01)
  }
  for (l in list(layer(interrupt), layer(units = interrupt), layer(parameters = interrupt))) {
    expect_identical(tryCatch(fit(layers = l), interrupt = function(c) "interrupted"),
                     "interrupted")
  }
})

test_that("only NA is missing, and levels are compared as strings", {
  set.seed(5)
  d <- data.frame(y = rnorm(40), g = rep(c("NA", "", "3", "03", "3.0"), 8), x = rnorm(40))
  d$y <- d$y + 5 * match(d$g, unique(d$g))
  fit <- function(d, ...) bnorm(y ~ g + x, d, hidden = 3, epochs = 20, ...)
  for (k in 1:2) {
    f <- fit(d)
    expect_identical(nobs(f), 40L)
    expect_identical(sum(startsWith(f$info$inputs, "g") | grepl("factor", f$info$inputs)), 4L)
    p <- predict(f, data.frame(g = unique(d$g), x = 0))
    expect_identical(anyDuplicated(unname(p)), 0L)
    file <- tempfile()
    bnorm_save(f, file)
    expect_equal(predict(bnorm_load(file), data.frame(g = unique(d$g), x = 0)), p)
    expect_warning(none <- predict(f, data.frame(g = c("003", NA, "3"), x = 0)), "'003'")
    expect_identical(is.na(unname(none)), c(TRUE, TRUE, FALSE))
    d$g <- factor(d$g)
  }
  d$g[3] <- NA
  expect_identical(nobs(fit(d)), 39L)
  classes <- data.frame(x = d$x, g = factor(rep(c("NA", "", "03", "3"), 10)))
  f <- bnorm(g ~ x, classes, hidden = 3, epochs = 5)
  expect_identical(nobs(f), 40L)
  expect_identical(colnames(predict(f)), levels(classes$g))
  expect_identical(levels(predict(f, type = "class")), levels(classes$g))
})

test_that("an interrupt ends a long prediction", {
  count <- 0
  slow <- own(function(b) {
    if (armed && (count <<- count + 1) == 1) tools::pskill(Sys.getpid(), tools::SIGINT)
    tanh(b)
  })
  armed <- FALSE
  f <- bnorm(dist ~ speed, cars, hidden = 2, activation = slow, epochs = 2)
  rows <- cars[rep(1:50, 4000), ]
  p <- predict(f, rows)
  expect_identical(unname(p), unname(rep(predict(f, cars), 4000)))
  armed <- TRUE
  expect_identical(tryCatch(predict(f, rows), interrupt = function(c) "interrupted"),
                   "interrupted")
  expect_lt(count, 50)
})

test_that("an interrupt ends a gradient check, and the network is as it was", {
  skip_on_os("windows")
  f <- bnorm(mpg ~ ., mtcars, hidden = c(60, 60), epochs = 2)
  before <- coef(f)
  start <- proc.time()[["user.self"]]
  system(sprintf("(sleep 0.5; kill -INT %d) &", Sys.getpid()))
  got <- tryCatch(check_gradient(f, mtcars[rep(1:32, 100), ]),
                  interrupt = function(c) "interrupted")
  expect_identical(got, "interrupted")
  expect_lt(proc.time()[["user.self"]] - start, 10) # all of it takes twice that
  expect_identical(coef(f), before)
  quick <- bn_activation("quick", function(b) {
    if (armed && (count <<- count + 1) == 20) tools::pskill(Sys.getpid(), tools::SIGINT)
    tanh(b)
  }, function(b) 1 - tanh(b)^2)
  armed <- FALSE
  count <- 0
  f <- bnorm(mpg ~ wt, mtcars, hidden = 2, activation = quick, epochs = 2)
  armed <- TRUE
  expect_identical(tryCatch(check_gradient(f), interrupt = function(c) "interrupted"),
                   "interrupted")
  expect_lt(count, 25)
})
