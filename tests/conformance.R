# conformance.R FILE...: runs the cases of tests/conformance through the R package and prints every result as
# conformance.c does with `col`; README.md there is the manual. Stacks of samples (group_norm) are row-major only.
library(bnorm)

read_cases <- function(file) {
  lines <- readLines(file)
  lines <- lines[nzchar(lines) & !startsWith(lines, "#")]
  cases <- list()
  at <- 1
  numbers <- function(rows, cols) {
    values <- unlist(strsplit(trimws(lines[at + seq_len(rows)]), "[[:space:]]+"))
    at <<- at + rows
    matrix(as.numeric(values), rows, cols, byrow = TRUE)
  }
  while (at <= length(lines)) {
    words <- strsplit(trimws(lines[at]), "[[:space:]]+")[[1]]
    switch(words[1],
           case = case <- list(name = words[2]),
           op = case$op <- words[2],
           word = case[[words[2]]] <- words[3],
           number = case[[words[2]]] <- as.numeric(words[3]),
           matrix = case[[words[2]]] <- numbers(as.integer(words[3]), as.integer(words[4])),
           vector = case[[words[2]]] <- c(numbers(1, as.integer(words[3]))),
           expect = numbers(as.integer(words[3]), as.integer(words[4])),
           end = cases[[length(cases) + 1]] <- case,
           stop("a line of ", file, " begins with '", words[1], "'"))
    at <- at + 1
  }
  cases
}

# Vectors have one row; rows come first.
show <- function(case, key, values) {
  m <- if (is.matrix(values)) values else matrix(values, 1)
  i <- rep(seq_len(nrow(m)), each = ncol(m))
  j <- rep(seq_len(ncol(m)), nrow(m))
  cat(sprintf("%s %s %d %d %a\n", case$name, key, i, j, c(t(m))), sep = "")
}

show_all <- function(case, values, keys) for (k in keys) show(case, k, values[[k]])

gradients <- c("dx", "dgamma", "dbeta")

network <- function(c) {
  layers <- lapply(strsplit(c$layers, ",")[[1]], function(l) {
    if (startsWith(l, "dense:")) list(kind = "dense", units = as.numeric(sub("dense:", "", l)))
    else if (l == "batchnorm") list(kind = "batchnorm", eps = 1e-5, ddof = 0)
    else list(kind = "activation", activation = l)
  })
  net <- .Call(bnorm:::C_net_start, ncol(c$x), list(layers = layers, seed = c$seed))
  start <- .Call(bnorm:::C_net_coef, net)
  g <- .Call(bnorm:::C_net_gradient, net, c$x, c$y, c$weights, c$loss)
  show(c, "start", unlist(lapply(start, t)))
  show_all(c, g, c("value", "gradient"))
}

panel <- function(c) {
  columns <- c[lengths(c) == length(c$y) & names(c) != "weights"]
  or <- function(a, b) if (is.null(a)) b else a
  given <- list(stats::as.formula(c$formula), as.data.frame(columns), hidden = or(c$hidden, 0),
                penalty = or(c$penalty, 0), epochs = c$epochs)
  given$weights <- c$weights
  fit <- do.call(panel_net, given)
  show(c, "theta", unname(coef(fit)))
  show(c, "fitted", unname(fitted(fit)))
  if (grepl("nn(", c$formula, fixed = TRUE)) return(invisible())
  show(c, "cov", unname(if (is.null(c$cluster)) vcov(fit, type = "classical") else vcov(fit, cluster = c$cluster)))
}

running <- function(c) {
  r <- bn_running(length(c$mean), c$kind, if (is.null(c$update)) 0.1 else c$update, c$ddof,
                  c$mean, c$var)
  for (k in grep("^x[0-9]$", names(c), value = TRUE)) r <- update(r, bn_moments(c[[k]], c$weights))
  show_all(c, r, c("mean", "var"))
}

operations <- list(
  forward = function(c) {
    show_all(c, bn_forward(c$x, c$gamma, c$beta, c$weights, c$ddof, c$eps),
             c("y", "mean", "rstd"))
  },
  backward = function(c) {
    f <- bn_forward(c$x, c$gamma, NULL, c$weights, c$ddof, c$eps)
    show_all(c, bn_backward(f, c$dy), gradients)
  },
  infer = function(c) {
    show(c, "y", bn_infer(c$x, c$gamma, c$beta, c$mean, c$var, c$eps))
  },
  infer_backward = function(c) {
    show_all(c, bn_infer_backward(c$dy, c$x, c$gamma, c$mean, c$var, c$eps), gradients)
  },
  fold = function(c) {
    show_all(c, bn_fold(c$g1, c$bias, c$gamma, c$beta, c$mean, c$var, c$eps), c("g1", "bias"))
  },
  moments = function(c) show_all(c, bn_moments(c$x, c$weights), c("n", "mean", "m2")),
  merge = function(c) {
    show_all(c, bn_merge(bn_moments(c$x1, c$weights), bn_moments(c$x2, c$weights)),
             c("n", "mean", "m2"))
  },
  running = running,
  layer_norm = function(c) {
    f <- layer_norm(c$x, c$gamma, c$beta, c$eps)
    show_all(c, f, c("y", "mean", "rstd"))
    show_all(c, bn_backward(f, c$dy), gradients)
  },
  gram = function(c) show_all(c, bn_gram(c$x, c$weights, c$ddof), c("n", "mean", "s")),
  dense = function(c) {
    f <- bn_dense(bn_gram(c$x, c$weights, c$ddof), c$g1, c$gamma, c$beta, c$eps)
    show(c, "b", f$y)
    show_all(c, f, c("mean", "rstd"))
    show_all(c, bn_backward(f, c$w), c("dg1", "dgamma", "dbeta"))
  },
  network = network,
  panel = panel,
  demean = function(c) {
    keys <- grep("^f[0-9]$", names(c), value = TRUE)
    slopes <- sub("f", "s", keys)
    terms <- ifelse(slopes %in% names(c), paste0(keys, "[[", slopes, "]]"), keys)
    show(c, "y", demean(c$x, stats::reformulate(terms), c$weights, data = c[c(keys, intersect(slopes, names(c)))]))
  },
  group_norm = function(c) NULL)

for (file in commandArgs(TRUE)) for (case in read_cases(file)) operations[[case$op]](case)
