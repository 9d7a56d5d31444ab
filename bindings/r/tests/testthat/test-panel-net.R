# Structured models with networks: the fit, its gradient and covariance, curves, files, folds.

set.seed(11)
d <- data.frame(id = rep(letters[1:15], each = 10), t = rep(1:10, 15))
d$x <- rnorm(150)
d$a <- runif(150, -2, 2)
d$b <- runif(150, 0, 3)
d$y <- rep(rnorm(15), each = 10) + 0.5 * d$x + sin(2 * d$a) + rnorm(150) / 10
d$y2 <- d$y + 0.3 * d$b^2
quick <- function(formula = y ~ x + nn(a) | id, data = d, hidden = 4, epochs = 80, ...) {
  panel_net(formula, data, hidden = hidden, epochs = epochs, ...)
}

test_that("a network bends what a line cannot", {
  fit <- quick()
  expect_lt(deviance(fit), deviance(panel_net(y ~ x + a | id, d)) / 5)
  both <- quick(y2 ~ x + nn(a) + nn(b) | id)
  expect_lt(deviance(both), deviance(panel_net(y2 ~ x + a + b | id, d)) / 5)
  expect_equal(unname(coef(both)), 0.5, tolerance = 0.1)
  report <- check_gradient(both)
  expect_true(all(report$ok))
  expect_true(all(c("nn1.G1", "nn2.G1") %in% report$block))
  expect_named(coef(both, "all"), c("linear", "nn1", "nn2"))
  expect_output(print(both), "Networks: nn1 \\+ nn2")
  expect_output(print(summary(both)), "Average marginal effects")
})

test_that("the same seed gives the same bits, another starts elsewhere", {
  fit <- quick()
  expect_identical(quick()$fitted.values, fit$fitted.values)
  expect_false(identical(quick(seed = 2)$fitted.values, fit$fitted.values))
  old <- bnorm_threads(2)
  expect_identical(quick()$fitted.values, fit$fitted.values)
  bnorm_threads(old)
  many <- quick(starts = 3)
  expect_identical(many$report$starts, 3)
  expect_lte(many$report$objective[1], many$report$objective[2])
})

test_that("the top layer is ridge least squares on the hidden columns", {
  fit <- quick()
  j <- model.matrix(fit)
  expect_identical(dim(j), c(150L, 5L))
  expect_near(colSums(sandwich_scores(fit)) , ridge_pull(fit), 1e-6)
  expect_near(demean(j, d$id), j, 1e-12)
})

test_that("hidden = 0 leaves networks out", {
  expect_equal(coef(panel_net(y ~ x + nn(a) | id, d, hidden = 0)), coef(panel_net(y ~ x | id, d)))
})

test_that("covariances of both designs agree with the sandwich of their scores", {
  skip_if_not_installed("sandwich")
  fit <- quick(penalty_top = 1e-3)
  expect_equal(vcov(fit, small = FALSE, all = TRUE),
               sandwich::vcovCL(fit, d$id, type = "HC0", cadjust = FALSE), tolerance = 1e-6)
  full <- vcov(fit, full = TRUE)
  expect_identical(dim(full), c(1L, 1L))
  expect_true(full > 0)
  expect_output(print(summary(fit, full = TRUE)), "full Jacobian")
})

test_that("marginal effects are averages of slopes", {
  fit <- quick()
  m <- marginal_effects(fit)
  expect_setequal(m$variable, c("a", "x"))
  h <- 1e-4
  slope <- (predict(fit, transform(d, a = a + h)) - predict(fit, transform(d, a = a - h))) / (2 * h)
  expect_equal(m$estimate[m$variable == "a"], mean(slope), tolerance = 1e-5)
  curve <- effect_curve(fit, "a", at = c(-1, 1))
  at <- vapply(c(-1, 1), function(v) mean(predict(fit, transform(d, a = v))), 0)
  expect_equal(curve$effect, at - mean(fitted(fit)), tolerance = 1e-8)
  expect_true(all(curve$low < curve$effect & curve$effect < curve$high))
  pdf(NULL)
  on.exit(dev.off())
  drawn <- plot(fit, vcov = list(full = TRUE))
  expect_named(drawn, m$variable)
  expect_identical(nrow(plot(fit, "a")$a), 50L)
})

test_that("a fit can be kept, and comes back with its rows", {
  fit <- quick()
  file <- tempfile()
  saveRDS(fit, file)
  again <- readRDS(file)
  expect_identical(coef(again), coef(fit))
  expect_identical(predict(again, d), predict(fit, d))
  expect_equal(vcov(again, "hc1", full = TRUE), vcov(fit, "hc1", full = TRUE), tolerance = 1e-8)
  expect_equal(marginal_effects(again), marginal_effects(fit), tolerance = 1e-8)
  bnorm_save(fit, file)
  loaded <- bnorm_load(file)
  expect_s3_class(loaded, "panel_net")
  expect_identical(coef(loaded), coef(fit))
  expect_identical(predict(loaded, d), predict(fit, d), ignore_attr = TRUE)
  expect_identical(vcov(loaded), vcov(fit))
  expect_equal(predict(loaded, d[1:4, ], se.fit = TRUE)$se.fit,
               predict(fit, d[1:4, ], se.fit = TRUE)$se.fit)
  expect_equal(fixef(loaded), fixef(fit))
  expect_output(print(summary(loaded)), "clustered by id \\(15\\)")
  expect_refused(vcov(loaded, "hc1"), "argument", "loaded model does not hold its data")
  expect_refused(vcov(loaded, small = FALSE), "argument", "leave 'small' and 'count' away")
  expect_refused(confint(loaded, count = "all"), "argument", "leave 'small' and 'count' away")
  expect_refused(residuals(loaded), "argument", "does not hold its data")
  expect_refused(update(loaded, . ~ .), "argument", "loaded model")
  expect_refused(plot(loaded), "argument", "does not hold its data")
})

test_that("folds are of units or periods", {
  cv <- cv_panel(y ~ x + nn(a) | id, d, hidden = list(0, 4), penalty = c(0, 0.1), folds = 3,
                 epochs = 40)
  expect_identical(dim(cv$rmse), c(3L, 3L))
  expect_identical(cv$table$hidden, c("none", "4", "4"))
  expect_identical(cv$best, which.min(cv$table$rmse))
  expect_lt(min(cv$table$rmse), cv$table$rmse[1])
  expect_output(print(cv), "3 folds of units")
  expect_named(cv$settings, c("hidden", "penalty", "penalty_top"))
  by <- cv_panel(y ~ x + nn(a) | id, d, hidden = list(0), by = "periods", folds = 5, period = "t")
  expect_true(all(by$rmse > 0))
})

test_that("early stopping and bags", {
  held <- quick(validate = 0.2, hold = "units")
  expect_true(is.finite(held$report$validation_rmse))
  bag <- quick(bags = 3, epochs = 30)
  expect_lt(deviance(bag), deviance(panel_net(y ~ x + a | id, d)))
  expect_refused(vcov(bag), "argument", "bag")
  expect_true(all(is.na(coef(summary(bag))[, "Std. Error"])))
  expect_output(print(summary(bag)), "none, of a bag")
})

test_that("logistic models are fitted without effects", {
  e <- transform(d, up = factor(ifelse(y > 0.8, "yes", "no")))
  fit <- panel_net(up ~ x + a, e, loss = "logistic")
  peer <- glm(up ~ x + a, binomial, e, control = list(epsilon = 1e-14))
  expect_equal(coef(fit), coef(peer), tolerance = 1e-6)
  expect_equal(vcov(fit, "classical"), vcov(peer), tolerance = 1e-5)
  expect_equal(predict(fit, e), fitted(peer), tolerance = 1e-6)
  expect_equal(deviance(fit), deviance(peer), tolerance = 1e-8)
  expect_output(print(fit), paste0("RMSE ", format(sqrt(mean((peer$y - fitted(peer))^2)), digits = 4)))
  expect_refused(panel_net(up ~ x | id, e, loss = "logistic"), "formula", "logistic")
})

test_that("own activations are asked", {
  soft <- bn_activation("soft", function(b) b / sqrt(1 + b^2), function(b) (1 + b^2)^-1.5)
  fit <- quick(activation = soft, epochs = 5)
  expect_true(all(check_gradient(fit)$ok))
  wrong <- bn_activation("wrong", function(b) b^3, function(b) 2 * b^2)
  expect_false(all(check_gradient(quick(activation = wrong, epochs = 1))$ok))
  broken <- bn_activation("broken", function(b) stop("no value"), function(b) b)
  expect_refused(quick(activation = broken), "user", "no value")
})
