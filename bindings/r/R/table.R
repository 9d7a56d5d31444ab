# From a data frame to what a formula of the library reads: columns of numbers or of text.

# One column: numeric and integer as numbers; factors, characters and logicals as text.
table_column <- function(v, name, call) {
  if (inherits(v, "AsIs")) class(v) <- setdiff(class(v), "AsIs")
  if (!is.null(dim(v)) && length(dim(v)) > 1) {
    refuse("data", "column '", name, "' of 'data' is a matrix; give its columns one by one",
           call = call)
  }
  if (is.factor(v)) return(as.character(v))
  if (is.character(v) && !is.object(v)) return(as.vector(v))
  if (is.logical(v) && !is.object(v)) return(as.character(v))
  if (is.numeric(v) && !is.object(v)) return(as.double(v))
  refuse("data", "column '", name, "' of 'data' is ", describe(v),
         "; it must be numeric, factor, character or logical", call = call)
}

is_text <- function(v) is.factor(v) || is.character(v) || is.logical(v)

# Columns by name from data, else from the formula's environment, as model.frame finds them.
find_columns <- function(names, data, env, call) {
  found <- lapply(names, function(name) {
    if (name %in% names(data)) return(data[[name]])
    v <- if (is.environment(env)) get0(name, envir = env, inherits = TRUE)
    if (is.null(v) || is.function(v)) {
      refuse("data", "'data' has no column '", name, "'",
             if (length(names(data))) paste0("; it has: ",
                                             paste(utils_head(names(data)), collapse = ", ")),
             call = call)
    }
    v
  })
  names(found) <- names
  found
}

utils_head <- function(names, n = 20L) {
  if (length(names) > n) c(names[seq_len(n)], "...") else names
}

# The variables of a formula that the library's language knows as columns.
formula_columns <- function(formula, data) {
  names <- setdiff(all.vars(formula), ".")
  if ("." %in% all.vars(formula)) names <- union(names, names(data))
  names
}

# A formula with factor(g) for each g that is text in R but looks like numbers, for which the
# library would otherwise take it; '.' is expanded when it stands for such a column.
mark_factors <- function(formula, columns, without) {
  looks_numeric <- function(v) {
    if (!is_text(v) || is.logical(v)) return(FALSE)
    v <- unique(as.character(v))
    v <- v[!is.na(v) & nzchar(v) & v != "NA"]
    length(v) > 0 && mean(!is.na(suppressWarnings(as.numeric(v)))) > 0
  }
  marked <- names(columns)[vapply(columns, looks_numeric, NA)]
  if (!length(marked)) return(formula)
  right <- formula[[3]]
  if ("." %in% all.vars(right)) {
    others <- setdiff(names(columns), c(all.vars(formula[[2]]), without))
    all <- Reduce(function(a, b) call("+", a, b), lapply(others, as.name))
    right <- do.call(substitute, list(right, list(. = call("(", all))))
  }
  formula[[3]] <- mark_names(right, marked)
  formula
}

mark_names <- function(e, marked) {
  if (is.name(e) && as.character(e) %in% marked) return(call("factor", e))
  if (!is.call(e) || identical(e[[1]], as.name("factor"))) return(e)
  for (k in seq_along(e)[-1]) e[[k]] <- mark_names(e[[k]], marked)
  e
}

formula_text <- function(formula) {
  text <- paste(deparse(formula, width.cutoff = 500L, backtick = TRUE), collapse = " ")
  enc2utf8(gsub("[[:space:]]+", " ", text))
}
