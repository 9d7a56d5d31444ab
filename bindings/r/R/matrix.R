# Functions on matrices: thin, for a call on a small matrix should cost little. Arguments are
# checked in C.

bn_forward <- function(x, gamma = NULL, beta = NULL, weights = NULL, ddof = 1, eps = 0) {
  .Call(C_bn_forward, x, gamma, beta, weights, ddof, eps)
}

bn_backward <- function(f, dy) {
  .Call(C_bn_backward, f, dy)
}

bn_infer <- function(x, gamma = NULL, beta = NULL, mean, var, eps = 0) {
  .Call(C_bn_infer, x, gamma, beta, mean, var, eps)
}

bn_infer_backward <- function(dy, x, gamma = NULL, mean, var, eps = 0) {
  .Call(C_bn_infer_backward, dy, x, gamma, mean, var, eps)
}

bn_fold <- function(g1, bias = NULL, gamma = NULL, beta = NULL, mean, var, eps = 0) {
  .Call(C_bn_fold, g1, bias, gamma, beta, mean, var, eps)
}

bn_moments <- function(x, weights = NULL) {
  .Call(C_bn_moments, x, weights)
}

bn_merge <- function(a, b, ...) {
  merged <- .Call(C_bn_merge, a, b)
  for (more in list(...)) merged <- .Call(C_bn_merge, merged, more)
  merged
}

bn_running <- function(p, kind = c("exponential", "average", "merge"), update = 0.1, ddof = 1,
                       mean = 0, var = 1) {
  kind <- one_of(kind, c("exponential", "average", "merge"), "kind", sys.call())
  numeric_of <- function(v, name, least) {
    if (!is.numeric(v) || is.object(v) || !length(v) %in% c(1L, p) || !all(is.finite(v)) ||
        any(v < least)) {
      refuse("argument", "'", name, "' must be 1 or ", p, " finite numbers",
             if (least == 0) " of at least 0", "; got ", describe(v), call = sys.call(-2))
    }
    as.double(v)
  }
  if (!is.numeric(p) || length(p) != 1 || !is.finite(p) || p < 0 || p != round(p)) {
    refuse("argument", "'p' must be a whole number of columns; got ",
           if (is.numeric(p) && length(p) == 1) format(p) else describe(p), call = sys.call())
  }
  update <- numeric_of(update, "update", 0)[1]
  if (kind == "exponential" && (update <= 0 || update > 1)) {
    refuse("argument", "'update' is ", update, "; the weight of the new batch is in (0, 1]",
           call = sys.call())
  }
  structure(class = "bn_running",
            list(kind = kind, update = update, ddof = numeric_of(ddof, "ddof", 0)[1], count = 0,
                 mean = rep_len(numeric_of(mean, "mean", -Inf), p),
                 var = rep_len(numeric_of(var, "var", 0), p), m2 = double(p)))
}

update.bn_running <- function(object, moments, ...) {
  here <- sys.call()
  kept <- vapply(unclass(object)[c("mean", "var", "m2")], is.numeric, NA)
  if (!all(kept)) {
    refuse("argument", "'object' was changed since bn_running() returned it: '",
           names(kept)[!kept][1], "' is not numeric", call = here)
  }
  if (is.matrix(moments)) moments <- bn_moments(moments)
  .Call(C_bn_running, object, moments)
}

bn_gram <- function(x, weights = NULL, ddof = 1) {
  .Call(C_bn_gram, x, weights, ddof)
}

bn_dense <- function(x, g1, gamma = NULL, beta = NULL, eps = 0, weights = NULL, ddof = 1) {
  if (!inherits(x, "bn_gram")) x <- .Call(C_bn_gram, x, weights, ddof)
  .Call(C_bn_dense, x, g1, gamma, beta, eps)
}

layer_norm <- function(x, gamma = NULL, beta = NULL, eps = 0) {
  .Call(C_layer_norm, x, gamma, beta, eps)
}

bn_jacobian <- function(x, of = c("z", "gamma", "beta", "g1"), g1 = NULL, gamma = NULL,
                        weights = NULL, ddof = 1, eps = 0) {
  of <- one_of(of, c("z", "gamma", "beta", "g1"), "of", sys.call())
  kind <- match(of, c("beta", "gamma", "z", "g1")) - 1
  .Call(C_bn_jacobian, x, kind, g1, gamma, weights, ddof, eps)
}

# ------------------------------------------------------------------------------- printing

print_columns <- function(f, what, digits) {
  table <- do.call(rbind, lapply(f[what], unname))
  colnames(table) <- names(f$mean)
  if (is.null(colnames(table)) && ncol(table)) {
    colnames(table) <- paste0("[,", seq_len(ncol(table)), "]")
  }
  print(table, digits = digits)
}

print.bn_forward <- function(x, digits = max(3L, getOption("digits") - 3L), ...) {
  cat("Batch normalisation of ", nrow(x$y), " x ", ncol(x$y), ", n = ", format(x$n),
      ", divisor n - ", format(x$ddof), ", eps = ", format(x$eps), "\n", sep = "")
  print_columns(x, c("mean", "sd"), digits)
  cat("y: the normalised matrix; bn_backward(f, dy): the gradient\n")
  invisible(x)
}

print.bn_dense <- function(x, digits = max(3L, getOption("digits") - 3L), ...) {
  cat("Batch normalisation of X G1 in weight space, X ", nrow(x$y), " x ", nrow(x$g1), ", G1 ",
      nrow(x$g1), " x ", ncol(x$g1), ", eps = ", format(x$eps), "\n", sep = "")
  print_columns(x, c("mean", "sd"), digits)
  invisible(x)
}

print.layer_norm <- function(x, ...) {
  cat("Layer normalisation of ", nrow(x$y), " rows over ", ncol(x$y), " columns, eps = ",
      format(x$eps), "\n", sep = "")
  invisible(x)
}

print.bn_moments <- function(x, digits = max(3L, getOption("digits") - 3L), ...) {
  cat("Moments of ", length(x$mean), " columns, n = ", format(x$n), "\n", sep = "")
  print_columns(x, c("mean", "m2"), digits)
  invisible(x)
}

print.bn_running <- function(x, digits = max(3L, getOption("digits") - 3L), ...) {
  cat("Running statistics (", x$kind,
      if (x$kind == "exponential") paste0(", weight of a new batch ", format(x$update)),
      ") of ", length(x$mean), " columns\n", sep = "")
  print_columns(x, c("mean", "var"), digits)
  invisible(x)
}

print.bn_gram <- function(x, ...) {
  cat("Gram matrix of ", length(x$mean), " centred columns, n = ", format(x$n),
      ", divisor n - ", format(x$ddof), "\n", sep = "")
  invisible(x)
}
