# Networks: fitting, and what R expects of a fitted model.

bnorm <- function(formula, data, weights, subset, na.action = getOption("na.action"),
                  hidden = 16, activation = "relu", loss = NULL, layers = NULL,
                  batchnorm = TRUE, ddof = 0, eps = 1e-5, dropout = 0, penalty = 0,
                  optimizer = c("auto", "lbfgs", "sgd", "rmsprop", "adam"), epochs = NULL,
                  batch = 64, rate = NULL, validate = 0, patience = 20, seed = 1,
                  standardize = TRUE, constant = c("error", "drop"), trace = 0,
                  control = list()) {
  call <- match.call()
  here <- sys.call()
  if (!inherits(formula, "formula") || length(formula) != 3) {
    refuse("argument", "'formula' must be a formula such as y ~ x1 + x2; got ",
           if (inherits(formula, "formula")) "one without a left side" else describe(formula),
           call = here)
  }
  if (missing(data)) data <- list2DF(list())
  if (is.matrix(data)) data <- as.data.frame(data)
  if (!is.data.frame(data)) {
    refuse("argument", "'data' must be a data frame; got ", describe(data), call = here)
  }
  env <- environment(formula)
  w <- if (!missing(weights)) eval(substitute(weights), data, env)
  weight_name <- if (!missing(weights) && is.name(substitute(weights))) {
    name <- as.character(substitute(weights))
    if (name %in% names(data)) name
  }
  keep <- if (!missing(subset)) eval(substitute(subset), data, env)
  columns <- find_columns(formula_columns(formula, data), data, env, here)
  rows <- row.names(data)
  if (!is.null(keep)) {
    if (!is.logical(keep) && !is.numeric(keep)) {
      refuse("argument", "'subset' must select rows; got ", describe(keep), call = here)
    }
    if (is.logical(keep)) keep <- keep & !is.na(keep)
    columns <- lapply(columns, function(v) if (is.null(dim(v))) v[keep] else v)
    if (!is.null(w)) w <- w[keep]
    rows <- rows[keep]
  }
  values <- table_columns(columns, here)
  n <- length(values[[1]])
  if (length(rows) != n) rows <- as.character(seq_len(n))
  text <- formula_text(mark_factors(formula, columns, weight_name))
  target <- all.vars(formula[[2]])
  rule <- na_rule(na.action, here)
  spec <- list(loss = loss, layers = if (is.null(layers)) {
    hidden_layers(hidden, activation, batchnorm, ddof, eps, dropout, here)
  } else {
    own_layers(layers, ddof, eps, here)
  })
  options <- list(optimizer = match.arg(optimizer), epochs = or(epochs, 0), batch = batch,
                  rate = or(rate, 0), patience = patience, seed = seed, penalty = penalty,
                  validate = validate, standardize = standardize,
                  na_error = rule == "fail", drop_constant = match.arg(constant) == "drop",
                  factor_target = length(target) == 1 && is_text(columns[[target]]),
                  dot_without = weight_name, trace = as.double(trace))
  options <- c(options, control_of(control, here))
  made <- .Call(C_net_fit, text, values, w, spec, options)
  finish_fit(made, call, formula, columns, rows, w, spec, rule, weight_name)
}

or <- function(value, otherwise) if (is.null(value)) otherwise else value

table_columns <- function(columns, call) {
  values <- Map(function(v, name) table_column(v, name, call), columns, names(columns))
  names(values) <- enc2utf8(names(columns))
  sizes <- lengths(values)
  if (!length(values) || any(sizes != sizes[1])) {
    refuse("data", "the variables have different lengths: ",
           paste(names(columns), sizes, sep = " ", collapse = ", "), call = call)
  }
  if (sizes[1] == 0) refuse("data", "'data' has no rows", call = call)
  values
}

na_rule <- function(action, call) {
  if (is.function(action)) {
    known <- list(omit = stats::na.omit, exclude = stats::na.exclude, fail = stats::na.fail)
    for (name in names(known)) if (identical(action, known[[name]])) return(name)
  } else if (is.null(action)) {
    return("omit")
  } else if (is.character(action) && length(action) == 1) {
    name <- sub("^na\\.", "", action)
    if (name %in% c("omit", "exclude", "fail")) return(name)
  }
  refuse("argument", "'na.action' must be na.omit, na.exclude or na.fail", call = call)
}

control_of <- function(control, call) {
  all <- list(momentum = 0.9, nesterov = TRUE, decay = 0.99, beta1 = 0.9, beta2 = 0.999,
              weight_decay = 0, tolerance = 1e-6, memory = 10, running = FALSE, update = 0.1,
              running_ddof = 1)
  unknown <- setdiff(names(control), names(all))
  if (!is.list(control) || length(unknown) || (length(control) && is.null(names(control)))) {
    refuse("argument", "'control' must be a named list of ", paste(names(all), collapse = ", "),
           if (length(unknown)) paste0("; '", unknown[1], "' is unknown"), call = call)
  }
  all[names(control)] <- control
  all
}

finish_fit <- function(made, call, formula, columns, rows, w, spec, rule, weight_name) {
  n <- length(columns[[1]])
  used <- sort(c(made$training, made$validation))
  omitted <- setdiff(seq_len(n), used)
  if (length(omitted)) {
    names(omitted) <- rows[omitted]
    class(omitted) <- rule
  }
  colnames(made$history) <- c("loss", "validation")
  fit <- structure(class = "bnorm", list(
    call = call, formula = formula, pointer = made$pointer, spec = spec, bytes = NULL,
    history = made$history, optimizer = made$optimizer, epochs = made$epochs,
    best_epoch = made$best_epoch, converged = made$converged, seconds = made$seconds,
    loss = c(training = made$training_loss, validation = made$validation_loss),
    quality = c(training = made$training_quality, validation = made$validation_quality),
    rows = used, validation_rows = made$validation, row_names = rows,
    na.action = if (length(omitted)) omitted, weights = w,
    model = structure(columns, class = "data.frame", row.names = seq_len(n))))
  fit$bytes <- model_bytes(fit)
  fit$info <- .Call(C_net_describe, fit$pointer)
  fit$levels <- target_levels(fit)
  predicted <- predict(fit, type = "response")
  fit$fitted.values <- predicted
  fit
}

# The levels of a class target in the order of R's factor.
target_levels <- function(fit) {
  classes <- fit$info$classes
  if (!length(classes)) return(NULL)
  name <- all.vars(fit$formula[[2]])
  v <- if (length(name) == 1) fit$model[[name]]
  known <- if (is.factor(v)) intersect(levels(v), classes)
  if (length(known) == length(classes)) known else classes
}

# --------------------------------------------------------------------- saving and loading

model_bytes <- function(fit) {
  file <- tempfile("bnorm", fileext = ".safetensors")
  on.exit(unlink(file))
  .Call(C_net_save, fit$pointer, file)
  readBin(file, "raw", file.size(file))
}

# The pointer of a model, made again from its bytes in a later session.
pointer_of <- function(object) {
  if (.Call(C_net_alive, object$pointer)) return(object$pointer)
  file <- tempfile("bnorm", fileext = ".safetensors")
  on.exit(unlink(file))
  writeBin(object$bytes, file)
  .Call(C_net_restore, file, own_parts(object$spec))
}

bnorm_save <- function(object, file) {
  if (!inherits(object, "bnorm")) {
    refuse("argument", "'object' must be a fit by bnorm(); got ", describe(object),
           call = sys.call())
  }
  .Call(C_net_save, pointer_of(object), file)
  invisible(object)
}

bnorm_load <- function(file, parts = list()) {
  if (inherits(parts, c("bn_activation", "bn_loss", "bn_layer"))) parts <- list(parts)
  pointer <- .Call(C_net_restore, file, parts)
  info <- .Call(C_net_describe, pointer)
  formula <- stats::as.formula(info$formula, env = parent.frame())
  fit <- structure(class = "bnorm", list(
    call = sys.call(), formula = formula, pointer = pointer,
    spec = list(layers = lapply(parts, function(p) {
      if (inherits(p, "bn_layer")) list(layer = p) else list(activation = p)
    }), loss = Filter(function(p) inherits(p, "bn_loss"), parts)[1][[1]]),
    info = info, history = NULL, optimizer = or(info$notes$optimizer, NA_character_),
    epochs = or(info$notes$epochs, NA), best_epoch = or(info$notes[["best epoch"]], NA),
    levels = if (length(info$classes)) info$classes))
  fit$bytes <- model_bytes(fit)
  fit
}

# ------------------------------------------------------------------------------ predicting

predict.bnorm <- function(object, newdata, type = c("response", "class"), ...) {
  type <- match.arg(type)
  call <- sys.call()
  classes <- object$info$classes
  if (type == "class" && !length(classes)) {
    refuse("argument", "type = \"class\" needs a model of classes; '", object$info$target,
           "' is numeric", call = call)
  }
  if (missing(newdata)) return(training_predictions(object, type, call))
  if (is.matrix(newdata)) newdata <- as.data.frame(newdata)
  if (!is.data.frame(newdata)) {
    refuse("argument", "'newdata' must be a data frame; got ", describe(newdata), call = call)
  }
  if (!nrow(newdata)) refuse("data", "'newdata' has no rows", call = call)
  mean <- predict_columns(object, needed_columns(object, newdata, call), call)
  shape_predictions(object, mean, type, row.names(newdata))
}

# The columns that the model's own formula, '.' expanded, asks for.
needed_columns <- function(object, newdata, call) {
  names <- setdiff(formula_columns(object$formula, or(object$model, newdata)),
                   all.vars(object$formula[[2]]))
  table_columns(find_columns(names, newdata, environment(object$formula), call), call)
}

predict_columns <- function(object, columns, call) {
  made <- .Call(C_net_predict, pointer_of(object), columns)
  if (any(made$kinds == 2)) {
    warning(structure(class = c("bnorm_warning_foreign", "bnorm_warning", "warning",
                                "condition"),
                      list(message = paste0(sum(made$kinds == 2), " of ", length(made$kinds),
                                            " rows cannot be predicted; the first: ", made$why),
                           call = call)))
  }
  made$mean
}

training_predictions <- function(object, type, call) {
  if (!is.null(object$fitted.values)) {
    mean <- as.matrix(object$fitted.values)
    if (type == "response") return(stats::napredict(object$na.action, object$fitted.values))
    return(stats::napredict(object$na.action, likeliest(object, mean)))
  }
  if (is.null(object$model)) {
    refuse("argument", "'newdata' is needed: a loaded model does not hold its data",
           call = call)
  }
  target <- all.vars(object$formula[[2]])
  columns <- table_columns(unclass(object$model)[setdiff(names(object$model), target)], call)
  mean <- predict_columns(object, columns, call)[object$rows, , drop = FALSE]
  shape_predictions(object, mean, type, object$row_names[object$rows])
}

# Probabilities of every class in the order of the levels, or a vector of responses.
shape_predictions <- function(object, mean, type, rows) {
  classes <- object$info$classes
  if (!length(classes)) {
    if (ncol(mean) > 1) return(structure(mean, dimnames = list(rows, NULL)))
    return(stats::setNames(mean[, 1], rows))
  }
  if (ncol(mean) == 1) mean <- cbind(1 - mean, mean)
  dimnames(mean) <- list(rows, classes)
  mean <- mean[, object$levels, drop = FALSE]
  if (type == "class") likeliest(object, mean) else mean
}

likeliest <- function(object, mean) {
  mean <- mean[, object$info$classes, drop = FALSE]
  best <- apply(mean, 1, function(p) if (anyNA(p)) NA else which.max(p))
  structure(factor(object$info$classes[best], levels = object$levels), names = rownames(mean))
}

# -------------------------------------------------------------------------------- methods

observed <- function(object) {
  if (is.null(object$model)) {
    refuse("argument", "a loaded model does not hold its data", call = sys.call(-1))
  }
  left <- object$formula[[2]]
  v <- eval(left, unclass(object$model), environment(object$formula))
  v <- v[object$rows]
  names(v) <- object$row_names[object$rows]
  v
}

fitted.bnorm <- function(object, ...) {
  if (is.null(object$fitted.values)) {
    refuse("argument", "a loaded model does not hold its data; use predict()",
           call = sys.call())
  }
  stats::napredict(object$na.action, object$fitted.values)
}

residuals.bnorm <- function(object, ...) {
  y <- observed(object)
  f <- object$fitted.values
  r <- if (length(object$info$classes)) {
    outer(as.character(y), colnames(f), "==") - f
  } else {
    as.double(y) - f
  }
  stats::naresid(object$na.action, r)
}

formula.bnorm <- function(x, ...) x$formula

nobs.bnorm <- function(object, ...) {
  if (is.null(object$rows)) return(or(object$info$notes[["rows used"]], NA_integer_))
  length(object$rows)
}

coef.bnorm <- function(object, ...) {
  blocks <- .Call(C_net_coef, pointer_of(object))
  if (!is.null(blocks$G1) && nrow(blocks$G1) == length(object$info$inputs)) {
    rownames(blocks$G1) <- object$info$inputs
  }
  lapply(blocks, function(m) if (nrow(m) == 1 && is.null(rownames(m))) m[1, ] else m)
}

layer_text <- function(layer) {
  switch(layer$kind + 1, paste0("dense(", layer$outputs, ")"),
         paste0("batchnorm(eps = ", format(layer$eps), ", ddof = ", format(layer$ddof), ")"),
         layer$name, paste0("dropout(", format(layer$rate), ")"),
         paste0(layer$name, "(", layer$outputs, ")"))
}

print.bnorm <- function(x, digits = max(3L, getOption("digits") - 3L), ...) {
  cat("\nCall:\n", paste(deparse(x$call), collapse = "\n"), "\n\n", sep = "")
  cat("Network: ", length(x$info$inputs), " inputs - ",
      paste(vapply(x$info$layers, layer_text, ""), collapse = " - "), "\n", sep = "")
  print_quality(x, digits)
  invisible(x)
}

print_quality <- function(x, digits) {
  notes <- x$info$notes
  what <- if (length(x$info$classes)) "accuracy" else "r_squared"
  label <- if (length(x$info$classes)) "Accuracy" else "R squared"
  cat("Loss (", x$info$loss, "): ", format(notes[["training loss"]], digits = digits),
      " training", sep = "")
  if (!is.null(notes[["validation loss"]])) {
    cat(", ", format(notes[["validation loss"]], digits = digits), " validation", sep = "")
  }
  quality <- notes[[paste("training", what)]]
  if (!is.null(quality)) {
    cat("\n", label, ": ", format(quality, digits = digits), " training", sep = "")
    checked <- notes[[paste("validation", what)]]
    if (!is.null(checked)) cat(", ", format(checked, digits = digits), " validation", sep = "")
  }
  cat("\n")
}

summary.bnorm <- function(object, ...) {
  blocks <- coef(object)
  structure(class = "summary.bnorm", list(
    fit = object, residuals = if (!is.null(object$model) && !length(object$info$classes)) {
      residuals(object)
    },
    blocks = data.frame(block = names(blocks),
                        size = vapply(blocks, function(b) {
                          paste(or(dim(b), length(b)), collapse = " x ")
                        }, ""),
                        norm = vapply(blocks, function(b) sqrt(sum(b^2)), 0),
                        row.names = NULL),
    parameters = sum(lengths(blocks))))
}

print.summary.bnorm <- function(x, digits = max(3L, getOption("digits") - 3L), ...) {
  fit <- x$fit
  print(fit, digits = digits)
  if (!is.null(x$residuals)) {
    cat("\nResiduals:\n")
    print(stats::setNames(stats::quantile(x$residuals, na.rm = TRUE),
                          c("Min", "1Q", "Median", "3Q", "Max")), digits = digits)
  }
  cat("\nParameters (", x$parameters, "):\n", sep = "")
  print(x$blocks, digits = digits, row.names = FALSE)
  cat("\nTraining: ", fit$optimizer, ", ", fit$epochs, " epochs, best ", fit$best_epoch,
      if (isTRUE(fit$converged)) ", converged", "\n", sep = "")
  cat("Observations: ", nobs(fit), sep = "")
  if (length(fit$na.action)) cat(" (", length(fit$na.action), " left out: missing)", sep = "")
  cat("\n")
  invisible(x)
}

plot.bnorm <- function(x, which = 1:2, ask = FALSE, ...) {
  if (ask) {
    old <- par(ask = TRUE)
    on.exit(par(old))
  }
  if (1 %in% which && !is.null(x$history)) plot_training(x, ...)
  if (2 %in% which && !is.null(x$model)) plot_fitted(x, ...)
  invisible(x)
}

plot_training <- function(x, ...) {
  loss <- x$history[, "loss"]
  validation <- x$history[, "validation"]
  log <- if (all(x$history > 0, na.rm = TRUE)) "y" else ""
  plot.default(seq_along(loss), loss, type = "l", log = log, xlab = "epoch", ylab = "loss",
               main = "Training", ylim = range(x$history, na.rm = TRUE, finite = TRUE), ...)
  if (all(is.na(validation))) return(invisible())
  lines(seq_along(validation), validation, lty = 2)
  abline(v = x$best_epoch, lty = 3)
  legend("topright", c("training", "validation", "kept"), lty = 1:3, bty = "n")
}

plot_fitted <- function(x, ...) {
  y <- observed(x)
  f <- x$fitted.values
  if (length(x$info$classes)) {
    y <- as.character(y)
    p <- f[cbind(seq_along(y), match(y, colnames(f)))]
    plot.default(seq_along(p), sort(p), xlab = "observations, in order", ylim = c(0, 1),
                 ylab = "fitted probability of the class observed", main = "Fit", ...)
    return(invisible())
  }
  both <- range(y, f, finite = TRUE)
  plot.default(f, y, xlim = both, ylim = both, xlab = "fitted", ylab = "observed",
               main = "Fit", ...)
  abline(0, 1, lty = 2)
}

check_gradient <- function(object, ...) UseMethod("check_gradient")

check_gradient.bnorm <- function(object, newdata, weights = NULL, seed = 1, entries = 0, ...) {
  call <- sys.call()
  if (missing(newdata)) {
    if (is.null(object$model)) {
      refuse("argument", "'newdata' is needed: a loaded model does not hold its data",
             call = call)
    }
    columns <- table_columns(unclass(object$model)[names(object$model)], call)
    weights <- object$weights
  } else {
    if (!is.data.frame(newdata)) {
      refuse("argument", "'newdata' must be a data frame; got ", describe(newdata), call = call)
    }
    names <- formula_columns(object$formula, or(object$model, newdata))
    columns <- table_columns(find_columns(names, newdata, environment(object$formula), call),
                             call)
  }
  report <- .Call(C_net_check, pointer_of(object), columns, weights, seed, entries)
  structure(as.data.frame(report), class = c("bnorm_check", "data.frame"))
}

print.bnorm_check <- function(x, digits = 3, ...) {
  cat("Gradients against difference quotients\n")
  print.data.frame(x[c("block", "error", "bound", "ok")], digits = digits, row.names = FALSE)
  wrong <- x[!x$ok, ]
  if (!nrow(wrong)) {
    cat("every block agrees\n")
  } else {
    worst <- wrong[which.max(wrong$error / wrong$bound), ]
    cat("a derivative is wrong: ", worst$block, "[", worst$row, ", ", worst$col, "] is ",
        format(worst$analytic, digits = 8), " by the derivatives given, ",
        format(worst$numeric, digits = 8), " by differences of the values\n", sep = "")
  }
  invisible(x)
}
