# What R expects of a structured model.

# ------------------------------------------------------------------------------------ parts

coef.panel_net <- function(object, type = c("linear", "all"), ...) {
  type <- one_of(type, c("linear", "all"), "type", sys.call())
  if (type == "linear") return(object$coefficients)
  networks <- .Call(C_panel_coef, panel_pointer(object))$networks
  networks <- lapply(networks, function(n) lapply(n, function(m) if (nrow(m) == 1) m[1, ] else m))
  c(list(linear = object$coefficients), stats::setNames(networks, rep_len(object$facts$networks, length(networks))))
}

fixef <- function(object, ...) UseMethod("fixef")

fixef.panel_net <- function(object, ...) .Call(C_panel_effects, panel_pointer(object))

needs_rows <- function(object, what, call) {
  if (is.null(object$rows)) {
    refuse("argument", "a loaded model does not hold its data", what, call = call)
  }
}

fitted.panel_net <- function(object, ...) {
  needs_rows(object, "; use predict()", sys.call())
  stats::napredict(object$na.action, object$fitted.values)
}

residuals.panel_net <- function(object, ...) {
  needs_rows(object, "", sys.call())
  stats::naresid(object$na.action, object$residuals)
}

weights.panel_net <- function(object, ...) stats::naresid(object$na.action, object$weights)
formula.panel_net <- function(x, ...) x$formula
nobs.panel_net <- function(object, ...) object$info$rows
df.residual.panel_net <- function(object, ...) object$info$df
sigma.panel_net <- function(object, ...) object$info$sigma

# The sum of squares, or of the logistic loss that of a binomial glm(), which needs the rows.
deviance.panel_net <- function(object, ...) {
  if (!is_logistic(object)) return(object$info$sse)
  if (is.null(object$rows)) return(NA_real_)
  y <- pmin(pmax(object$fitted.values + object$residuals, 0), 1)
  sum(stats::binomial()$dev.resids(y, object$fitted.values, or(object$weights, 1 + 0 * y)))
}

# Gaussian, as that of lm(); only of a fit that maximises it.
logLik.panel_net <- function(object, ...) {
  if (is_logistic(object) || length(object$facts$networks) || isTRUE(object$penalties[["linear"]] > 0)) {
    refuse("argument", "logLik() is for the squared loss without network and penalty: other fits ",
           "do not maximise a likelihood", call = sys.call())
  }
  i <- object$info
  w <- or(object$weights, 1)
  value <- 0.5 * (sum(log(w)) - i$rows * (log(2 * pi) + 1 - log(i$rows) + log(i$sse)))
  if (is.null(object$weights)) value <- -0.5 * i$rows * (log(2 * pi) + 1 - log(i$rows) + log(i$sse))
  structure(value, df = i$rows - i$df + 1, nobs = i$rows, class = "logLik")
}

# A formula such as . ~ . + x changes the terms; one with a bar the effects, too.
update.panel_net <- function(object, formula., ..., evaluate = TRUE) {
  call <- object$call
  if (is.null(object$rows)) {
    refuse("argument", "'object' is a loaded model, which holds neither data nor the call that ",
           "fitted it; fit anew by panel_net()", call = sys.call())
  }
  if (!missing(formula.)) call$formula <- update_bar(formula(object), formula.)
  extras <- match.call(expand.dots = FALSE)$...
  for (name in names(extras)) call[[name]] <- extras[[name]]
  if (evaluate) eval(call, parent.frame()) else call
}

update_bar <- function(old, new) {
  was <- split_bar(old[[3]])
  wanted <- split_bar(new[[length(new)]])
  part <- function(right, change, left) {
    a <- b <- old
    a[[3]] <- right
    b[[2]] <- if (left && length(new) == 3) new[[2]] else quote(.)
    b[[3]] <- change
    stats::update.formula(a, b)
  }
  made <- part(was$terms, wanted$terms, TRUE)
  effects <- if (is.null(wanted$effects)) was$effects
  else if (is.null(was$effects)) wanted$effects
  else part(was$effects, wanted$effects, FALSE)[[3]]
  made[[3]] <- join_bar(made[[3]], effects)
  made
}

# --------------------------------------------------------------------------------- printing

print.panel_net <- function(x, digits = max(3L, getOption("digits") - 3L), ...) {
  print_call(x)
  print_panel(x, digits)
  if (length(coef(x))) {
    cat("\nCoefficients:\n")
    print.default(format(coef(x), digits = digits), print.gap = 2L, quote = FALSE)
  }
  invisible(x)
}

print_call <- function(x) cat("\nCall:\n", paste(deparse(x$call), collapse = "\n"), "\n\n", sep = "")

counted <- function(n, one, many = paste0(one, "s")) {
  paste(format(n, big.mark = ",", scientific = FALSE), if (n == 1) one else many)
}

print_panel <- function(x, digits) {
  i <- x$info
  f <- x$facts
  cat(if (is_logistic(x)) "Logistic model" else "Least squares", " for ", f$target, ": ",
      counted(i$rows, "row"),
      if (!is.na(i$units) && i$units > 0) paste0(", ", counted(i$units, "unit")),
      if (!is.na(i$periods) && i$periods > 0) paste0(", ", counted(i$periods, "period")), "\n",
      sep = "")
  out <- c(missing = i$missing, "without weight" = i$weightless, "alone in a level" = i$singletons)
  out <- out[out > 0]
  if (length(out)) cat("Left out: ", paste(out, names(out), collapse = ", "), "\n", sep = "")
  if (!is.na(i$duplicates) && i$duplicates > 0) {
    cat("Unit-period pairs seen again: ", i$duplicates, "\n", sep = "")
  }
  if (length(f$dropped)) {
    cat("Dropped as collinear: ", paste(f$dropped, collapse = ", "), "\n", sep = "")
  }
  if (length(f$factors)) {
    cat("Fixed effects: ", paste(f$factors, collapse = " + "), " (", i$absorbed,
        " parameters absorbed)\n", sep = "")
  }
  if (length(f$networks)) {
    cat("Networks: ", paste(f$networks, collapse = " + "), " (", i$top, " columns, ", i$hidden,
        " parameters below)\n", sep = "")
  }
  if (!is_logistic(x)) {
    cat("R squared: ", format(i$r2, digits = digits),
        if (length(f$factors)) paste0(", within ", format(i$r2_within, digits = digits)),
        "; residual standard error ", format(i$sigma, digits = digits), " on ", format(i$df),
        " degrees of freedom\n", sep = "")
  } else {
    cat("R squared: ", format(i$r2, digits = digits), "; RMSE ", format(i$rmse, digits = digits),
        "\n", sep = "")
  }
}

coefficient_table <- function(object, v) {
  b <- coef(object)
  se <- standard_errors(object, v)
  statistic <- b / se
  letter <- if (is_logistic(object)) "z" else "t"
  m <- cbind(b, se, statistic, p_values(object, v, statistic))
  dimnames(m) <- list(names(b), c("Estimate", "Std. Error", paste(letter, "value"),
                                  paste0("Pr(>|", letter, "|)")))
  m
}

summary.panel_net <- function(object, ..., margins = length(object$facts$networks) > 0 &&
                                !is.null(object$rows)) {
  call <- sys.call()
  check_flag(margins, "margins", call)
  v <- covariance_of_call(object, ..., call = call)
  structure(class = "summary.panel_net", list(
    fit = object, coefficients = coefficient_table(object, v),
    margins = if (margins) margins_table(object, v, 0.95), vcov = v$info,
    label = vcov_label(v), residuals = if (!is.null(object$rows)) object$residuals))
}

coef.summary.panel_net <- function(object, ...) object$coefficients

print.summary.panel_net <- function(x, digits = max(3L, getOption("digits") - 3L),
                                    signif.stars = FALSE, ...) {
  fit <- x$fit
  print_call(fit)
  print_panel(fit, digits)
  table <- function(m, title) {
    if (!NROW(m)) return(invisible())
    cat("\n", title, " (standard errors: ", x$label, "):\n", sep = "")
    stats::printCoefmat(m, digits = digits, signif.stars = signif.stars, na.print = "NA", ...)
  }
  table(x$coefficients, "Coefficients")
  if (!is.null(x$margins)) {
    m <- as.matrix(x$margins[c("estimate", "se", "statistic", "p")])
    dimnames(m) <- list(x$margins$variable, colnames(x$coefficients))
    table(m, "Average marginal effects")
  }
  if (length(fit$facts$networks) && !is.null(fit$report)) {
    r <- fit$report
    cat("\nTraining: ", r$optimizer, ", ", counted(r$epochs, "epoch"), ", ",
        counted(r$starts, "start"),
        if (r$starts > 1) paste0(" (objectives ", format(r$objective[1], digits = digits), " to ",
                                 format(r$objective[2], digits = digits), ")"),
        if (isTRUE(r$converged)) ", converged",
        if (!is.na(r$validation_rmse)) paste0("; held-out RMSE ",
                                              format(r$validation_rmse, digits = digits)),
        "\nEffective degrees of freedom: ", format(x$vcov$edf, digits = digits), "\n", sep = "")
  }
  lost <- x$vcov$unidentified
  if (length(lost)) {
    cat("Not identified: ", paste(utils_head(lost, 3L), collapse = "; "),
        if (length(lost) > 3) paste0(" (", length(lost), " directions in all)"), "\n", sep = "")
  }
  invisible(x)
}
