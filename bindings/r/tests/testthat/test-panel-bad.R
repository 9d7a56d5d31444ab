# Structured models: bad input is a condition that names what and where, or a counted action.

set.seed(2)
d <- data.frame(id = rep(c("a", "b", "c", "d"), each = 5), t = rep(1:5, 4), x = rnorm(20), z = rnorm(20))
d$y <- d$x + rnorm(20)
d$one <- "same"

test_that("arguments are checked by name", {
  for (f in list("y ~ x", ~x, 1, NULL)) expect_refused(panel_net(f, d), "argument", "'formula'")
  expect_refused(panel_net(y ~ x, 1:3), "argument", "'data'")
  expect_refused(panel_net(y ~ x | nowhere, d), "data", "no column 'nowhere'")
  expect_refused(panel_net(y ~ x | id, d[0, ]), "data", "no rows")
  expect_refused(panel_net(y ~ x | id | t, d), "formula", "|")
  expect_refused(panel_net(y ~ x + 2 * nn(z), d), "formula", "nn")
  expect_refused(panel_net(y ~ x | id:t, d), "formula", "\\^")
  for (h in list("a", -1, 1.5, NA, list(1), sum)) {
    expect_refused(panel_net(y ~ nn(x) | id, d, hidden = h), "argument", "'hidden'")
  }
  for (p in c("penalty", "penalty_top", "penalty_linear")) {
    for (v in list(-1, "a", NA, 1:2)) {
      expect_refused(do.call(panel_net, c(list(y ~ x, d), setNames(list(v), p))), "argument", p)
    }
  }
  expect_refused(panel_net(y ~ x, d, validate = 1), "argument", "'validate'")
  expect_refused(panel_net(y ~ x, d, dropout = 1), "argument", "'dropout'")
  expect_refused(panel_net(y ~ x, d, hold = "some"), "argument", "'hold'")
  expect_refused(panel_net(y ~ x, d, loss = "hinge"), "argument", "'loss'")
  expect_refused(panel_net(y ~ x, d, optimizer = "sgd"), "argument", "'optimizer'")
  expect_refused(panel_net(y ~ x, d, vcov = "hc9"), "argument", "'vcov'|'type'")
  expect_refused(panel_net(y ~ x, d, unit = 1), "argument", "'unit'")
  expect_refused(panel_net(y ~ x, d, unit = "nowhere"), "data", "nowhere")
  expect_refused(panel_net(y ~ x, d, control = list(speed = 1)), "argument", "'speed'")
  expect_refused(panel_net(y ~ x, d, starts = 0), "argument", "'starts'")
  expect_refused(panel_net(y ~ x, d, bags = -1), "argument", "'bags'")
  expect_refused(panel_net(y ~ nn(x), d, activation = "other"), "argument", "'activation'")
  expect_refused(panel_net(y ~ x, d, na.action = "what"), "argument", "'na.action'")
})

test_that("weights are checked, and missing ones counted", {
  expect_refused(panel_net(y ~ x | id, d, weights = 1:3), "argument", "'weights' must be 20 numbers")
  expect_refused(panel_net(y ~ x | id, d, weights = c(-1, 1:19)), "argument", "'weights'\\[1\\] is -1")
  expect_refused(panel_net(y ~ x | id, d, weights = c(Inf, 1:19)), "argument", "'weights'\\[1\\]")
  expect_refused(panel_net(y ~ x | id, d, weights = "a"), "argument", "'weights'")
  expect_refused(panel_net(y ~ x | id, d, weights = rep(0, 20)), "data", "row")
  fit <- panel_net(y ~ x | id, d, weights = c(NA, 0, rep(2, 18)))
  expect_identical(c(fit$info$missing, fit$info$weightless, fit$info$rows), c(1, 1, 18))
})

test_that("values that are not there or not finite", {
  for (name in c("y", "x", "id")) {
    e <- d
    e[[name]][4] <- NA
    expect_identical(panel_net(y ~ x | id, e)$info$missing, 1)
    expect_refused(panel_net(y ~ x | id, e, na.action = na.fail), "data", "4")
  }
  expect_refused(panel_net(y ~ x | id, transform(d, x = replace(x, 2, Inf))), "data", "2")
  expect_refused(panel_net(y ~ log(x) | id, transform(d, x = replace(abs(x), 2, 0))), "data", "log")
  expect_refused(panel_net(y ~ x | id, transform(d, y = NA_real_)), "data", "")
  expect_refused(panel_net(y ~ x | id, transform(d, id = 1:20)), "data", "alone")
})

test_that("nothing to estimate", {
  expect_error(panel_net(y ~ 1 | id, d), class = "bnorm_error")
  expect_error(panel_net(y ~ fixed | id, transform(d, fixed = match(id, letters))),
               class = "bnorm_error")
})

test_that("clusters", {
  fit <- panel_net(y ~ x | id, d)
  expect_refused(vcov(fit, cluster = "one"), "data", "one|single")
  expect_refused(vcov(fit, cluster = rep(1, 20)), "data", "single|one")
  expect_refused(vcov(fit, cluster = "nowhere"), "argument", "'nowhere'")
  moved <- d
  other <- panel_net(y ~ x | id, moved)
  moved <- moved[rev(seq_len(nrow(moved))), ]
  moved$half <- rep(1:2, 10)
  expect_refused(vcov(other, cluster = "half"), "argument", "changed since the fit")
  expect_refused(vcov(fit, cluster = 1:3), "argument", "length 3; the model has 20 rows")
  expect_refused(vcov(fit, cluster = list(1:20, 1:20, 1:20)), "argument", "3 clusterings")
  expect_refused(vcov(fit, cluster = sum), "argument", "'cluster'")
  expect_refused(vcov(fit, cluster = c(NA, 1:19)), "data", "")
  expect_refused(vcov(fit, "hc1", "id"), "argument", "'cluster' is for")
  expect_refused(vcov(fit, "other"), "argument", "'type'")
  expect_refused(vcov(fit, count = "some"), "argument", "'count'")
  expect_refused(vcov(fit, full = NA), "argument", "'full'")
  expect_refused(vcov(panel_net(y ~ x, d), "cluster"), "argument", "no unit to cluster by")
  expect_refused(confint(fit, level = 2), "argument", "'level'")
})

test_that("predictions", {
  fit <- panel_net(y ~ x + nn(z) | id + t, d, hidden = 2, epochs = 5)
  expect_refused(predict(fit, d["x"]), "data", "'newdata' has no column")
  expect_refused(predict(fit, 1:3), "argument", "'newdata'")
  expect_refused(predict(fit, d[0, ]), "data", "no rows")
  expect_refused(predict(fit, transform(d, x = "a")), "data", "'x' of 'newdata'")
  expect_refused(predict(fit, transform(d, id = "q")), "data", "newdata.*q")
  expect_refused(predict(fit, d, new = "some"), "argument", "'new'")
  expect_refused(predict(fit, d, interval = "some"), "argument", "'interval'")
  expect_true(all(is.na(predict(fit, transform(d, x = NA)))))
  expect_refused(effect_curve(fit, "q"), "argument", "'variable' must be one of")
  expect_refused(effect_curve(fit, 1), "argument", "'variable'")
  expect_refused(effect_curve(fit, "z", at = c(1, NA)), "argument", "'at'")
  expect_refused(effect_curve(d, "z"), "argument", "'object'")
  expect_refused(plot(fit, "q"), "argument", "'variables'")
})

test_that("objects that were damaged, folds that cannot be", {
  fit <- panel_net(y ~ x | id, d)
  fit$pointer <- NULL
  fit$bytes <- as.raw(1:9)
  expect_error(predict(fit, d), class = "bnorm_error")
  fit$bytes <- "a"
  expect_refused(predict(fit, d), "format", "damaged")
  expect_refused(cv_panel(y ~ nn(x) | id, d, hidden = list()), "argument", "'hidden'")
  expect_refused(cv_panel(y ~ nn(x) | id, d, penalty = -1), "argument", "'penalty'")
  expect_refused(cv_panel(y ~ nn(x) | id, d, folds = 1), "argument", "'folds'")
  expect_error(cv_panel(y ~ nn(x) | id, d, hidden = list(2), folds = 9, epochs = 2), class = "bnorm_error")
  expect_refused(cv_panel(y ~ nn(x) | id, d, by = "some"), "argument", "'by'")
})
