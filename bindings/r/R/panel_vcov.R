# Covariances of structured models.

vcov.panel_net <- function(object, type = NULL, cluster = NULL, full = FALSE, small = TRUE,
                           count = c("nested", "none", "all"), all = FALSE, ...) {
  call <- sys.call()
  check_flag(all, "all", call)
  v <- covariance(object, type, cluster, full, small, count, call)
  if (is.null(v$pointer)) {
    refuse("argument", "the mean of a bag minimises no loss, so that it has no covariance",
           call = call)
  }
  labels <- if (all) parameter_names(object, v$info$full) else object$facts$linear
  m <- .Call(C_panel_vcov_matrix, v$pointer, length(object$facts$linear), all)
  dimnames(m) <- list(labels, labels)
  m
}

# list(pointer, info) of a covariance: kept with the fit, for margins and predictions ask again.
covariance <- function(object, type = NULL, cluster = NULL, full = FALSE, small = TRUE,
                       count = "nested", call = sys.call(-1)) {
  check_flag(full, "full", call)
  check_flag(small, "small", call)
  count <- one_of(count, c("nested", "none", "all"), "count", call)
  if (is.null(type)) type <- if (is.null(cluster)) object$default$type else "cluster"
  type <- vcov_type(type, call)
  if (type != "cluster" && !is.null(cluster)) {
    refuse("argument", "'cluster' is for type = \"cluster\"; the type is \"", type, "\"",
           call = call)
  }
  if (isTRUE(object$bags > 0)) return(no_covariance(object))
  if (is.null(object$rows)) {
    return(saved_covariance(object, type, cluster, full, small && count == "nested", call))
  }
  if (type == "cluster" && is.null(cluster)) cluster <- object$default$cluster
  by <- if (type == "cluster") cluster_columns(object, cluster, call)
  options <- list(type = match(type, vcov_types) - 1, cluster = names(by), full = full,
                  small = small, count = match(count, c("nested", "none", "all")) - 1)
  named <- is.null(cluster) || is.character(cluster) || inherits(cluster, "formula")
  key <- paste(unlist(options), collapse = " ")
  kept <- if (named) object$cache[[key]]
  if (!is.null(kept) && .Call(C_net_alive, kept)) {
    return(list(pointer = kept, info = .Call(C_panel_vcov_describe, kept)))
  }
  columns <- Filter(Negate(is.null), by)
  pointer <- .Call(C_panel_vcov, panel_pointer(object), if (length(columns)) columns, options)
  if (named) assign(key, pointer, envir = object$cache)
  list(pointer = pointer, info = .Call(C_panel_vcov_describe, pointer))
}

# Of a bag: for tables and predictions without standard errors.
no_covariance <- function(object) {
  list(pointer = NULL, info = list(type = "none", full = FALSE, unidentified = character(),
                                   clusters = 0, edf = NA_real_, df = object$info$df))
}

# A model from a file has the covariance that it was saved with, and no other.
saved_covariance <- function(object, type, cluster, full, usual, call) {
  pointer <- object$vcov
  if (!is.null(pointer) && !.Call(C_net_alive, pointer)) {
    panel_pointer(object)
    pointer <- object$cache$vcov
  }
  info <- .Call(C_panel_vcov_describe, pointer)
  if (is.null(info) || info$type != type || info$full != full || !is.null(cluster)) {
    refuse("argument", "a loaded model does not hold its data",
           if (is.null(info)) " and was saved without a covariance"
           else paste0("; it was saved with the covariance \"", info$type, "\"",
                       if (info$full) " of the full Jacobian"), call = call)
  }
  if (!usual) {
    refuse("argument", "a loaded model does not hold its data: its covariance keeps the ",
           "small-sample factors it was saved with; leave 'small' and 'count' away", call = call)
  }
  list(pointer = pointer, info = info)
}

# One or two clusterings by name: NULL for a factor of the model (the default: its unit), or
# text for every row of the table.
cluster_columns <- function(object, cluster, call) {
  if (is.null(cluster)) return(NULL)
  if (inherits(cluster, "formula")) cluster <- all.vars(cluster)
  if (is.character(cluster) && length(cluster) > 2 && length(cluster) < length(object$rows) &&
        all(cluster %in% c(object$facts$factors, names(object$model)))) {
    refuse("argument", "'cluster' names ", length(cluster), " columns; one or two are known",
           call = call)
  }
  if (is.character(cluster) && length(cluster) <= 2 && length(cluster) != nrow(object$model)) {
    by <- lapply(cluster, function(name) {
      if (name %in% object$facts$factors) return(NULL)
      level_text(cluster_values(object, name, call))
    })
    return(stats::setNames(by, cluster))
  }
  if (!is.list(cluster)) cluster <- list(cluster)
  if (!length(cluster) %in% 1:2) {
    refuse("argument", "'cluster' has ", length(cluster), " clusterings; one or two are known",
           call = call)
  }
  by <- lapply(cluster, function(v) level_text(cluster_rows(object, v, call)))
  names(by) <- c("(cluster 1)", "(cluster 2)")[seq_along(by)]
  by
}

level_text <- function(v) {
  known <- unique(v)
  as.character(known)[match(v, known)]
}

# A vector with a value for each row of the table, of the rows given, or of those used.
cluster_rows <- function(object, v, call) {
  n <- nrow(object$model)
  if (!is.atomic(v) || is.null(v)) {
    refuse("argument", "'cluster' must be names of columns, a formula or vectors; got ",
           describe(v), call = call)
  }
  if (length(v) == n) return(v)
  if (length(v) == length(object$rows)) return(v[replace(rep(NA, n), object$rows, seq_along(object$rows))])
  if (!is.null(object$subset) && length(v) >= max(object$subset)) return(v[object$subset])
  refuse("argument", "'cluster' has length ", length(v), "; the model has ", n, " rows, of which ",
         length(object$rows), " are used", call = call)
}

# A column of the fit's data, which is found again when the model itself does not use it.
cluster_values <- function(object, name, call) {
  if (!is.null(object$model[[name]])) return(object$model[[name]])
  env <- or(environment(object$formula), parent.frame())
  data <- tryCatch(eval(object$call$data, env), error = function(e) NULL)
  v <- if (name %in% names(data)) data[[name]] else get0(name, envir = env)
  if (is.null(v) || is.function(v)) {
    refuse("argument", "'cluster' names '", name, "', which is neither a factor of the model nor ",
           "found in its data", call = call)
  }
  if (name %in% names(data)) check_same_rows(object, data, name, call)
  cluster_rows(object, v, call)
}

# Data that were sorted, filtered or filled anew since the fit would give clusters of other rows.
check_same_rows <- function(object, data, name, call) {
  for (own in intersect(names(object$model), names(data))) {
    now <- tryCatch(cluster_rows(object, data[[own]], call), error = function(e) NULL)
    used <- object$rows
    if (!identical(as.vector(now)[used], as.vector(object$model[[own]])[used])) {
      refuse("argument", "the data have changed since the fit (column '", own, "'), so that '", name,
             "' in them may be of other rows: give the clusters as a vector, or fit again",
             call = call)
    }
  }
}

parameter_names <- function(object, full) {
  blocks <- .Call(C_panel_coef, panel_pointer(object))$networks
  entries <- function(b, label) {
    if (nrow(b) == 1 || ncol(b) == 1) return(paste0(label, "[", seq_along(b), "]"))
    c(t(outer(seq_len(nrow(b)), seq_len(ncol(b)),
              function(i, j) paste0(label, "[", i, ",", j, "]"))))
  }
  tops <- unlist(Map(function(n, k) entries(n$top, paste0("nn", k, ".G2")), blocks,
                     seq_along(blocks)))
  below <- if (full) unlist(Map(function(n, k) {
    n$top <- NULL
    unlist(Map(entries, n, paste0("nn", k, ".", names(n))))
  }, blocks, seq_along(blocks)))
  unname(c(object$facts$linear, tops, below))
}

confint.panel_net <- function(object, parm, level = 0.95, ...) {
  call <- sys.call()
  check_level(level, call)
  v <- covariance_of_call(object, ..., call = call)
  b <- coef(object)
  se <- standard_errors(object, v)
  ends <- c((1 - level) / 2, (1 + level) / 2)
  ci <- b + outer(se, critical(object, v, ends))
  dimnames(ci) <- list(names(b), paste(format(100 * ends, trim = TRUE, digits = 3), "%"))
  if (missing(parm)) ci else ci[parm, , drop = FALSE]
}

check_level <- function(level, call) {
  check_number(level, "level", function(v) v > 0 && v < 1, "a number between 0 and 1", call)
}

covariance_of_call <- function(object, type = NULL, cluster = NULL, full = FALSE, small = TRUE,
                               count = "nested", ..., call) {
  covariance(object, type, cluster, full, small, count, call)
}

standard_errors <- function(object, v) {
  if (is.null(v$pointer)) return(NA_real_ * coef(object))
  m <- .Call(C_panel_vcov_matrix, v$pointer, length(object$facts$linear), FALSE)
  d <- diag(m)
  d[!is.na(d) & d < 0] <- NA # of two clusterings, whose covariance may be indefinite
  sqrt(d)
}

# Quantiles of the t distribution; for the logistic loss of the normal one.
critical <- function(object, v, p) if (is_logistic(object)) stats::qnorm(p) else stats::qt(p, v$info$df)
p_values <- function(object, v, statistic) {
  2 * if (is_logistic(object)) stats::pnorm(-abs(statistic)) else stats::pt(-abs(statistic), v$info$df)
}
is_logistic <- function(object) isTRUE(object$info$logistic == 1)

vcov_label <- function(v) {
  i <- v$info
  text <- switch(i$type, none = "none, of a bag", classical = "classical", hc0 = "HC0", hc1 = "HC1",
                 cluster = paste0("clustered by ", paste0(i$by, " (", i$clusters[seq_along(i$by)],
                                                          ")", collapse = " and ")))
  if (i$full) paste0(text, ", full Jacobian") else text
}
