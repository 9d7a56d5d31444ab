# Structured models and other packages: methods for their generics, registered when they are loaded.

# sum_i estfun_i = 0 at the solution without penalties: the score in the order of vcov(all = TRUE).
estfun.panel_net <- function(x, full = FALSE, ...) {
  needs_rows(x, "", sys.call())
  model.matrix(x, full) * (x$residuals * or(x$weights, 1))
}

# Q[P, V], or the Jacobian of Qy in all parameters.
model.matrix.panel_net <- function(object, full = FALSE, ...) {
  needs_rows(object, "", sys.call())
  j <- .Call(C_panel_design, panel_pointer(object), full)
  dimnames(j) <- list(names(object$residuals), parameter_names(object, full))
  j
}

# rows times the inverse of J' Omega J + penalties: with estfun() the sandwich of vcov(all = TRUE).
bread.panel_net <- function(x, full = FALSE, ...) {
  needs_rows(x, "", sys.call())
  j <- model.matrix(x, full)
  a <- crossprod(j, or(x$weights, 1) * j)
  linear <- length(coef(x))
  top <- seq_len(x$info$top) + linear
  diag(a)[top] <- diag(a)[top] + x$info$n * x$penalties[["top"]]
  if (x$penalties[["linear"]] > 0) {
    k <- seq_len(linear)
    diag(a)[k] <- diag(a)[k] * (1 + x$penalties[["linear"]])
  }
  structure(nrow(j) * chol2inv(chol(a)), dimnames = dimnames(a))
}

tidy.panel_net <- function(x, conf.int = FALSE, conf.level = 0.95, ...) {
  check_flag(conf.int, "conf.int", sys.call())
  v <- covariance_of_call(x, ..., call = sys.call())
  m <- coefficient_table(x, v)
  d <- data.frame(term = rownames(m), estimate = m[, 1], std.error = m[, 2], statistic = m[, 3],
                  p.value = m[, 4], row.names = NULL)
  if (!conf.int) return(d)
  ci <- confint(x, level = conf.level, ...)
  cbind(d, conf.low = ci[, 1], conf.high = ci[, 2], row.names = NULL)
}

glance.panel_net <- function(x, ...) {
  i <- x$info
  data.frame(r.squared = i$r2, within.r.squared = i$r2_within, sigma = i$sigma, rmse = i$rmse,
             df.residual = i$df, nobs = i$rows, units = i$units, periods = i$periods,
             absorbed = i$absorbed, terms = length(coef(x)), networks = length(x$facts$networks),
             deviance = stats::deviance(x))
}

augment.panel_net <- function(x, data = NULL, newdata = NULL, ...) {
  if (!is.null(newdata)) {
    return(cbind(newdata, .fitted = unname(predict(x, newdata, ...))))
  }
  needs_rows(x, "; give 'newdata'", sys.call())
  if (is.null(data)) data <- x$model
  at <- if (nrow(data) == nrow(x$model)) x$rows else seq_along(x$rows)
  d <- if (nrow(data) == nrow(x$model)) data[at, , drop = FALSE] else data
  if (nrow(d) != length(at)) {
    refuse("argument", "'data' has ", nrow(data), " rows; the model has ", nrow(x$model),
           call = sys.call())
  }
  cbind(d, .fitted = unname(x$fitted.values), .resid = unname(x$residuals))
}
