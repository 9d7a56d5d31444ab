# Structured models in files and in later sessions.

panel_bytes <- function(fit) {
  file <- tempfile("bnorm", fileext = ".safetensors")
  on.exit(unlink(file))
  .Call(C_panel_save, fit$pointer, NULL, file)
  readBin(file, "raw", file.size(file))
}

# The pointer of a model, made again from its bytes in a later session, with its rows.
panel_pointer <- function(object) {
  if (.Call(C_net_alive, object$pointer)) return(object$pointer)
  if (!is.null(object$cache$pointer) && .Call(C_net_alive, object$cache$pointer)) {
    return(object$cache$pointer)
  }
  file <- tempfile("bnorm", fileext = ".safetensors")
  on.exit(unlink(file))
  if (is.null(object$bytes)) {
    refuse("argument", "'object' comes from another session, and files do not keep an activation ",
           "of one's own: fit it again, by update()", call = user_call())
  }
  if (!is.raw(object$bytes)) {
    refuse("format", "'object' is damaged: its member 'bytes' holds no model; it is ",
           describe(object$bytes), call = user_call())
  }
  writeBin(object$bytes, file)
  made <- .Call(C_panel_load, file)
  pointer <- made$pointer
  assign("vcov", made$vcov, envir = object$cache)
  if (!is.null(object$model) && !isTRUE(object$bags > 0)) pointer <- revived(object, pointer)
  assign("pointer", pointer, envir = object$cache)
  pointer
}

# The model of a file with its rows, for what needs them: the top layer is solved for anew.
revived <- function(object, loaded) {
  here <- user_call()
  columns <- unclass(object$model)[names(object$model)]
  pointer <- .Call(C_panel_revive, loaded, object$text, table_columns(columns, here),
                   object$all_weights, object$options)
  again <- linear_coefficients(pointer, .Call(C_panel_describe, pointer))
  if (!isTRUE(all.equal(again, object$coefficients, tolerance = 1e-6))) {
    refuse("format", "'object' is damaged: its data do not give its coefficients", call = here)
  }
  pointer
}

save_panel <- function(object, file) {
  v <- if (!is.null(object$rows)) covariance(object)$pointer else object$vcov
  .Call(C_panel_save, panel_pointer(object), v, file)
  object
}

# It predicts and has coefficients and the covariance that it was saved with, but no rows.
load_panel <- function(file, call, env) {
  made <- .Call(C_panel_load, file)
  facts <- .Call(C_panel_describe, made$pointer)
  saved <- .Call(C_panel_vcov_describe, made$vcov)
  bytes <- readBin(file, "raw", file.size(file))
  structure(class = "panel_net", list(
    call = call, formula = stats::as.formula(facts$formula, env = env), pointer = made$pointer,
    vcov = made$vcov, bytes = bytes, coefficients = linear_coefficients(made$pointer, facts),
    info = facts$info, facts = facts[setdiff(names(facts), c("rows", "info"))], report = NULL,
    history = NULL, df.residual = facts$info$df, default = list(type = or(saved$type, "classical")),
    cache = new.env(parent = emptyenv())))
}

check_gradient.panel_net <- function(object, seed = 1, entries = 0, ...) {
  report <- .Call(C_panel_check, panel_pointer(object), seed, entries)
  structure(as.data.frame(report), class = c("bnorm_check", "data.frame"))
}
