# Structured models: networks, linear terms and fixed effects together. Fitting.

panel_net <- function(formula, data, hidden = 8, activation = "tanh",
                      loss = c("squared", "logistic"), weights, subset,
                      na.action = getOption("na.action"), unit = NULL, period = NULL,
                      vcov = NULL, cluster = NULL, batchnorm = TRUE, ddof = 0, eps = 1e-5,
                      dropout = 0, penalty = 0, penalty_top = 1e-6, penalty_linear = 0,
                      optimizer = c("auto", "lbfgs", "adam"), epochs = NULL, batch = 1024,
                      rate = NULL, starts = 1, validate = 0,
                      hold = c("units", "periods", "rows"), patience = 20, bags = 0, seed = 1,
                      singletons = c("drop", "keep"), trace = 0, control = list()) {
  call <- match.call()
  here <- sys.call()
  data <- panel_frame(formula, if (missing(data)) NULL else data, here)
  w <- if (!missing(weights)) eval(substitute(weights), data, environment(formula))
  keep <- if (!missing(subset)) eval(substitute(subset), data, environment(formula))
  rule <- na_rule(na.action, here)
  input <- panel_input(formula, data, w, if (!missing(weights)) substitute(weights), keep,
                       list(unit = unit, period = period), !length(hidden_units(hidden, "hidden", here)),
                       here)
  options <- panel_options(list(
    loss = loss, hidden = hidden, activation = activation, batchnorm = batchnorm, ddof = ddof,
    eps = eps, dropout = dropout, penalty = penalty, penalty_top = penalty_top,
    penalty_linear = penalty_linear, unit = unit, period = period, optimizer = optimizer,
    epochs = epochs, batch = batch, rate = rate, starts = starts, validate = validate,
    hold = hold, patience = patience, bags = bags, seed = seed, singletons = singletons,
    trace = trace), control, rule, input$weight_name, here)
  default <- list(type = if (!is.null(vcov)) vcov_type(vcov, here), cluster = cluster)
  made <- .Call(C_panel_fit, input$text, input$values, input$weights, options)
  finish_panel(made, call, input, rule, default,
               options)
}

panel_frame <- function(formula, data, call) {
  if (!inherits(formula, "formula") || length(formula) != 3) {
    refuse("argument", "'formula' must be a formula such as y ~ x1 + nn(x2, x3) | id; got ",
           if (inherits(formula, "formula")) "one without a left side" else describe(formula),
           call = call)
  }
  if (is.null(data)) return(list2DF(list()))
  if (is.matrix(data)) data <- as.data.frame(data)
  if (!is.data.frame(data)) {
    refuse("argument", "'data' must be a data frame; got ", describe(data), call = call)
  }
  data
}

# ------------------------------------------------------------------------------- formulas

# The sides of the bar: `terms` before it, `effects` after it or NULL.
split_bar <- function(right) {
  if (is.call(right) && identical(right[[1]], as.name("|")) && length(right) == 3) {
    return(list(terms = right[[2]], effects = right[[3]]))
  }
  list(terms = right, effects = NULL)
}

join_bar <- function(terms, effects) if (is.null(effects)) terms else call("|", terms, effects)

is_call_of <- function(e, name) is.call(e) && identical(e[[1]], as.name(name))

# Names of the variables that stand for levels: those after the bar but slopes, id[x] and id[[x]].
effect_names <- function(effects) {
  if (is_call_of(effects, "[") || is_call_of(effects, "[[")) return(all.vars(effects[[2]]))
  if (is.call(effects)) return(unique(unlist(lapply(as.list(effects)[-1], effect_names))))
  all.vars(effects)
}

# Names inside the nn() of an expression.
network_names <- function(e) {
  if (is_call_of(e, "nn")) return(setdiff(all.vars(e), "."))
  if (is.call(e)) unique(unlist(lapply(as.list(e)[-1], network_names)))
}

# What C takes: the formula as text and the columns that it names, after `subset`.
panel_input <- function(formula, data, w, weights_expression, keep, more, plain, call) {
  env <- environment(formula)
  if (plain) formula[[3]] <- without_networks(formula[[3]])
  sides <- split_bar(formula[[3]])
  for (name in names(more)) check_column(more[[name]], name, call)
  more <- unlist(more)
  weight_name <- if (is.name(weights_expression)) {
    name <- as.character(weights_expression)
    if (name %in% names(data)) name
  }
  target <- all.vars(formula[[2]])
  expanded <- formula
  terms <- expand_terms(sides$terms, setdiff(names(data), c(target, weight_name, more,
                                                             all.vars(sides$effects))))
  expanded[[3]] <- terms
  names <- setdiff(unique(c(all.vars(expanded), all.vars(sides$effects), more)), ".")
  columns <- find_columns(names, data, env, call)
  rows <- row.names(data)
  if (!is.null(keep)) {
    keep <- row_numbers(keep, rows, NROW(columns[[1]]), call)
    columns <- lapply(columns, function(v) if (length(dim(v)) < 2) v[keep] else v)
    if (!is.null(w)) w <- w[keep]
    rows <- rows[keep]
  }
  levels <- setdiff(c(effect_names(sides$effects), more), all.vars(expanded))
  columns[levels] <- lapply(columns[levels], level_column)
  values <- table_columns(columns, call)
  n <- length(values[[1]])
  if (length(rows) != n) rows <- as.character(seq_len(n))
  marked <- mark_factors(expanded, columns[setdiff(names, levels)], NULL)
  read <- if (identical(marked, expanded)) formula else {
    marked[[3]] <- join_bar(marked[[3]], sides$effects)
    marked
  }
  expanded[[3]] <- join_bar(terms, sides$effects)
  list(formula = expanded, text = formula_text(read), values = values, columns = columns,
       rows = rows, weights = check_weights(w, n, call), weight_name = weight_name,
       subset = keep)
}

# The right side less its networks.
without_networks <- function(right) {
  sides <- split_bar(right)
  drop <- function(e) {
    if (is_call_of(e, "nn")) return(NULL)
    if (!is_call_of(e, "+") || length(e) < 3) return(e)
    left <- drop(e[[2]])
    last <- drop(e[[3]])
    if (is.null(left)) last else if (is.null(last)) left else call("+", left, last)
  }
  terms <- drop(sides$terms)
  join_bar(if (is.null(terms)) 1 else terms, sides$effects)
}

check_column <- function(v, name, call) {
  if (is.null(v) || is.character(v) && length(v) == 1 && !is.na(v)) return(invisible())
  refuse("argument", "'", name, "' must be the name of a column; got ", describe(v), call = call)
}

# '.' written out: inside nn() as its arguments, elsewhere as the sum of those that no nn() has.
expand_terms <- function(e, others) {
  if (!"." %in% all.vars(e)) return(e)
  plain <- setdiff(others, network_names(e))
  sum_of <- function(names) Reduce(function(a, b) call("+", a, b), lapply(names, as.name))
  walk <- function(e, top, names) {
    if (identical(e, quote(.)) && !length(names)) return(e) # the library says what is wrong
    if (identical(e, quote(.))) return(if (top) sum_of(names) else call("(", sum_of(names)))
    if (!is.call(e)) return(e)
    if (identical(e[[1]], as.name("nn"))) {
      arguments <- lapply(as.list(e)[-1], function(a) {
        if (identical(a, quote(.))) lapply(others, as.name) else list(walk(a, TRUE, others))
      })
      return(as.call(c(e[[1]], do.call(c, arguments))))
    }
    first <- top && (is_call_of(e, "+") || is_call_of(e, "-"))
    for (k in seq_along(e)[-1]) e[[k]] <- walk(e[[k]], first && k == 2, names)
    e
  }
  walk(e, TRUE, if ("." %in% network_variables(e)) character() else plain)
}

network_variables <- function(e) {
  if (is_call_of(e, "nn")) return(all.vars(e))
  if (is.call(e)) unique(unlist(lapply(as.list(e)[-1], network_variables)))
}

# Dates and the like name units and periods as well as text does.
level_column <- function(v) {
  if (is.object(v) && !is.factor(v) && is.null(dim(v))) as.character(v) else v
}

check_weights <- function(w, n, call) {
  if (is.null(w)) return(NULL)
  if (!is.numeric(w) || is.object(w) || length(w) != n) {
    refuse("argument", "'weights' must be ", n, " numbers, one per row of 'data'; got ",
           describe(w), call = call)
  }
  bad <- which(!is.na(w) & (w < 0 | is.infinite(w)))
  if (length(bad)) {
    refuse("argument", "'weights'[", bad[1], "] is ", w[bad[1]],
           "; it must be finite and at least 0", call = call)
  }
  as.double(w)
}

# ------------------------------------------------------------------------------- settings

panel_options <- function(s, control, rule, weight_name, call) {
  check_flag(s$batchnorm, "batchnorm", call)
  share <- function(v) v >= 0 && v < 1
  least <- function(v) v >= 0
  check_number(s$dropout, "dropout", share, "a share from 0 to below 1", call)
  check_number(s$validate, "validate", share, "a share from 0 to below 1", call)
  for (name in c("penalty", "penalty_top", "penalty_linear", "eps", "ddof")) {
    check_number(s[[name]], name, least, "a number of at least 0", call)
  }
  if (!is.null(s$rate)) {
    check_number(s$rate, "rate", function(v) v > 0, "NULL or a positive number", call)
  }
  s$loss <- one_of(s$loss, c("squared", "logistic"), "loss", call)
  s$hold <- one_of(s$hold, c("units", "periods", "rows"), "hold", call)
  s$optimizer <- one_of(s$optimizer, c("auto", "lbfgs", "adam"), "optimizer", call)
  s$keep_singletons <- one_of(s$singletons, c("drop", "keep"), "singletons", call) == "keep"
  s$hidden <- hidden_units(s$hidden, "hidden", call)
  s$epochs <- or(s$epochs, 0)
  s$rate <- or(s$rate, 0)
  within <- or(control$within_tolerance, 0)
  control$within_tolerance <- NULL
  c(s, control_of(control, call),
    list(na_error = rule == "fail", dot_without = weight_name, within_tolerance = within))
}

# No network: none, or 0.
hidden_units <- function(v, name, call) {
  if (is.null(v)) return(double())
  if (!is.numeric(v) || is.object(v)) {
    refuse("argument", "'", name, "' must be the units of each hidden layer; got ", describe(v),
           call = call)
  }
  if (length(v) == 1 && v %in% 0) double() else as.double(v)
}

vcov_types <- c("classical", "hc0", "hc1", "cluster")

vcov_type <- function(v, call) one_of(if (is.character(v)) tolower(v) else v, vcov_types, "type", call)

# -------------------------------------------------------------------------------- results

finish_panel <- function(made, call, input, rule, default, options) {
  facts <- .Call(C_panel_describe, made$pointer)
  values <- .Call(C_panel_residuals, made$pointer)
  rows <- facts$rows
  omitted <- setdiff(seq_along(input$rows), rows)
  if (length(omitted)) {
    names(omitted) <- input$rows[omitted]
    class(omitted) <- rule
  }
  named <- function(v) stats::setNames(v, input$rows[rows])
  colnames(made$history) <- c("loss", "validation")
  w <- input$weights
  fit <- structure(class = "panel_net", list(
    call = call, formula = input$formula, pointer = made$pointer, bytes = NULL,
    coefficients = linear_coefficients(made$pointer, facts), info = facts$info,
    facts = facts[setdiff(names(facts), c("rows", "info"))], report = made$report,
    history = made$history, fitted.values = named(values$fitted),
    residuals = named(values$residuals), weights = if (!is.null(w)) named(w[rows]),
    rows = rows, na.action = if (length(omitted)) omitted,
    df.residual = facts$info$df, default = default, options = options,
    penalties = c(top = options$penalty_top, linear = options$penalty_linear),
    bags = options$bags, all_weights = w, subset = input$subset,
    model = structure(input$columns, class = "data.frame", row.names = input$rows),
    text = input$text, cache = new.env(parent = emptyenv())))
  if (is.null(fit$default$type)) {
    fit$default$type <- if (length(facts$factors) || !is.null(fit$default$cluster)) "cluster"
    else "classical"
  }
  if (!inherits(options$activation, "bn_activation")) fit$bytes <- panel_bytes(fit)
  fit
}

linear_coefficients <- function(pointer, facts) {
  stats::setNames(.Call(C_panel_coef, pointer)$linear, facts$linear)
}
