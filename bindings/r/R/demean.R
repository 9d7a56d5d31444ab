# The projection on its own: what is left of columns when effects are taken out.

demean <- function(x, factors, weights = NULL, tolerance = 0, data = NULL, details = FALSE) {
  call <- sys.call()
  check_number(tolerance, "tolerance", function(v) v >= 0, "a number of at least 0", call)
  check_flag(details, "details", call)
  frame <- is.data.frame(x)
  taken <- if (inherits(factors, "formula")) all.vars(factors) else character()
  columns <- if (frame) {
    setdiff(names(x)[vapply(x, function(v) is.numeric(v) && !is.object(v), NA)], taken)
  }
  m <- if (frame) {
    do.call(cbind, c(list(matrix(0, nrow(x), 0)), lapply(unclass(x)[columns], as.double)))
  } else if (is.null(dim(x))) {
    if (!is.numeric(x) || is.object(x)) {
      refuse("argument", "'x' must be a numeric vector or matrix or a data frame; got ",
             describe(x), call = call)
    }
    matrix(x)
  } else {
    x
  }
  parts <- demean_factors(factors, if (is.null(data) && frame) x else data, NROW(m), call)
  made <- .Call(C_demean, m, parts, weights, tolerance)
  y <- if (frame) {
    x[columns] <- lapply(seq_along(columns), function(k) made$x[, k])
    x
  } else if (is.null(dim(x))) {
    stats::setNames(made$x[, 1], names(x))
  } else {
    made$x
  }
  if (details) list(x = y, absorbed = made$absorbed, sweeps = made$sweeps) else y
}

# A list of list(codes, levels, slope) from a vector, a list, a data frame or ~ f + g + g[x].
demean_factors <- function(factors, data, rows, call) {
  if (inherits(factors, "formula")) return(formula_factors(factors, data, rows, call))
  if (!is.list(factors)) factors <- list(factors)
  if (!length(factors)) refuse("argument", "'factors' has none", call = call)
  labels <- or(names(factors), rep("", length(factors)))
  labels <- ifelse(nzchar(labels), paste0("'", labels, "'"), paste("element", seq_along(factors)))
  Map(function(f, label) c(level_codes(f, label, rows, call), list(NULL)), factors, labels,
      USE.NAMES = FALSE)
}

# id, id^year (combined levels), id[x] (constants and slopes), id[[x]] (slopes alone).
formula_factors <- function(factors, data, rows, call) {
  if (length(factors) != 2) {
    refuse("argument", "'factors' must be a formula without a left side, such as ~ id + year",
           call = call)
  }
  value <- function(e) {
    tryCatch(eval(e, data, environment(factors)), error = function(why) {
      refuse("data", "'", deparse1(e), "' of 'factors': ", conditionMessage(why), call = call)
    })
  }
  codes <- function(e) {
    if (is_call_of(e, "^")) return(combine_codes(codes(e[[2]]), codes(e[[3]])))
    level_codes(value(e), paste0("'", deparse1(e), "'"), rows, call)
  }
  one <- function(e) {
    sloped <- is_call_of(e, "[") || is_call_of(e, "[[")
    f <- codes(if (sloped) e[[2]] else e)
    slopes <- if (sloped) lapply(as.list(e)[-(1:2)], function(x) c(f, list(as.double(value(x)))))
    c(if (!is_call_of(e, "[[")) list(c(f, list(NULL))), slopes)
  }
  sum_of <- function(e) {
    if (is_call_of(e, "+") && length(e) == 3) return(c(sum_of(e[[2]]), sum_of(e[[3]])))
    if (is_call_of(e, "(")) return(sum_of(e[[2]]))
    one(e)
  }
  unique(sum_of(factors[[2]]))
}

combine_codes <- function(a, b) {
  both <- a[[1]] * as.double(b[[2]]) + b[[1]]
  known <- unique(both)
  list(match(both, known) - 1L, length(known))
}

# list(codes from 0, number of levels).
level_codes <- function(f, label, rows, call) {
  if (!is.atomic(f) || is.null(f) || length(dim(f)) > 1) {
    refuse("argument", label, " of 'factors' is ", describe(f), "; it must be a vector or factor",
           call = call)
  }
  if (length(f) != rows) {
    refuse("argument", label, " of 'factors' has length ", length(f), "; 'x' has ", rows, " rows",
           call = call)
  }
  if (is.factor(f)) {
    codes <- as.integer(f)
    levels <- nlevels(f)
  } else {
    known <- unique(f)
    codes <- match(f, known)
    codes[is.na(f)] <- NA
    levels <- length(known)
  }
  if (anyNA(codes)) {
    refuse("data", label, " of 'factors' is NA in row ", which(is.na(codes))[1],
           "; leave such rows out first", call = call)
  }
  list(codes - 1L, max(levels, 1))
}
