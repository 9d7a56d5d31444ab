# What R expects of bnorm(): arguments by place, formulas kept, columns of the types fitted with,
# conditions that name the argument and the call.

d <- data.frame(y = c(1, 2, 4, 3, 5, 6, 8, 7), x = c(1, 3, 2, 5, 4, 6, 8, 7),
                z = c(2, 1, 1, 3, 2, 4, 1, 2), g = factor(rep(c("a", "b"), 4)))
quick <- function(...) bnorm(..., hidden = 2, epochs = 3)

test_that("the first arguments go by place", {
  by_place <- bnorm(mpg ~ wt + hp, mtcars, c(3, 2), "tanh", "squared")
  by_name <- bnorm(mpg ~ wt + hp, data = mtcars, hidden = c(3, 2), activation = "tanh",
                   loss = "squared")
  expect_identical(by_place$bytes, by_name$bytes)
  expect_identical(vapply(by_place$info$layers, `[[`, "", "name")[3], "tanh")
})

test_that("a target may share variables with the right side", {
  fit <- quick(log(mpg / wt) ~ wt + hp, mtcars)
  expect_equal(residuals(fit), with(mtcars, log(mpg / wt)) - fitted(fit), ignore_attr = TRUE)
  expect_identical(predict(fit, mtcars[c("wt", "hp")]), fitted(fit))
  expect_true(all(check_gradient(fit, mtcars)$ok))
  rest <- quick(log(mpg / wt) ~ ., mtcars)
  expect_identical(rest$info$inputs, setdiff(names(mtcars), c("mpg", "wt")))
  expect_identical(predict(rest, mtcars[rest$info$inputs]), fitted(rest))
  own <- quick(log(x + 5) ~ x, d)
  expect_identical(unname(predict(own, d["x"])), unname(fitted(own)))
})

test_that("there may be no hidden layer", {
  for (none in list(NULL, numeric())) {
    fit <- bnorm(mpg ~ wt + hp, mtcars, hidden = none)
    expect_length(fit$info$layers, 1)
    expect_equal(unname(fitted(fit)), unname(fitted(lm(mpg ~ wt + hp, mtcars))), tolerance = 1e-5)
  }
})

test_that("the formula is kept with '.' written out, and update() changes it", {
  fit <- bnorm(y ~ ., d, hidden = 2, epochs = 3)
  expect_identical(formula(fit), formula(lm(y ~ ., d)), ignore_attr = TRUE)
  expect_identical(update(fit, . ~ . - z)$info$inputs, c("x", "gb"))
  expect_identical(update(fit, log(y) ~ .)$info$target, "log(y)")
  weighted <- quick(y ~ ., transform(d, w = 1:8), weights = w)
  expect_identical(formula(weighted), y ~ x + z + g, ignore_attr = TRUE)
  expect_identical(predict(fit, d[c("g", "z", "x")]), fitted(fit))
})

test_that("only columns that are used must be of a type that can be read", {
  d$when <- Sys.Date() + 1:8
  fit <- quick(y ~ . - when, d)
  expect_identical(fit$info$inputs, c("x", "z", "gb"))
  expect_identical(predict(fit, d[c("x", "z", "g")]), fitted(fit))
  expect_identical(predict(fit), fitted(fit))
  expect_true(all(check_gradient(fit)$ok))
  expect_refused(quick(y ~ ., d), "data", "'when'")
  file <- tempfile()
  plain <- quick(y ~ ., d[c("y", "x", "z", "g")])
  bnorm_save(plain, file)
  expect_identical(predict(bnorm_load(file), d), fitted(plain))
  expect_identical(predict(bnorm_load(file), d[5:2]), fitted(plain))
})

test_that("an infinite value is a row that cannot be predicted", {
  fit <- quick(y ~ x + z, d)
  expect_warning(p <- predict(fit, transform(d, x = replace(x, 3, Inf), z = replace(z, 5, NA))),
                 "1 of 8 rows cannot be predicted; the first: 'x' is not finite in row 3",
                 class = "bnorm_warning_foreign")
  expect_identical(unname(which(is.na(p))), c(3L, 5L))
  expect_identical(p[-c(3, 5)], fitted(fit)[-c(3, 5)])
})

test_that("columns must have the type that the model was fitted with", {
  fit <- quick(y ~ x + g, d)
  expect_refused(predict(fit, transform(d, x = factor(x))), "data",
                 "column 'x' of 'newdata' is .* factor; the model was fitted with numbers")
  expect_refused(predict(fit, transform(d, g = 1:8)), "data",
                 "column 'g' of 'newdata' is numeric; the model was fitted with levels")
  expect_refused(check_gradient(fit, transform(d, y = factor(y))), "data", "'y' of 'newdata'")
  expect_identical(predict(fit, transform(d, g = as.character(g))), fitted(fit))
  expect_true(all(is.na(predict(fit, transform(d, x = NA)))))
  expect_true(all(is.na(predict(fit, transform(d, g = NA)))))
  file <- tempfile()
  bnorm_save(fit, file)
  expect_refused(predict(bnorm_load(file), transform(d, x = factor(x))), "data", "'x'")
})

test_that("conditions name 'newdata' and the user's call", {
  fit <- quick(y ~ x + z, d)
  for (f in list(predict, check_gradient)) {
    expect_refused(f(fit, d["y"]), "data", "'newdata' has no column 'x'")
    expect_refused(f(fit, d[0, ]), "data", "'newdata' has no rows")
    expect_refused(f(fit, transform(d, x = Sys.time() + x)), "data", "column 'x' of 'newdata'")
  }
  expect_refused(check_gradient(fit, transform(d, x = replace(x, 1, Inf))), "data", "^newdata")
  caller <- function(code) as.character(conditionCall(tryCatch(code, error = identity))[[1]])
  expect_identical(caller(bn_forward("a")), "bn_forward")
  expect_identical(caller(bnorm(y ~ x, d, hidden = 0)), "bnorm")
  expect_identical(caller(predict(fit, d["y"])), "predict.bnorm")
  expect_identical(caller(bnorm(y ~ x, transform(d, x = 1), hidden = 2)), "bnorm")
  expect_identical(caller(bnorm_save(fit, 3)), "bnorm_save")
  infinite <- transform(d, x = replace(x, 1, Inf))
  expect_identical(caller(check_gradient(fit, infinite)), "check_gradient.bnorm")
  expect_identical(caller(check_gradient(fit, d, seed = -1)), "check_gradient.bnorm")
  expect_identical(caller(check_gradient(fit, seed = -1)), "check_gradient.bnorm")
  broken <- fit
  broken$pointer <- NULL
  broken$bytes <- NULL
  expect_identical(caller(coef(broken)), "coef.bnorm")
})

test_that("settings out of range are refused by name", {
  refused <- function(name, ...) {
    expect_refused(bnorm(y ~ x, d, epochs = 2, ...), "argument", paste0("'", name, "'"))
  }
  refused("batchnorm", batchnorm = NA)
  refused("batchnorm", batchnorm = 3)
  refused("standardize", standardize = NA)
  refused("constant", constant = NA)
  refused("constant", constant = "keep")
  refused("optimizer", optimizer = 3)
  refused("optimizer", optimizer = "other")
  refused("trace", trace = "a")
  refused("rate", rate = -1)
  refused("dropout", dropout = -1)
  refused("dropout", dropout = 1)
  refused("penalty", penalty = -1)
  refused("penalty", penalty = NA)
  fit <- quick(y ~ x, d)
  expect_identical(quick(y ~ x, d, optimizer = "lb")$optimizer, "lbfgs")
  expect_refused(predict(fit, d, "prob"), "argument", "'type'")
  expect_refused(plot(fit, which = "a"), "argument", "'which'")
  expect_refused(plot(fit, which = 5), "argument", "'which'")
  expect_refused(plot(fit, ask = NA), "argument", "'ask'")
  file <- tempfile()
  bnorm_save(fit, file)
  expect_refused(bnorm_load(file, parts = 3), "argument", "'parts'")
  expect_refused(bnorm_load(file, parts = list(3)), "argument", "'parts'")
  expect_refused(bn_running(2.5), "argument", "'p' must be a whole number of columns; got 2.5")
  expect_refused(bn_running(2, "other"), "argument", "'kind'")
  expect_refused(bn_jacobian(diag(2), "other"), "argument", "'of'")
  running <- bn_running(2)
  running$mean <- new.env()
  expect_refused(update(running, diag(2)), "argument", "'mean'")
})

test_that("what a loaded or damaged model lacks is said", {
  fit <- quick(y ~ x, d)
  file <- tempfile()
  bnorm_save(fit, file)
  expect_refused(update(bnorm_load(file), epochs = 2), "argument", "loaded model")
  for (bytes in list(NULL, "a", raw(), fit$bytes[1:100])) {
    broken <- fit
    broken$pointer <- NULL
    broken["bytes"] <- list(bytes)
    expect_refused(predict(broken, d), "format", "'bytes'")
  }
})

test_that("subset takes row names, numbers and logicals; columns may be 1-d arrays", {
  fit <- quick(mpg ~ wt, mtcars, subset = rownames(mtcars)[3:12])
  expect_identical(fit$bytes, quick(mpg ~ wt, mtcars, subset = 3:12)$bytes)
  expect_identical(names(fitted(fit)), rownames(mtcars)[3:12])
  expect_refused(quick(mpg ~ wt, mtcars, subset = c("Fiat 128", "Trabant")), "argument", "Trabant")
  array <- d
  array$x <- array(d$x)
  expect_identical(quick(y ~ x, array, subset = z < 3)$bytes, quick(y ~ x, d, subset = z < 3)$bytes)
})

test_that("dates and times are no plain numbers", {
  x <- matrix(1:6 / 2, 3)
  times <- list(Sys.Date() + 0:1, Sys.time() + 0:1, Sys.time() + 0:1 - Sys.time(),
                structure(1:2, class = "Date"))
  for (v in times) {
    expect_refused(bn_forward(x, gamma = v), "argument", "'gamma' .* got dates or times")
    expect_refused(bn_forward(x, eps = v[1]), "argument", "'eps' .* got dates or times")
    expect_refused(bn_forward(structure(v, dim = 1:2)), "argument", "'x' .* got dates or times")
  }
  expect_identical(bn_forward(structure(x, class = c("own", "matrix")))$n, 3)
})
