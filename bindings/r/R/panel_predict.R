# Structured models: predictions, marginal effects, curves.

predict.panel_net <- function(object, newdata, new = c("error", "na", "zero"), se.fit = FALSE,
                              interval = c("none", "confidence"), level = 0.95, ...) {
  call <- sys.call()
  new <- one_of(new, c("error", "na", "zero"), "new", call)
  interval <- one_of(interval, c("none", "confidence"), "interval", call)
  check_flag(se.fit, "se.fit", call)
  check_level(level, call)
  if (missing(newdata)) {
    needs_rows(object, "; 'newdata' is needed", call)
    if (!se.fit && interval == "none") return(fitted(object))
  }
  v <- if (se.fit || interval != "none") covariance_of_call(object, ..., call = call)
  columns <- if (missing(newdata)) {
    table_columns(unclass(object$model)[names(object$model)], call)
  } else {
    panel_columns(object, newdata, call)
  }
  made <- of_newdata(.Call(C_panel_predict, panel_pointer(object), v$pointer, columns,
                           match(new, c("error", "na", "zero")) - 1), call,
                     if (missing(newdata)) "data" else "newdata")
  foreign <- made$kinds == 2
  if (any(foreign)) {
    warning(structure(class = c("bnorm_warning_foreign", "bnorm_warning", "warning", "condition"),
                      list(message = paste0(sum(foreign), " of ", length(foreign),
                                            " rows cannot be predicted; the first: ", made$why),
                           call = call)))
  }
  rows <- if (missing(newdata)) row.names(object$model) else row.names(newdata)
  fit <- stats::setNames(made$mean, rows)
  if (missing(newdata)) {
    fit <- stats::napredict(object$na.action, fit[object$rows])
    made$se <- stats::napredict(object$na.action, made$se[object$rows])
  }
  if (interval != "none") {
    half <- critical(object, v, (1 + level) / 2) * made$se
    out <- cbind(fit = fit, lwr = fit - half, upr = fit + half)
  } else {
    out <- fit
  }
  if (!se.fit) return(out)
  list(fit = out, se.fit = stats::setNames(made$se, rownames(as.matrix(fit))), df = v$info$df,
       residual.scale = object$info$sigma)
}

# The columns of newdata that the right side asks for, of the types of the fit.
panel_columns <- function(object, newdata, call) {
  if (is.matrix(newdata)) newdata <- as.data.frame(newdata)
  if (!is.data.frame(newdata)) {
    refuse("argument", "'newdata' must be a data frame; got ", describe(newdata), call = call)
  }
  if (!nrow(newdata)) refuse("data", "'newdata' has no rows", call = call)
  sides <- split_bar(object$formula[[3]])
  levels <- setdiff(effect_names(sides$effects), all.vars(sides$terms))
  names <- all.vars(object$formula[[3]])
  of_newdata({
    columns <- find_columns(names, newdata, environment(object$formula), call)
    for (name in names) {
      columns[[name]] <- if (name %in% levels) of_levels(object, columns[[name]], name)
      else of_type(object, columns[[name]], name, call)
    }
    table_columns(columns, call)
  }, call)
}

# Levels may come as numbers or as text that says the same.
of_levels <- function(object, v, name) {
  v <- level_column(v)
  was <- object$model[[name]]
  if (is.null(was) || is_text(was) == is_text(v)) return(v)
  if (is_text(was)) return(as.character(v))
  numbers <- suppressWarnings(as.numeric(as.character(v)))
  if (any(is.na(numbers) & !is.na(v))) as.character(v) else numbers
}

# ------------------------------------------------------------------------- marginal effects

marginal_effects <- function(object, ...) UseMethod("marginal_effects")

marginal_effects.panel_net <- function(object, ..., level = 0.95) {
  call <- sys.call()
  check_level(level, call)
  v <- covariance_of_call(object, ..., call = call)
  structure(margins_table(object, v, level), label = vcov_label(v), level = level,
            class = c("panel_margins", "data.frame"))
}

margins_table <- function(object, v, level) {
  m <- .Call(C_panel_margins, panel_pointer(object), v$pointer)
  half <- critical(object, v, (1 + level) / 2) * m$se
  statistic <- m$estimate / m$se
  data.frame(variable = object$facts$inputs, estimate = m$estimate, se = m$se,
             statistic = statistic, p = p_values(object, v, statistic), low = m$estimate - half,
             high = m$estimate + half)
}

print.panel_margins <- function(x, digits = max(3L, getOption("digits") - 3L), ...) {
  cat("Average marginal effects (standard errors: ", attr(x, "label"), ")\n", sep = "")
  m <- as.matrix(x[c("estimate", "se", "statistic", "p")])
  dimnames(m) <- list(x$variable, c("Estimate", "Std. Error", "t value", "Pr(>|t|)"))
  stats::printCoefmat(m, digits = digits, signif.stars = FALSE, ...)
  invisible(x)
}

effect_curve <- function(object, variable, at = NULL, level = 0.95, ...) {
  call <- sys.call()
  if (!inherits(object, "panel_net")) {
    refuse("argument", "'object' must be a fit by panel_net(); got ", describe(object), call = call)
  }
  check_level(level, call)
  k <- if (is.character(variable) && length(variable) == 1) match(variable, object$facts$inputs)
  if (is.null(k) || is.na(k)) {
    refuse("argument", "'variable' must be one of ", paste(object$facts$inputs, collapse = ", "),
           "; got ", if (is.null(k)) describe(variable) else paste0("'", variable, "'"),
           call = call)
  }
  if (is.null(at)) {
    needs_rows(object, "; give the values 'at'", call)
    ends <- range(.Call(C_panel_values, panel_pointer(object), k - 1))
    at <- seq(ends[1], ends[2], length.out = 50)
  }
  v <- covariance_of_call(object, ..., call = call)
  made <- .Call(C_panel_profile, panel_pointer(object), v$pointer, k - 1, as.double(at))
  half <- critical(object, v, (1 + level) / 2) * made$se
  data.frame(at = at, effect = made$estimate, se = made$se, low = made$estimate - half,
             high = made$estimate + half)
}

plot.panel_net <- function(x, variables = x$facts$inputs, level = 0.95, ask = FALSE, xlab = NULL,
                           ylab = NULL, col = "grey85", ..., vcov = list()) {
  call <- sys.call()
  check_flag(ask, "ask", call)
  if (!is.character(variables) || !all(variables %in% x$facts$inputs)) {
    refuse("argument", "'variables' must be among ", paste(x$facts$inputs, collapse = ", "),
           call = call)
  }
  if (!is.list(vcov)) refuse("argument", "'vcov' must be a list of arguments of vcov()", call = call)
  curves <- lapply(stats::setNames(nm = variables), function(name) {
    do.call(effect_curve, c(list(x, name, level = level), vcov))
  })
  many <- length(variables)
  old <- if (many > 1) par(mfrow = n2mfrow(many), ask = ask) else par(ask = ask)
  on.exit(par(old))
  for (name in variables) {
    plot_curve(x, name, curves[[name]], or(xlab, name),
               or(ylab, paste("effect on", x$facts$target)), col, ...)
  }
  invisible(curves)
}

plot_curve <- function(x, name, curve, xlab, ylab, col, ...) {
  heights <- range(curve$effect, curve$low, curve$high, na.rm = TRUE, finite = TRUE)
  plot.default(curve$at, curve$effect, type = "n", ylim = heights, xlab = xlab, ylab = ylab, ...)
  if (!anyNA(curve$se)) {
    polygon(c(curve$at, rev(curve$at)), c(curve$low, rev(curve$high)), col = col,
                      border = NA)
  }
  abline(h = 0, lty = 3)
  lines(curve$at, curve$effect)
  values <- .Call(C_panel_values, panel_pointer(x), match(name, x$facts$inputs) - 1)
  at <- unique(values)
  rug(if (length(at) > 500) stats::quantile(at, seq(0, 1, 0.002)) else at)
}
