# panel_agreement.R: fixed-effects models by panel_net() beside plm, sandwich and lm() in the same run: coefficients,
# covariances and effects agree to 1e-10. From the repository's root: Rscript tests/panel_agreement.R
library(bnorm)
source("tests/panel_golden.R")

worst <- 0
hold <- function(case, what, ours, theirs) {
  d <- difference(unname(ours), unname(theirs))
  worst <<- max(worst, d)
  if (!(d < 1e-10)) stop(case$data, " ", case$formula, ": ", what, " differs by ", format(d))
}

# The rows in another order: none may depend on it.
shuffled <- function(d) {
  set.seed(1)
  d[sample(nrow(d)), ]
}

ours <- function(case) {
  d <- shuffled(panel_data(case$data))
  weights <- if (!is.null(case$weights)) d[[case$weights]]
  list(fit = panel_net(as.formula(case$formula), d, weights = weights, period = case$period), data = d)
}

compare <- function(case) {
  theirs <- peer_figures(case)
  made <- ours(case)
  fit <- made$fit
  both <- c(case$unit, case$period)
  stopifnot(identical(names(coef(fit)), theirs$terms), nobs(fit) == theirs$rows,
            fit$info$absorbed == theirs$absorbed,
            df.residual(fit) == theirs$rows - theirs$absorbed - length(theirs$terms))
  hold(case, "coefficients", coef(fit), theirs$coefficients)
  hold(case, "sum of squares", deviance(fit), theirs$ssr)
  hold(case, "classical", vcov(fit, "classical"), theirs$classical)
  hold(case, "hc0", vcov(fit, "hc0"), theirs$hc0)
  hold(case, "hc1", vcov(fit, "hc1"), theirs$hc1)
  hold(case, "arellano", vcov(fit, "cluster", small = FALSE), theirs$arellano)
  hold(case, "stata", vcov(fit, count = "none"), theirs$stata)
  hold(case, "cluster", vcov(fit, cluster = case$unit, count = "all"), theirs$cluster)
  hold(case, "two", vcov(fit, cluster = both, count = "all"), theirs$two)
  hold(case, "two_plain", vcov(fit, cluster = made$data[both], small = FALSE), theirs$two_plain)
  hold(case, "sandwich", vcovCL(fit, made$data[[case$unit]], type = "HC1"), theirs$stata)
  hold(case, "sandwich, two", vcovCL(fit, made$data[both], type = "HC0", cadjust = FALSE), theirs$two_plain)
  if (case$peer == "plm" && !case$two) {
    peer <- plm(as.formula(case$linear), made$data, index = both, model = "within")
    effects <- plm::fixef(fit)[[case$unit]] # the generic of plm knows our method
    hold(case, "effects", effects, plm::fixef(peer, type = "level")[names(effects)])
  }
}

cases <- panel_cases()
for (case in cases) compare(case)
cat(length(cases), " models agree with plm, sandwich and lm(); the largest difference is ", format(worst, digits = 2),
    "\n", sep = "")
