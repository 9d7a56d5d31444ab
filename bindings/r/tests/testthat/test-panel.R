# Structured models: least squares with fixed effects beside lm(), networks, what rows are used.

set.seed(4)
d <- expand.grid(year = 2001:2007, id = paste0("u", sprintf("%02d", 1:12)),
                 stringsAsFactors = FALSE)
d <- d[sample(nrow(d)), ]
d$x <- rnorm(84)
d$z <- runif(84, -2, 2)
d$g <- factor(sample(c("low", "high"), 84, TRUE))
d$w <- sample(1:4, 84, TRUE)
d$y <- as.integer(factor(d$id)) / 3 + 0.7 * d$x + d$z^2 + (d$year - 2004) / 5 + rnorm(84) / 5
fe <- function(formula, data = d, ...) panel_net(formula, data, hidden = 0, ...)
part <- function(m, terms) m[terms, terms, drop = FALSE]

test_that("without a network it is least squares with dummies", {
  for (f in list(list(y ~ x + z | id, y ~ x + z + id), list(y ~ x + z, y ~ x + z),
                 list(y ~ x * g | id + year, y ~ x * g + id + factor(year)),
                 list(log(abs(y)) ~ x + I(z^2) | id[year], log(abs(y)) ~ x + I(z^2) + id * year))) {
    fit <- fe(f[[1]])
    peer <- lm(f[[2]], d)
    terms <- names(coef(fit))
    expect_equal(coef(fit), coef(peer)[terms], tolerance = 1e-9)
    expect_equal(vcov(fit, "classical"), part(vcov(peer), terms), tolerance = 1e-9)
    expect_equal(fitted(fit), fitted(peer)[names(fitted(fit))], tolerance = 1e-10)
    expect_equal(residuals(fit), residuals(peer)[names(residuals(fit))], tolerance = 1e-7)
    expect_equal(sigma(fit), sigma(peer), tolerance = 1e-10)
    expect_equal(c(df.residual(fit), nobs(fit)), c(df.residual(peer), nobs(peer)))
    expect_equal(deviance(fit), deviance(peer), tolerance = 1e-9)
    expect_equal(fit$info$r2, summary(peer)$r.squared, tolerance = 1e-9)
    expect_equal(as.numeric(logLik(fit)), as.numeric(logLik(peer)), tolerance = 1e-9)
    expect_equal(attr(logLik(fit), "df"), attr(logLik(peer), "df"))
    expect_equal(confint(fit, type = "classical"), confint(peer)[terms, , drop = FALSE],
                 tolerance = 1e-8, ignore_attr = TRUE)
    expect_equal(coef(summary(fit, type = "classical")),
                 coef(summary(peer))[terms, , drop = FALSE], tolerance = 1e-8)
  }
})

test_that("weights are analytic, and 0 leaves a row out", {
  some <- replace(d$w, 5:9, 0)
  fit <- fe(y ~ x + z | id, weights = some)
  peer <- lm(y ~ x + z + id, d, weights = some)
  expect_equal(coef(fit), coef(peer)[c("x", "z")], tolerance = 1e-10)
  expect_equal(vcov(fit, "classical"), part(vcov(peer), c("x", "z")), tolerance = 1e-9)
  expect_identical(fit$info$weightless, 5)
  expect_identical(nobs(fit), 79)
  expect_equal(as.numeric(logLik(fit)), as.numeric(logLik(peer)), tolerance = 1e-9)
  once <- fe(y ~ x + z | id, weights = w)
  expect_identical(coef(once), coef(fe(y ~ x + z | id, weights = d$w)))
  twice <- fe(y ~ x + z | id, weights = 2 * w)
  for (type in c("classical", "hc1", "cluster")) {
    expect_equal(vcov(twice, type), vcov(once, type), tolerance = 1e-10)
  }
})

test_that("neither the order of rows nor the kind of the factor matters", {
  fit <- fe(y ~ x + z | id + year)
  sorted <- d[order(d$id, d$year), ]
  for (other in list(sorted, transform(sorted, id = factor(id)),
                     transform(sorted, year = factor(year)),
                     transform(sorted, year = as.Date(paste0(year, "-01-01"))))) {
    again <- fe(y ~ x + z | id + year, other)
    expect_equal(coef(again), coef(fit), tolerance = 1e-11)
    expect_equal(vcov(again), vcov(fit), tolerance = 1e-10)
    expect_equal(fitted(again)[names(fitted(fit))], fitted(fit), tolerance = 1e-11)
    expect_equal(unname(unlist(fixef(again))), unname(unlist(fixef(fit))), tolerance = 1e-9)
  }
})

test_that("clusters are names, formulas or vectors, one way or two", {
  fit <- panel_net(y ~ x + z | id + year, d)
  expect_identical(vcov(fit), vcov(fit, "cluster", "id"))
  expect_identical(vcov(fit), vcov(fit, cluster = ~id))
  expect_equal(vcov(fit), vcov(fit, cluster = d$id), tolerance = 1e-13)
  two <- vcov(fit, cluster = c("id", "year"))
  expect_identical(two, vcov(fit, cluster = ~ id + year))
  expect_equal(two, vcov(fit, cluster = list(d$id, d$year)), tolerance = 1e-13)
  expect_equal(vcov(fit, cluster = "g"), vcov(fit, cluster = d$g), tolerance = 1e-13)
  expect_false(isTRUE(all.equal(two, vcov(fit))))
  by_year <- fe(y ~ x + z | id + year, cluster = "year")
  expect_identical(vcov(by_year), vcov(fit, cluster = "year"))
  expect_identical(vcov(fe(y ~ x, vcov = "hc1")), vcov(fe(y ~ x), "hc1"))
  expect_identical(vcov(fe(y ~ x)), vcov(fe(y ~ x), "classical"))
  for (c in c("nested", "none", "all")) expect_true(all(is.finite(vcov(fit, count = c))))
  e <- transform(d, x = replace(x, which(year > 2002)[3], NA))
  some <- panel_net(y ~ x + z | id, e, subset = year > 2002)
  of_all <- vcov(some, cluster = "g")
  expect_equal(of_all, vcov(some, cluster = d$g), tolerance = 1e-13)
  expect_equal(of_all, vcov(some, cluster = d$g[d$year > 2002]), tolerance = 1e-13)
  expect_equal(of_all, vcov(some, cluster = d$g[d$year > 2002][-3]), tolerance = 1e-13)
  expect_equal(of_all, vcov(panel_net(y ~ x + z | id, e[which(d$year > 2002)[-3], ]), cluster = "g"),
               tolerance = 1e-12)
})

test_that("sandwich's estimators are ours", {
  skip_if_not_installed("sandwich")
  for (fit in list(fe(y ~ x + z | id), fe(y ~ x + z | id + year, weights = d$w), fe(y ~ x))) {
    expect_equal(sandwich::vcovHC(fit, type = "HC0"), vcov(fit, "hc0"), tolerance = 1e-10)
    expect_equal(sandwich::vcovCL(fit, d$id, type = "HC1"), vcov(fit, cluster = d$id, count = "none"),
                 tolerance = 1e-10)
    expect_equal(sandwich::vcovCL(fit, d[c("id", "year")], type = "HC0", cadjust = FALSE),
                 vcov(fit, cluster = list(d$id, d$year), small = FALSE), tolerance = 1e-10)
  }
})

test_that("what is left out is counted, and keeps its place", {
  bad <- d
  bad$x[3] <- NA
  bad$y[7] <- NaN
  bad$id[11] <- NA
  bad$w[13] <- NA
  bad <- rbind(bad, transform(d[1, ], id = "alone"))
  for (action in list(na.omit, na.exclude)) {
    fit <- fe(y ~ x + z | id, bad, weights = w, na.action = action)
    expect_identical(c(fit$info$missing, fit$info$singletons), c(4, 1))
    expect_identical(unname(unclass(fit$na.action)[1:5]), c(3L, 7L, 11L, 13L, 85L), ignore_attr = TRUE)
    expect_length(residuals(fit), if (identical(action, na.omit)) 80 else 85)
  }
  expect_identical(which(is.na(residuals(fit))), fit$na.action, ignore_attr = TRUE)
  expect_refused(fe(y ~ x | id, bad, na.action = na.fail), "data", "row|missing")
  kept <- fe(y ~ x + z | id, bad, singletons = "keep")
  expect_identical(kept$info$singletons, 0)
  expect_equal(coef(kept), coef(fe(y ~ x + z | id, bad)), tolerance = 1e-10)
  twice <- fe(y ~ x | id + year, rbind(d, d[1:3, ]))
  expect_identical(twice$info$duplicates, 3)
  expect_identical(fe(y ~ x | id + year, d[-(1:4), ])$info$gaps, 4)
})

test_that("terms that others explain are dropped aloud", {
  e <- transform(d, twice = 2 * x + z, fixed = as.integer(factor(id)))
  fit <- fe(y ~ x + z + twice + fixed | id, e)
  expect_identical(names(coef(fit)), c("x", "z"))
  expect_setequal(fit$facts$dropped, c("twice", "fixed"))
  expect_output(print(fit), "Dropped as collinear: twice, fixed")
  expect_equal(coef(fit), coef(fe(y ~ x + z | id)), tolerance = 1e-10)
})

test_that("effects are those of the dummies", {
  fit <- fe(y ~ x + z | id + year)
  effects <- fixef(fit)
  expect_named(effects, c("id", "year"))
  expect_setequal(names(effects$id), d$id)
  made <- coef(fit)["x"] * d$x + coef(fit)["z"] * d$z + effects$id[d$id] +
    effects$year[as.character(d$year)]
  expect_near(made, fitted(fit), 1e-10)
})

test_that("update() keeps the effects, and changes them after a bar", {
  fit <- panel_net(y ~ x | id, d)
  expect_identical(formula(update(fit, . ~ . + z)), y ~ x + z | id, ignore_attr = TRUE)
  expect_identical(formula(update(fit, . ~ . | . + year)), y ~ x | id + year, ignore_attr = TRUE)
  expect_identical(formula(update(fit, log(abs(y)) ~ .)), log(abs(y)) ~ x | id, ignore_attr = TRUE)
  expect_identical(nobs(update(fit, subset = year > 2003)), 48)
  all <- panel_net(y ~ . | id, d[c("y", "x", "z", "id")])
  expect_identical(formula(all), y ~ x + z | id, ignore_attr = TRUE)
  expect_identical(names(coef(all)), c("x", "z"))
})

test_that("predictions carry effects, and new levels are a choice", {
  fit <- fe(y ~ x + z | id + year)
  expect_equal(predict(fit, d), fitted(fit), tolerance = 1e-12)
  expect_identical(predict(fit), fitted(fit))
  new <- transform(d[1:3, ], id = c(d$id[1], "else", d$id[3]), x = c(1, 2, NA))
  expect_refused(predict(fit, new), "data", "else")
  expect_identical(unname(is.na(predict(fit, new, "na"))), c(FALSE, TRUE, TRUE))
  zero <- predict(fit, new, new = "zero")
  expect_identical(unname(is.na(zero)), c(FALSE, FALSE, TRUE))
  effects <- fixef(fit)
  mean_effect <- mean(effects$id[d$id])
  expect_equal(unname(zero[2]), unname(2 * coef(fit)["x"] + new$z[2] * coef(fit)["z"] + mean_effect +
                                         effects$year[as.character(new$year[2])]), tolerance = 1e-10)
  expect_equal(predict(fit, transform(d, year = factor(year))), fitted(fit), tolerance = 1e-12)
  plain <- fe(y ~ x + z)
  peer <- lm(y ~ x + z, d)
  ours <- predict(plain, d[1:5, ], se.fit = TRUE, interval = "confidence", level = 0.9)
  theirs <- predict(peer, d[1:5, ], se.fit = TRUE, interval = "confidence", level = 0.9)
  expect_equal(ours$fit, theirs$fit, tolerance = 1e-9)
  expect_equal(ours$se.fit, theirs$se.fit, tolerance = 1e-9)
  expect_equal(ours$residual.scale, theirs$residual.scale, tolerance = 1e-10)
})

test_that("marginal effects of linear terms are their coefficients", {
  fit <- fe(y ~ x + z | id)
  m <- marginal_effects(fit)
  k <- match(c("x", "z"), m$variable)
  expect_equal(m$estimate[k], unname(coef(fit)), tolerance = 1e-11)
  expect_equal(m$se[k], unname(sqrt(diag(vcov(fit)))), tolerance = 1e-10)
  curve <- effect_curve(fit, "x", at = c(-1, 0, 2))
  expect_equal(diff(curve$effect), unname(coef(fit)["x"] * c(1, 2)), tolerance = 1e-10)
  expect_output(print(m), "Average marginal effects \\(standard errors: clustered by id \\(12\\)\\)")
})

test_that("packages that describe models find the methods", {
  skip_if_not_installed("generics")
  fit <- fe(y ~ x + z | id)
  t <- generics::tidy(fit, conf.int = TRUE)
  expect_named(t, c("term", "estimate", "std.error", "statistic", "p.value", "conf.low", "conf.high"))
  expect_equal(t$std.error, unname(sqrt(diag(vcov(fit)))))
  expect_identical(generics::glance(fit)$nobs, 84)
  a <- generics::augment(fit, d)
  expect_identical(a$.fitted, unname(fitted(fit)))
  expect_identical(generics::augment(fit, newdata = d[1:3, ])$.fitted, unname(predict(fit, d[1:3, ])))
  skip_if_not_installed("nlme")
  expect_identical(nlme::fixef(fit), fixef(fit))
})
