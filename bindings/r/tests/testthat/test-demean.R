# demean(): residuals of a regression on dummies; what it takes and refuses.

set.seed(8)
d <- data.frame(id = factor(sample(letters[1:7], 60, TRUE)), year = sample(1:5, 60, TRUE),
                t = rnorm(60), x = rnorm(60), z = runif(60))
w <- sample(0:3, 60, TRUE)
rest <- function(formula, weights = NULL) {
  d$.w <- if (is.null(weights)) rep(1, 60) else weights
  unname(d$x - suppressWarnings(predict(lm(formula, d, weights = .w), d))) # of low rank, perhaps
}

test_that("it is what a regression on dummies leaves", {
  expect_near(demean(d$x, d$id), d$x - ave(d$x, d$id), 1e-14)
  expect_near(demean(d$x, ~ id + year, data = d), rest(x ~ id + factor(year)), 1e-11)
  expect_near(demean(d$x, d[c("id", "year")], w), rest(x ~ id + factor(year), w), 1e-11)
  expect_near(demean(d$x, ~ id[t], data = d), rest(x ~ id * t), 1e-12)
  expect_near(demean(d$x, ~ id[t, z], data = d), rest(x ~ id * (t + z)), 1e-11)
  expect_near(demean(d$x, ~ year + id[[t]], data = d), rest(x ~ factor(year) + id:t), 1e-10)
  expect_near(demean(d$x, ~ id^year, data = d), rest(x ~ id:factor(year)), 1e-12)
  expect_near(demean(d$x, ~ id + year + id[t], data = d), rest(x ~ id * t + factor(year)), 1e-10)
  expect_near(demean(d$x, ~ id + as.integer(t > 0), data = d), rest(x ~ id + (t > 0)), 1e-11)
})

test_that("parameters absorbed are counted", {
  absorbed <- function(...) demean(d$x, ..., data = d, details = TRUE)$absorbed
  expect_identical(absorbed(~id), 7)
  expect_identical(absorbed(~ id + year), 11)
  expect_identical(absorbed(~ id + id[t]), 14)
  expect_identical(absorbed(~ id[t]), 14)
  expect_identical(absorbed(~ id[[t]]), 7)
  two <- demean(d$x, ~ id + year, data = d, details = TRUE)
  expect_named(two, c("x", "absorbed", "sweeps"))
  expect_identical(two$x, demean(d$x, list(d$id, d$year)))
})

test_that("vectors, matrices and data frames come back as they are", {
  m <- as.matrix(d[c("x", "z")])
  rownames(m) <- paste0("r", 1:60)
  got <- demean(m, d$id)
  expect_identical(dimnames(got), dimnames(m))
  expect_identical(unname(got[, "z"]), demean(d$z, d$id))
  expect_identical(names(demean(c(a = 1, b = 3), c(1, 1))), c("a", "b"))
  frame <- demean(cbind(d, name = "n"), ~ id + year)
  expect_identical(frame[c("id", "year", "name")], cbind(d, name = "n")[c("id", "year", "name")])
  expect_identical(frame$z, demean(d$z, d[c("id", "year")]))
  expect_identical(demean(1:4, c(1, 1, 2, 2)), c(-0.5, 0.5, -0.5, 0.5))
  expect_identical(dim(demean(m[, 0], d$id)), c(60L, 0L))
})

test_that("levels may be anything that has values, and absent", {
  by_code <- demean(d$x, as.integer(d$id))
  for (f in list(d$id, as.character(d$id), factor(d$id, c("zz", letters)), as.integer(d$id) + 0.5,
                 Sys.Date() + as.integer(d$id))) {
    expect_equal(demean(d$x, f), by_code, tolerance = 1e-15)
  }
})

test_that("what cannot be demeaned is refused by name", {
  for (x in list("a", NULL, factor(1:3), list(1), matrix("a"))) {
    expect_refused(demean(x, rep(1, length(x))), "argument", "'x'")
  }
  expect_refused(demean(1:3, 1:2), "argument", "has length 2; 'x' has 3 rows")
  expect_refused(demean(1:3, list(a = c(1, NA, 2))), "data", "'a' of 'factors' is NA in row 2")
  expect_refused(demean(1:3, ~nowhere), "data", "'nowhere' of 'factors'")
  expect_refused(demean(1:3, y ~ x), "argument", "'factors'")
  expect_refused(demean(1:3, list()), "argument", "'factors' has none")
  expect_refused(demean(1:3, sum), "argument", "'factors'")
  expect_refused(demean(1:3, 1:3, weights = 1:2), "argument", "'weights'")
  expect_refused(demean(1:3, 1:3, weights = c(-1, 1, 1)), "argument", "weight")
  expect_refused(demean(1:3, 1:3, tolerance = -1), "argument", "'tolerance'")
  expect_refused(demean(1:3, 1:3, details = NA), "argument", "'details'")
  g <- rep(1:2, 3)
  expect_refused(demean(1:6, ~ g + g[z], data = list(g = g, z = c(1, NA, 3, 4, 5, 6))), "argument",
                 "slope")
})
