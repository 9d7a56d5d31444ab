# Loading, conditions, threads.

.onLoad <- function(libname, pkgname) {
  .Call(C_bn_init, topenv())
  # What NAMESPACE cannot say of a package that a machine that checks this one may lack.
  register <- function(...) {
    registerS3method("fixef", "panel_net", fixef.panel_net, envir = asNamespace("fixest"))
  }
  if ("fixest" %in% loadedNamespaces()) register()
  setHook(packageEvent("fixest", "onLoad"), register)
}

.onUnload <- function(libpath) {
  library.dynam.unload("bnorm", libpath)
}

# The call that the user made: of the functions of this package that are open, one called by the
# next, the outermost.
user_call <- function() {
  k <- sys.nframe() - 1
  inside <- function(k) k > 0 && identical(environment(sys.function(k)), home)
  home <- environment(user_call)
  while (inside(k - 1)) k <- k - 1
  if (k > 0) sys.call(k)
}

# Called by C: an error of the R function that made the call.
signal_error <- function(kind, message) {
  call <- user_call()
  if (kind == "interrupted") {
    signalCondition(structure(class = c("interrupt", "condition"),
                              list(message = message, call = call)))
    invokeRestart("abort")
  }
  stop(structure(class = c(paste0("bnorm_error_", kind), "bnorm_error", "error", "condition"),
                 list(message = message, call = call)))
}

signal_warning <- function(kind, message) {
  warning(structure(class = c(paste0("bnorm_warning_", kind), "bnorm_warning", "warning",
                              "condition"),
                    list(message = message, call = user_call())))
}

# The same from R.
refuse <- function(kind, ..., call = sys.call(-1)) {
  stop(structure(class = c(paste0("bnorm_error_", kind), "bnorm_error", "error", "condition"),
                 list(message = paste0(...), call = call)))
}

describe <- function(v) {
  if (is.null(v)) return("NULL")
  if (is.function(v)) return("a function")
  if (is.data.frame(v)) return("a data frame")
  if (is.atomic(v) && !is.object(v)) {
    return(paste("a", if (is.character(v)) "character" else typeof(v), "vector of length",
                 length(v)))
  }
  paste("an object of class", class(v)[1])
}

# Called by C for functions of the user: their errors, and Ctrl-C, come back as values.
call_user <- function(f, ...) {
  suspendInterrupts(tryCatch(allowInterrupts(f(...)), error = function(e) {
    structure(list(list(message = conditionMessage(e))), class = "bn_failure")
  }, interrupt = function(i) structure(list(), class = "bn_interrupt")))
}

bnorm_threads <- function(k = NULL) {
  before <- .Call(C_bn_threads, k)
  if (is.null(k)) before else invisible(before)
}
