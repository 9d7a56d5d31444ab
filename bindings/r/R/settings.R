# Settings by name: what is not in range is refused before anything is computed.

check_flag <- function(v, name, call) {
  if (!is.logical(v) || length(v) != 1 || is.na(v)) {
    refuse("argument", "'", name, "' must be TRUE or FALSE; got ", describe(v), call = call)
  }
  v
}

# One of the choices, which may be abbreviated; the first when all of them are given.
one_of <- function(v, choices, name, call) {
  if (identical(v, choices)) return(choices[1])
  k <- if (is.character(v) && length(v) == 1 && !is.na(v)) pmatch(v, choices) else NA
  if (is.na(k)) {
    refuse("argument", "'", name, "' must be ", paste0("\"", choices, "\"", collapse = " or "),
           "; got ", if (is.character(v) && length(v) == 1 && !is.na(v)) paste0("\"", v, "\"")
           else describe(v), call = call)
  }
  choices[k]
}

check_number <- function(v, name, ok, what, call) {
  if (!is.numeric(v) || is.object(v) || length(v) != 1 || !is.finite(v) || !ok(v)) {
    refuse("argument", "'", name, "' must be ", what, "; got ",
           if (is.numeric(v) && !is.object(v) && length(v) == 1) format(v) else describe(v),
           call = call)
  }
  v
}

# The settings of bnorm() that C does not check by these names.
checked_settings <- function(s, call) {
  for (name in c("batchnorm", "standardize")) check_flag(s[[name]], name, call)
  check_number(s$dropout, "dropout", function(v) v >= 0 && v < 1, "a share from 0 to below 1",
               call)
  check_number(s$penalty, "penalty", function(v) v >= 0, "a number of at least 0", call)
  check_number(s$trace, "trace", function(v) v >= 0 && v == round(v),
               "a whole number of at least 0", call)
  if (!is.null(s$rate)) {
    check_number(s$rate, "rate", function(v) v > 0, "NULL or a positive number", call)
  }
  s$optimizer <- one_of(s$optimizer, c("auto", "lbfgs", "sgd", "rmsprop", "adam"), "optimizer",
                        call)
  s$constant <- one_of(s$constant, c("error", "drop"), "constant", call)
  s
}
