# Cross-validation of structured models.

cv_panel <- function(formula, data, hidden = list(NULL, 4, 8, c(8, 4)), penalty = 0,
                     penalty_top = 1e-6, by = c("units", "periods", "rows"), folds = 5, weights, subset,
                     na.action = getOption("na.action"), unit = NULL, period = NULL,
                     activation = "tanh", loss = c("squared", "logistic"), batchnorm = TRUE,
                     ddof = 0, eps = 1e-5, dropout = 0, penalty_linear = 0,
                     optimizer = c("auto", "lbfgs", "adam"), epochs = NULL, batch = 1024,
                     rate = NULL, starts = 1, validate = 0,
                     hold = c("units", "periods", "rows"), patience = 20, seed = 1,
                     singletons = c("drop", "keep"), trace = 0, control = list()) {
  call <- match.call()
  here <- sys.call()
  data <- panel_frame(formula, if (missing(data)) NULL else data, here)
  w <- if (!missing(weights)) eval(substitute(weights), data, environment(formula))
  keep <- if (!missing(subset)) eval(substitute(subset), data, environment(formula))
  rule <- na_rule(na.action, here)
  by <- one_of(by, c("units", "periods", "rows"), "by", here)
  input <- panel_input(formula, data, w, if (!missing(weights)) substitute(weights), keep,
                       list(unit = unit, period = period), FALSE, here)
  options <- panel_options(list(
    loss = loss, hidden = 1, activation = activation, batchnorm = batchnorm, ddof = ddof,
    eps = eps, dropout = dropout, penalty = 0, penalty_top = 0, penalty_linear = penalty_linear,
    unit = unit, period = period, optimizer = optimizer, epochs = epochs, batch = batch,
    rate = rate, starts = starts, validate = validate, hold = hold, patience = patience,
    bags = 0, seed = seed, singletons = singletons, trace = trace), control, rule,
    input$weight_name, here)
  candidates <- cv_candidates(hidden, penalty, penalty_top, here)
  made <- .Call(C_panel_cv, input$text, input$values, input$weights, options, by, folds,
                candidates)
  table <- data.frame(
    hidden = vapply(candidates, function(c) {
      if (length(c$hidden)) paste(c$hidden, collapse = "-") else "none"
    }, ""),
    penalty = vapply(candidates, `[[`, 0, "penalty"),
    penalty_top = vapply(candidates, `[[`, 0, "penalty_top"),
    rmse = rowMeans(made$rmse), se = apply(made$rmse, 1, stats::sd) / sqrt(ncol(made$rmse)))
  best <- candidates[[made$best]]
  if (!length(best$hidden)) best$hidden <- 0
  structure(class = "panel_cv", list(call = call, table = table, rmse = made$rmse,
                                     best = made$best, settings = best, by = by))
}

# Every combination: hidden layers vary fastest. Without a network no hidden penalty differs.
cv_candidates <- function(hidden, penalty, penalty_top, call) {
  if (!is.list(hidden)) hidden <- as.list(hidden)
  if (!length(hidden)) refuse("argument", "'hidden' has no candidates", call = call)
  hidden <- lapply(hidden, hidden_units, name = "hidden", call = call)
  for (name in c("penalty", "penalty_top")) {
    v <- get(name)
    if (!is.numeric(v) || !length(v) || any(!is.finite(v) | v < 0)) {
      refuse("argument", "'", name, "' must be numbers of at least 0; got ", describe(v),
             call = call)
    }
  }
  grid <- expand.grid(h = seq_along(hidden), penalty = penalty, top = penalty_top)
  plain <- lengths(hidden)[grid$h] == 0
  grid <- grid[!plain | !duplicated(ifelse(plain, "none", seq_len(nrow(grid)))), ]
  lapply(seq_len(nrow(grid)), function(k) {
    list(hidden = hidden[[grid$h[k]]], penalty = grid$penalty[k], penalty_top = grid$top[k])
  })
}

print.panel_cv <- function(x, digits = max(3L, getOption("digits") - 3L), ...) {
  cat("Cross-validation over ", ncol(x$rmse), " folds of ", x$by, ": RMSE of what was held out\n",
      sep = "")
  table <- x$table
  table[c("rmse", "se")] <- lapply(table[c("rmse", "se")], format, digits = digits)
  table[[" "]] <- ifelse(seq_len(nrow(table)) == x$best, "<- best", "")
  print.data.frame(table, row.names = FALSE)
  invisible(x)
}
