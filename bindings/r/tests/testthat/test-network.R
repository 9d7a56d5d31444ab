test_that("a fit has R's habits", {
  d <- transform(mtcars, cyl = factor(cyl))
  d$hp[3] <- NA
  fit <- bnorm(mpg ~ log(wt) + cyl + hp, d, hidden = 4, epochs = 60, na.action = na.exclude)
  expect_s3_class(fit, "bnorm")
  expect_identical(nobs(fit), 31L)
  expect_identical(formula(fit), mpg ~ log(wt) + cyl + hp, ignore_attr = TRUE)
  expect_length(fitted(fit), 32)
  expect_true(is.na(residuals(fit)[3]))
  expect_identical(names(residuals(fit)), rownames(d))
  expect_equal(fitted(fit) + residuals(fit), stats::setNames(d$mpg, rownames(d)) + 0 * d$hp)
  expect_identical(predict(fit), fitted(fit))
  expect_identical(predict(fit, d[1:2, ]), fitted(fit)[1:2])
  expect_true(is.na(predict(fit, d)[3]))
  blocks <- coef(fit)
  expect_identical(names(blocks), c("G1", "gamma1", "beta1", "G2", "bias2"))
  expect_identical(dim(blocks$G1), c(4L, 4L))
  expect_identical(rownames(blocks$G1), c("log(wt)", "factor(cyl)6", "factor(cyl)8", "hp"))
  omitted <- update(fit, na.action = na.omit)
  expect_length(residuals(omitted), 31)
  smaller <- update(fit, . ~ . - cyl, epochs = 5)
  expect_identical(formula(smaller), mpg ~ log(wt) + hp, ignore_attr = TRUE)
  expect_identical(smaller$epochs, 5L)
  expect_output(print(fit), "dense\\(4\\) - batchnorm")
  expect_output(print(summary(fit)), "Parameters \\(")
  pdf(NULL)
  expect_silent(plot(fit))
  expect_silent(plot(update(fit, validate = 0.3)))
  dev.off()
  expect_true(all(check_gradient(fit)$ok))
})

test_that("a fit learns, and is the same again", {
  set.seed(3)
  d <- data.frame(a = rnorm(300), b = runif(300))
  d$y <- sin(2 * d$a) + d$b^2
  fit <- bnorm(y ~ a + b, d, hidden = c(12, 6), activation = "tanh", penalty = 1e-5)
  expect_gt(cor(fitted(fit), d$y), 0.99)
  bnorm_threads(2)
  again <- bnorm(y ~ a + b, d, hidden = c(12, 6), activation = "tanh", penalty = 1e-5)
  bnorm_threads(1)
  expect_identical(again$bytes, fit$bytes)
  adam <- bnorm(y ~ a + b, d, hidden = 8, optimizer = "adam", epochs = 3, validate = 0.2,
                dropout = 0.1, control = list(running = TRUE))
  expect_identical(dim(adam$history), c(3L, 2L))
  expect_false(anyNA(adam$history))
  expect_length(adam$validation_rows, 60)
})

test_that("classes come back as the factor they were", {
  d <- iris
  d$Species <- factor(d$Species, levels = c("virginica", "setosa", "versicolor"))
  fit <- bnorm(Species ~ ., d, hidden = 6, epochs = 60)
  p <- predict(fit, d)
  expect_identical(colnames(p), levels(d$Species))
  expect_equal(unname(rowSums(p)), rep(1, 150))
  k <- predict(fit, d, "class")
  expect_identical(levels(k), levels(d$Species))
  expect_gt(mean(k == d$Species), 0.95)
  expect_equal(unname(rowSums(residuals(fit))), rep(0, 150), tolerance = 1e-12)
  two <- bnorm(am ~ wt, transform(mtcars, am = am == 1), hidden = 3, epochs = 30)
  expect_identical(colnames(predict(two)), c("FALSE", "TRUE"))
  expect_identical(two$info$loss, "logistic")
  numbers <- bnorm(cyl ~ wt + hp, transform(mtcars, cyl = factor(cyl)), hidden = 3, epochs = 30)
  expect_identical(numbers$levels, c("4", "6", "8"))
})

test_that("columns of text, logicals and factors that look like numbers are levels", {
  d <- data.frame(y = 1:12 + sin(1:12), a = factor(rep(1:3, 4)), l = rep(c(TRUE, FALSE), 6),
                  s = rep(c("u", "v", "w", "w"), 3))
  fit <- bnorm(y ~ ., d, hidden = 2, epochs = 3)
  expect_identical(fit$info$inputs, c("factor(a)2", "factor(a)3", "lTRUE", "sv", "sw"))
  expect_warning(p <- predict(fit, transform(d, s = replace(s, 2, "z"))), "'z'",
                 class = "bnorm_warning_foreign")
  expect_true(is.na(p[2]) && !anyNA(p[-2]))
  weighted <- bnorm(y ~ ., transform(d, w = 1:12), weights = w, hidden = 2, epochs = 3)
  expect_identical(weighted$info$inputs, fit$info$inputs)
})

test_that("weights are copies of rows", {
  d <- data.frame(x = c(1, 3, 2, 5, 4, 6), y = c(2, 1, 4, 3, 6, 7))
  w <- c(1, 2, 1, 3, 1, 1)
  a <- bnorm(y ~ x, d, weights = w, hidden = 2, epochs = 5, standardize = FALSE)
  b <- bnorm(y ~ x, d[rep(1:6, w), ], hidden = 2, epochs = 5, standardize = FALSE)
  expect_equal(predict(a, d), predict(b, d), tolerance = 1e-8)
  half <- bnorm(y ~ x, d, subset = x > 1, hidden = 2, epochs = 2)
  expect_identical(names(fitted(half)), as.character(2:6))
  x <- d$x
  y <- d$y
  expect_identical(unname(fitted(bnorm(y ~ x, hidden = 2, epochs = 5))),
                   unname(fitted(bnorm(y ~ x, d, hidden = 2, epochs = 5))))
})

test_that("a model is kept by saveRDS and by files", {
  fit <- bnorm(dist ~ speed, cars, hidden = 3, epochs = 20)
  file <- tempfile(fileext = ".rds")
  saveRDS(fit, file)
  expect_identical(predict(readRDS(file), cars), predict(fit, cars))
  expect_identical(coef(readRDS(file)), coef(fit))
  path <- tempfile(fileext = ".safetensors")
  bnorm_save(fit, path)
  loaded <- bnorm_load(path)
  expect_identical(predict(loaded, cars), predict(fit, cars))
  expect_identical(coef(loaded), coef(fit))
  expect_identical(nobs(loaded), 50)
  expect_output(print(loaded), "R squared")
  expect_output(print(summary(loaded)), "Parameters")
  expect_true(all(check_gradient(loaded, cars)$ok))
  expect_refused(check_gradient(loaded), "argument", "'newdata'")
  expect_refused(predict(loaded), "argument", "'newdata'")
  expect_refused(fitted(loaded), "argument", "data")
  bnorm_save(loaded, path)
  expect_identical(readBin(path, "raw", 1e6), fit$bytes)
})

swish <- bn_activation("swish", function(b) b * plogis(b),
                       function(b) plogis(b) + b * plogis(b) * plogis(-b))
square <- bn_loss("square", function(score, target) (score - target)^2,
                  function(score, target) 2 * (score - target), function(score) score)
scaled <- bn_layer(
  "scaled", parameters = function(inputs) list(s = rep(1, inputs), t = matrix(0.5, inputs, 2)),
  forward = function(x, params, training) cbind(sweep(x, 2, params$s, "*"), x %*% params$t),
  backward = function(x, y, dy, params) {
    p <- ncol(x)
    first <- dy[, seq_len(p), drop = FALSE]
    last <- dy[, p + 1:2, drop = FALSE]
    list(dx = sweep(first, 2, params$s, "*") + last %*% t(params$t),
         dparams = list(s = colSums(x * first), t = t(x) %*% last))
  },
  units = function(inputs) inputs + 2)

test_that("parts made of R functions are built in, checked and kept", {
  fit <- bnorm(mpg ~ wt + hp, mtcars, layers = list(scaled, 4, "batchnorm", swish),
               loss = square, epochs = 15)
  expect_true(all(check_gradient(fit)$ok))
  expect_identical(check_gradient(fit)$block[1:2], c("scaled.s1", "scaled.t1"))
  plain <- bnorm(mpg ~ wt + hp, mtcars, layers = list(scaled, 4, "batchnorm", swish), epochs = 15)
  expect_equal(fitted(plain), fitted(fit), tolerance = 1e-8)
  file <- tempfile()
  saveRDS(fit, file)
  expect_identical(predict(readRDS(file), mtcars), predict(fit, mtcars))
  bnorm_save(fit, file)
  expect_refused(bnorm_load(file), "format", "unknown")
  loaded <- bnorm_load(file, list(swish, square, scaled))
  expect_identical(predict(loaded, mtcars), predict(fit, mtcars))
})

test_that("a wrong derivative is noticed, in each kind of part", {
  fit <- function(...) bnorm(mpg ~ wt + hp, mtcars, epochs = 3, ...)
  wrong <- swish
  wrong$derivative <- function(b) plogis(b)
  report <- check_gradient(fit(hidden = 3, activation = wrong))
  expect_false(all(report$ok))
  expect_output(print(report), "a derivative is wrong: ")
  expect_output(print(check_gradient(fit(hidden = 3, activation = swish))), "every block agrees")
  wrong <- scaled
  wrong$backward <- function(x, y, dy, params) {
    d <- scaled$backward(x, y, dy, params)
    d$dparams$t <- 1.01 * d$dparams$t
    d
  }
  report <- check_gradient(fit(layers = list(wrong, 3, "batchnorm", "tanh")))
  expect_identical(report$block[!report$ok], "scaled.t1")
  wrong <- square
  wrong$gradient <- function(score, target) 1.5 * (score - target)
  expect_false(any(check_gradient(fit(hidden = 3, loss = wrong, activation = "tanh"))$ok))
})

test_that("failures of R functions are errors that name them", {
  fit <- function(...) bnorm(dist ~ speed, cars, epochs = 3, ...)
  part <- function(value = function(b) b, derivative = function(b) 0 * b + 1) {
    bn_activation("mine", value, derivative)
  }
  expect_refused(fit(activation = part(function(b) stop("no luck"))), "user",
                 "value of 'mine': no luck")
  expect_refused(fit(activation = part(function(b) 1)), "user", "numbers are expected")
  expect_refused(fit(activation = part(function(b) letters)), "user", "numbers are expected")
  expect_refused(fit(activation = part(derivative = function(b) stop("late"))), "user",
                 "derivative of 'mine': late")
  expect_refused(fit(loss = bn_loss("mine", function(s, t) stop("x"), function(s, t) s)), "user",
                 "value of 'mine'")
  layer <- function(f = function(x, params, training) x,
                    b = function(x, y, dy, params) list(dx = dy), ...) {
    list(bn_layer("mine", f, b, ...), 3, "batchnorm", "tanh")
  }
  expect_refused(fit(layers = layer(function(x, params, training) 1)), "user", "forward")
  expect_refused(fit(layers = layer(b = function(...) NULL, parameters = function(n) list(a = 1))),
                 "user", "backward")
  expect_refused(fit(layers = layer(parameters = function(n) "a")), "user", "parameters")
  expect_refused(fit(layers = layer(parameters = function(n) stop("u"))), "user", "u")
  expect_refused(fit(layers = layer(units = function(n) stop("u"))), "user", "units")
  # A function may call the package itself, and fail in it.
  inner <- function(b) bn_forward(b)$y
  expect_refused(fit(activation = part(inner)), "user", "'x' must be a numeric matrix")
  expect_true(all(check_gradient(fit(hidden = 2, activation = "tanh"))$ok))
})

test_that("an interrupt ends a fit", {
  count <- 0
  slow <- bn_activation("slow", function(b) {
    count <<- count + 1
    if (count == 50) tools::pskill(Sys.getpid(), tools::SIGINT)
    for (k in 1:100) Sys.sleep(0)
    tanh(b)
  }, function(b) 1 - tanh(b)^2)
  got <- tryCatch(bnorm(dist ~ speed, cars, hidden = 3, activation = slow, epochs = 400),
                  interrupt = function(c) "interrupted")
  expect_identical(got, "interrupted")
  expect_lt(count, 200)
  expect_s3_class(bnorm(dist ~ speed, cars, hidden = 3, epochs = 2), "bnorm")
})
