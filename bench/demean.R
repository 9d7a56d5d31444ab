# demean.R: the time of demean() beside other ways to project fixed effects out, in turns in one process, on the
# 73,421 ratings of lme4's InstEval (2,972 students, 1,128 lecturers): the rating and four other columns. Every way is
# given the same matrix and factors; beside its time stands what it left undone: the largest |D'y|/|y| over the factors
# and the columns, the columns of D having length 1. Two columns are effects (the student's age, the lecturer's
# department) and should vanish: they are made and timed, and reported apart. From the project's root:
#   make r-package && R CMD INSTALL build/r/bnorm_*.tar.gz && Rscript bench/demean.R [plm]
# collapse's fhdwithin() and plm (with plm.fast) hand more than one factor to fixest, which is measured where it is
# installed. `plm`: also plm's own two-way Within() of one column, which takes minutes.
suppressMessages({
  library(bnorm)
  library(Matrix)
})
data(InstEval, package = "lme4")
x <- vapply(InstEval[c("y", "lectage", "service", "studage", "dept")], as.numeric, numeric(nrow(InstEval)))
real <- 1:3
two <- list(InstEval$s, InstEval$d)
has <- function(package) requireNamespace(package, quietly = TRUE)

# What a factor still explains, and how much of the columns that are effects is left.
undone <- function(y, factors) {
  seen <- vapply(factors, function(f) sqrt(colSums(rowsum(y, f)^2 / tabulate(f)) / colSums(y^2)), numeric(ncol(y)))
  max(seen[real, ])
}
left <- function(y) max(sqrt(colSums(y^2) / colSums(scale(x[, colnames(y), drop = FALSE], scale = FALSE)^2)))

# A factor after the other until neither changes the columns any more: what is written by hand most often.
in_turns <- function(x, factors, tolerance = 1e-12) {
  repeat {
    y <- x
    for (f in factors) y <- collapse::fwithin(y, f)
    done <- max(abs(y - x)) <= tolerance
    x <- y
    if (done) return(y)
  }
}
# The normal equations of the dummies by a sparse Cholesky factorisation.
by_cholesky <- function(x, factors) {
  d <- cbind(t(fac2sparse(factors[[1]])), t(fac2sparse(factors[[2]])[-1, ]))
  x - as.matrix(d %*% solve(Cholesky(crossprod(d)), crossprod(d, x)))
}
fixest <- function(tolerance, threads) {
  function(x, factors) fixest::demean(x, factors, tol = tolerance, nthreads = threads, notes = FALSE, im_confident = TRUE)
}
ours <- function(tolerance, threads) {
  function(x, factors) {
    bnorm_threads(threads)
    demean(x, factors, tolerance = tolerance)
  }
}

sides <- list("bnorm" = ours(0, 1), "bnorm, tolerance 1e-8" = ours(1e-8, 1), "bnorm, 2 threads" = ours(0, 2))
if (has("fixest")) {
  sides <- c(sides, list("fixest, its default 1e-6" = fixest(1e-6, 1), "fixest, 1e-8" = fixest(1e-8, 1),
                         "fixest, 1e-10" = fixest(1e-10, 1), "fixest, 1e-10, 2 threads" = fixest(1e-10, 2)))
}
if (has("collapse")) sides <- c(sides, list("collapse, fwithin() in turns" = in_turns))
sides <- c(sides, list("Matrix, sparse Cholesky" = by_cholesky))

# Medians of `rounds` rounds in which each way has its turn, each calling so often that it takes 20 ms.
measure <- function(sides, factors, vanish, rounds = 7) {
  results <- lapply(sides, function(side) side(x, factors))
  once <- vapply(sides, function(side) system.time(side(x, factors))[["elapsed"]], 0)
  calls <- pmax(1, ceiling(0.02 / pmax(once, 1e-4)))
  times <- vapply(seq_len(rounds), function(round) {
    mapply(function(side, k) system.time(for (i in seq_len(k)) side(x, factors))[["elapsed"]] / k, sides, calls)
  }, once)
  took <- apply(times, 1, median)
  cat("| | ms | of bnorm | undone | left of effects |\n|---|---|---|---|---|\n")
  for (name in names(sides)) {
    cat(sprintf("| %s | %.1f | %.2f | %.0e | %.0e |\n", name, 1000 * took[[name]], took[[name]] / took[["bnorm"]],
                undone(results[[name]], factors), left(results[[name]][, vanish, drop = FALSE])))
  }
  cat("\n")
}

cat("One factor (student):\n\n")
single <- list("bnorm" = ours(0, 1), "bnorm, 2 threads" = ours(0, 2))
if (has("collapse")) single <- c(single, list("collapse, fwithin()" = function(x, f) collapse::fwithin(x, f[[1]])))
if (has("fixest")) single <- c(single, list("fixest, 1e-10" = fixest(1e-10, 1)))
measure(single, two[1], "studage")
cat("Two factors (student, lecturer):\n\n")
measure(sides, two, c("studage", "dept"))
if ("plm" %in% commandArgs(TRUE)) {
  panel <- plm::pdata.frame(data.frame(s = InstEval$s, d = InstEval$d, y = x[, "y"]), index = c("s", "d"))
  cat(sprintf("plm, Within(effect = \"twoways\") of one column: %.0f s\n",
              system.time(plm::Within(panel$y, effect = "twoways"))[["elapsed"]]))
}
