# Fitted networks: keeping them, predicting by them.

# --------------------------------------------------------------------- saving and loading

model_bytes <- function(fit) {
  file <- tempfile("bnorm", fileext = ".safetensors")
  on.exit(unlink(file))
  .Call(C_net_save, fit$pointer, file)
  readBin(file, "raw", file.size(file))
}

# The pointer of a model, made again from its bytes in a later session.
pointer_of <- function(object) {
  if (.Call(C_net_alive, object$pointer)) return(object$pointer)
  file <- tempfile("bnorm", fileext = ".safetensors")
  on.exit(unlink(file))
  here <- user_call()
  damaged <- function(...) {
    refuse("format", "'object' is damaged: its member 'bytes' holds no model", ..., call = here)
  }
  if (!is.raw(object$bytes)) damaged("; it is ", describe(object$bytes))
  writeBin(object$bytes, file)
  tryCatch(.Call(C_net_restore, file, own_parts(object$spec)), bnorm_error = function(e) {
    damaged(" that can be restored: ", sub(file, "bytes", conditionMessage(e), fixed = TRUE))
  })
}

bnorm_save <- function(object, file) {
  if (inherits(object, "panel_net")) return(invisible(save_panel(object, file)))
  if (!inherits(object, "bnorm")) {
    refuse("argument", "'object' must be a fit by bnorm() or panel_net(); got ", describe(object),
           call = sys.call())
  }
  .Call(C_net_save, pointer_of(object), file)
  invisible(object)
}

bnorm_load <- function(file, parts = list()) {
  if (inherits(parts, c("bn_activation", "bn_loss", "bn_layer"))) parts <- list(parts)
  known <- vapply(parts, inherits, NA, what = c("bn_activation", "bn_loss", "bn_layer"))
  if (!is.list(parts) || is.object(parts) || !all(known)) {
    refuse("argument", "'parts' must be a list of bn_activation(), bn_loss() and bn_layer() ",
           "objects; got ",
           describe(if (is.list(parts) && !all(known)) parts[!known][[1]] else parts),
           call = sys.call())
  }
  if (.Call(C_panel_is, file)) return(load_panel(file, sys.call(), parent.frame()))
  pointer <- .Call(C_net_restore, file, parts)
  info <- .Call(C_net_describe, pointer)
  formula <- stats::as.formula(info$formula, env = parent.frame())
  fit <- structure(class = "bnorm", list(
    call = sys.call(), formula = formula, pointer = pointer,
    spec = list(layers = lapply(parts, function(p) {
      if (inherits(p, "bn_layer")) list(layer = p) else list(activation = p)
    }), loss = Filter(function(p) inherits(p, "bn_loss"), parts)[1][[1]]),
    info = info, history = NULL, optimizer = or(info$notes$optimizer, NA_character_),
    epochs = or(info$notes$epochs, NA), best_epoch = or(info$notes[["best epoch"]], NA),
    levels = if (length(info$classes)) info$classes))
  fit$bytes <- model_bytes(fit)
  fit
}

# ------------------------------------------------------------------------------ predicting

predict.bnorm <- function(object, newdata, type = c("response", "class"), ...) {
  call <- sys.call()
  type <- one_of(type, c("response", "class"), "type", call)
  classes <- object$info$classes
  if (type == "class" && !length(classes)) {
    refuse("argument", "type = \"class\" needs a model of classes; '", object$info$target,
           "' is numeric", call = call)
  }
  if (missing(newdata)) return(training_predictions(object, type, call))
  columns <- new_columns(object, newdata, FALSE, call)
  shape_predictions(object, predict_columns(object, columns, call), type, row.names(newdata))
}

# The columns of `newdata` that the model's own formula asks for, of the types that it was fitted
# with.
new_columns <- function(object, newdata, with_target, call) {
  if (is.matrix(newdata)) newdata <- as.data.frame(newdata)
  if (!is.data.frame(newdata)) {
    refuse("argument", "'newdata' must be a data frame; got ", describe(newdata), call = call)
  }
  if (!nrow(newdata)) refuse("data", "'newdata' has no rows", call = call)
  names <- input_names(object$formula, newdata)
  if (with_target) names <- union(all.vars(object$formula[[2]]), names)
  of_newdata({
    columns <- find_columns(names, newdata, environment(object$formula), call)
    for (name in names) columns[[name]] <- of_type(object, columns[[name]], name, call)
    table_columns(columns, call)
  }, call)
}

# A loaded formula may still have '.', which stands for columns that the library can read.
input_names <- function(formula, newdata) {
  if ("." %in% all.vars(formula[[3]])) {
    readable <- names(newdata)[vapply(newdata, is_readable, NA)]
    return(union(setdiff(all.vars(formula[[3]]), "."), setdiff(readable, all.vars(formula[[2]]))))
  }
  labels <- term_labels(formula)
  if (length(labels)) variables_of(labels) else all.vars(formula[[3]])
}

# A column as it is, unless the model was fitted with numbers and it is text, or the reverse.
of_type <- function(object, v, name, call) {
  if (is.logical(v) && all(is.na(v))) {
    return(if (isTRUE(fitted_as_text(object, name))) v else as.double(v))
  }
  was <- fitted_as_text(object, name)
  if (is.na(was) || was == is_text(v) || !(is_text(v) || is.numeric(v))) return(v)
  refuse("data", "column '", name, "' of 'data' is ", if (is_text(v)) describe(v) else "numeric",
         "; the model was fitted with ", if (was) "levels" else "numbers", call = call)
}

# Whether a variable was text in the fit; NA when a loaded model does not tell.
fitted_as_text <- function(object, name) {
  if (!is.null(object$model[[name]])) return(is_text(object$model[[name]]))
  if (name %in% object$info$inputs) FALSE else NA
}

# Conditions about 'data' name the argument 'newdata', and the call of the user: an argument that is
# evaluated late does not see it.
of_newdata <- function(code, call, name = "newdata") {
  tryCatch(code, bnorm_error = function(e) {
    e$message <- sub("(^|of )'data'", paste0("\\1'", name, "'"), e$message)
    e$message <- sub("^data( |:)", paste0(name, "\\1"), e$message)
    e$call <- call
    stop(e)
  })
}

predict_columns <- function(object, columns, call) {
  infinite <- lapply(columns, function(v) is.numeric(v) & is.infinite(v))
  columns <- Map(function(v, at) if (any(at)) replace(v, at, NA) else v, columns, infinite)
  pointer <- pointer_of(object)
  made <- of_newdata(.Call(C_net_predict, pointer, columns), call)
  foreign <- made$kinds == 2
  why <- made$why
  bad <- vapply(infinite, any, NA)
  if (any(bad)) {
    row <- which(infinite[[which(bad)[1]]])[1]
    if (is.na(why)) why <- paste0("'", names(columns)[bad][1], "' is not finite in row ", row)
    foreign <- foreign | Reduce(`|`, infinite[bad])
  }
  if (any(foreign)) {
    warning(structure(class = c("bnorm_warning_foreign", "bnorm_warning", "warning",
                                "condition"),
                      list(message = paste0(sum(foreign), " of ", length(foreign),
                                            " rows cannot be predicted; the first: ", why),
                           call = call)))
  }
  made$mean
}

training_predictions <- function(object, type, call) {
  if (!is.null(object$fitted.values)) {
    mean <- as.matrix(object$fitted.values)
    if (type == "response") return(stats::napredict(object$na.action, object$fitted.values))
    return(stats::napredict(object$na.action, likeliest(object, mean)))
  }
  if (is.null(object$model)) {
    refuse("argument", "'newdata' is needed: a loaded model does not hold its data",
           call = call)
  }
  target <- all.vars(object$formula[[2]])
  names <- union(setdiff(names(object$model), target), input_names(object$formula, object$model))
  columns <- table_columns(unclass(object$model)[names], call)
  mean <- predict_columns(object, columns, call)[object$rows, , drop = FALSE]
  shape_predictions(object, mean, type, object$row_names[object$rows])
}

# Probabilities of every class in the order of the levels, or a vector of responses.
shape_predictions <- function(object, mean, type, rows) {
  classes <- object$info$classes
  if (!length(classes)) {
    if (ncol(mean) > 1) return(structure(mean, dimnames = list(rows, NULL)))
    return(stats::setNames(mean[, 1], rows))
  }
  if (ncol(mean) == 1) mean <- cbind(1 - mean, mean)
  dimnames(mean) <- list(rows, classes)
  mean <- mean[, match(object$levels, classes), drop = FALSE] # by place: "" is no name
  if (type == "class") likeliest(object, mean) else mean
}

likeliest <- function(object, mean) {
  mean <- mean[, match(object$info$classes, colnames(mean)), drop = FALSE]
  best <- apply(mean, 1, function(p) if (anyNA(p)) NA else which.max(p))
  structure(factor(object$info$classes[best], levels = object$levels), names = rownames(mean))
}
