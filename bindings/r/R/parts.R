# Activations, losses and layers of one's own.

part_name <- function(name, class, call) {
  if (!is.character(name) || length(name) != 1 || is.na(name) || !nzchar(name) ||
      nchar(name, "bytes") > 63) {
    refuse("argument", "'name' must be one string of 1 to 63 bytes; got ", describe(name),
           call = call)
  }
  name <- enc2utf8(name)
  if (.Call(C_part_builtin, class, name)) {
    refuse("argument", "'name' is \"", name, "\", which the library has already; choose another",
           call = call)
  }
  name
}

part_function <- function(f, name, call, optional = FALSE) {
  if (!is.function(f) && !(optional && is.null(f))) {
    refuse("argument", "'", name, "' must be a function; got ", describe(f), call = call)
  }
  f
}

bn_activation <- function(name, value, derivative, gain = 1) {
  call <- sys.call()
  if (!is.numeric(gain) || length(gain) != 1 || !is.finite(gain) || gain < 0) {
    refuse("argument", "'gain' must be one number of at least 0; got ", describe(gain),
           call = call)
  }
  structure(class = "bn_activation",
            list(name = part_name(name, "bn_activation", call), value = part_function(value, "value", call),
                 derivative = part_function(derivative, "derivative", call),
                 gain = as.double(gain)))
}

bn_loss <- function(name, value, gradient, response = NULL) {
  call <- sys.call()
  structure(class = "bn_loss",
            list(name = part_name(name, "bn_loss", call), value = part_function(value, "value", call),
                 gradient = part_function(gradient, "gradient", call),
                 response = part_function(response, "response", call, optional = TRUE)))
}

bn_layer <- function(name, forward, backward, units = NULL, parameters = NULL) {
  call <- sys.call()
  if (!is.null(units) && !is.function(units) &&
      !(is.numeric(units) && length(units) == 1 && is.finite(units) && units >= 1)) {
    refuse("argument", "'units' must be a number of at least 1 or a function of the inputs; ",
           "got ", describe(units), call = call)
  }
  structure(class = "bn_layer",
            list(name = part_name(name, "bn_layer", call), forward = part_function(forward, "forward", call),
                 backward = part_function(backward, "backward", call), units = units,
                 parameters = part_function(parameters, "parameters", call, optional = TRUE)))
}

print.bn_activation <- function(x, ...) {
  cat("Activation '", x$name, "' with its derivative\n", sep = "")
  invisible(x)
}

print.bn_loss <- function(x, ...) {
  cat("Loss '", x$name, "' with its gradient\n", sep = "")
  invisible(x)
}

print.bn_layer <- function(x, ...) {
  cat("Layer '", x$name, "' with its backward pass\n", sep = "")
  invisible(x)
}

# The layers as C takes them: from `hidden` and `activation`, or from `layers`.
hidden_layers <- function(hidden, activation, batchnorm, ddof, eps, dropout, call) {
  if (!is.numeric(hidden) && !is.null(hidden)) {
    refuse("argument", "'hidden' must be the units of each hidden layer; got ",
           describe(hidden), call = call)
  }
  one <- function(units) {
    c(list(list(kind = "dense", units = units)),
      if (batchnorm) list(list(kind = "batchnorm", eps = eps, ddof = ddof)),
      list(list(kind = "activation", activation = activation)),
      if (dropout > 0) list(list(kind = "dropout", rate = dropout)))
  }
  do.call(c, c(list(list()), lapply(as.double(hidden), one)))
}

own_layers <- function(layers, ddof, eps, call) {
  if (!is.list(layers) || is.object(layers)) {
    refuse("argument", "'layers' must be a list of layers; got ", describe(layers), call = call)
  }
  one <- function(k) {
    layer <- layers[[k]]
    if (inherits(layer, "bn_layer")) return(list(kind = "layer", layer = layer))
    if (inherits(layer, "bn_activation")) {
      return(list(kind = "activation", activation = layer))
    }
    if (is.character(layer) && length(layer) == 1 && !is.na(layer)) {
      if (layer == "batchnorm") return(list(kind = "batchnorm", eps = eps, ddof = ddof))
      return(list(kind = "activation", activation = layer))
    }
    if (is.numeric(layer) && length(layer) == 1 && !is.object(layer)) {
      name <- names(layer)
      if (identical(name, "dropout")) return(list(kind = "dropout", rate = as.double(layer)))
      if (is.null(name) || name == "dense") return(list(kind = "dense", units = as.double(layer)))
    }
    refuse("argument", "element ", k, " of 'layers' is ", describe(layer), "; expected a number ",
           "of units, \"batchnorm\", c(dropout = rate), an activation or a bn_layer()",
           call = call)
  }
  lapply(seq_along(layers), one)
}

# The parts of a specification that R functions make up, for restoring a model.
own_parts <- function(spec) {
  parts <- lapply(spec$layers, function(l) {
    if (inherits(l$layer, "bn_layer")) l$layer
    else if (inherits(l$activation, "bn_activation")) l$activation
  })
  if (inherits(spec$loss, "bn_loss")) parts <- c(parts, list(spec$loss))
  unique(Filter(Negate(is.null), parts))
}
