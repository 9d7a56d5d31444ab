# Networks: fitting.

bnorm <- function(formula, data, hidden = 16, activation = "relu", loss = NULL, layers = NULL,
                  weights, subset, na.action = getOption("na.action"),
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
  right <- right_side(formula, data, weight_name)
  columns <- find_columns(union(all.vars(formula[[2]]), right$columns), data, env, here)
  rows <- row.names(data)
  if (!is.null(keep)) {
    keep <- row_numbers(keep, rows, length(columns[[1]]), here)
    columns <- lapply(columns, function(v) if (length(dim(v)) < 2) v[keep] else v)
    if (!is.null(w)) w <- w[keep]
    rows <- rows[keep]
  }
  values <- table_columns(columns, here)
  n <- length(values[[1]])
  if (length(rows) != n) rows <- as.character(seq_len(n))
  text <- formula_text(mark_factors(right$formula, columns, weight_name))
  target <- all.vars(formula[[2]])
  rule <- na_rule(na.action, here)
  settings <- checked_settings(list(
    batchnorm = batchnorm, standardize = standardize, dropout = dropout, penalty = penalty,
    rate = rate, trace = trace, optimizer = optimizer, constant = constant), here)
  spec <- list(loss = loss, layers = if (is.null(layers)) {
    hidden_layers(hidden, activation, batchnorm, ddof, eps, dropout, here)
  } else {
    own_layers(layers, ddof, eps, here)
  })
  options <- list(optimizer = settings$optimizer, epochs = or(epochs, 0), batch = batch,
                  rate = or(rate, 0), patience = patience, seed = seed, penalty = penalty,
                  validate = validate, standardize = standardize,
                  na_error = rule == "fail", drop_constant = settings$constant == "drop",
                  factor_target = length(target) == 1 && is_text(columns[[target]]),
                  dot_without = weight_name, trace = trace)
  options <- c(options, control_of(control, here))
  made <- .Call(C_net_fit, text, values, w, spec, options)
  finish_fit(made, call, right$expanded, columns, rows, w, spec, rule, weight_name)
}

# What the formula's right side asks for: `formula` as the library is to read it, `expanded` with
# '.' written out, and the `columns` to give. A column that is only taken away ("- when") need not
# be one that the library can read: then the formula is the terms that remain.
right_side <- function(formula, data, without) {
  expanded <- expand_dot(formula, data, without)
  columns <- formula_columns(formula[-2], data)
  unread <- columns[!vapply(columns, function(name) {
    !name %in% names(data) || is_readable(data[[name]])
  }, NA)]
  labels <- if (length(unread)) term_labels(expanded) else character()
  unread <- setdiff(unread, variables_of(labels))
  if (length(labels) && length(unread)) {
    formula[[3]] <- Reduce(function(a, b) call("+", a, b), lapply(labels, str2lang))
    columns <- setdiff(columns, unread)
  }
  list(formula = formula, expanded = expanded, columns = columns)
}

# A formula with '.' written out, as lm() keeps it: the columns that are neither in the target
# nor the weights.
expand_dot <- function(formula, data, without = NULL) {
  if (!"." %in% all.vars(formula[[3]])) return(formula)
  others <- setdiff(names(data), c(all.vars(formula[[2]]), without))
  if (!length(others)) return(formula)
  all <- Reduce(function(a, b) call("+", a, b), lapply(others, as.name))
  formula[[3]] <- if (identical(formula[[3]], quote(.))) {
    all
  } else {
    do.call(substitute, list(formula[[3]], list(. = call("(", all))))
  }
  formula
}

# The terms that remain of the right side, as text, where a term is taken away (finding them takes
# time in the square of their number); none otherwise, or when R cannot tell.
term_labels <- function(formula) {
  if (!"-" %in% all.names(formula[[3]])) return(character())
  tryCatch(attr(stats::terms(formula), "term.labels"), error = function(e) character())
}

variables_of <- function(labels) unique(unlist(lapply(labels, function(l) all.vars(str2lang(l)))))

is_readable <- function(v) {
  if (inherits(v, "AsIs")) class(v) <- setdiff(class(v), "AsIs")
  length(dim(v)) < 2 && (is.factor(v) || (!is.object(v) &&
                                          (is.numeric(v) || is.character(v) || is.logical(v))))
}

# 'subset' as numbers of rows: it may be logical, numeric or row names.
row_numbers <- function(keep, rows, n, call) {
  if (is.logical(keep)) keep <- keep & !is.na(keep)
  if (is.character(keep)) {
    found <- match(keep, rows)
    if (anyNA(found)) {
      refuse("argument", "'subset' names the row '", keep[is.na(found)][1],
             "', which 'data' does not have", call = call)
    }
    keep <- found
  }
  if (is.object(keep) || !is.logical(keep) && !is.numeric(keep)) {
    refuse("argument", "'subset' must select rows; got ", describe(keep), call = call)
  }
  seq_len(n)[keep]
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
