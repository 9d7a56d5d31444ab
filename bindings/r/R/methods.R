# What R expects of a fitted model, and the check of its gradient.

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

update.bnorm <- function(object, ...) {
  if (is.null(object$model)) {
    refuse("argument", "'object' is a loaded model, which holds neither data nor the call that ",
           "fitted it; fit anew by bnorm()", call = sys.call())
  }
  NextMethod()
}

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
  here <- sys.call()
  if (!is.numeric(which) || !length(which) || !all(which %in% 1:2)) {
    refuse("argument", "'which' must be 1, 2 or both; got ",
           if (is.numeric(which)) paste(which, collapse = ", ") else describe(which), call = here)
  }
  if (check_flag(ask, "ask", here)) {
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
    columns <- new_columns(object, newdata, TRUE, call)
  }
  pointer <- pointer_of(object)
  report <- of_newdata(.Call(C_net_check, pointer, columns, weights, seed, entries), call,
                       if (missing(newdata)) "data" else "newdata")
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
