# Figures of plm, sandwich and lm() for the fixed-effects models of real panels: what structured models without a
# network must give, too. Read by panel_agreement.R, which compares them live; run by itself it records them:
#   Rscript tests/panel_golden.R && clang-format -i tests/panel_golden.h
# writes tests/panel_golden.h and the data sets of plm as tests/panel/*.csv (Produc is examples/produc.csv).
suppressPackageStartupMessages({
  library(plm)
  library(sandwich)
})

# The variables that the models use, unit and period first; rows are in no promised order.
panel_data <- function(name) {
  here <- new.env()
  data(list = c(grunfeld = "Grunfeld", produc = "Produc", cigar = "Cigar", wages = "Wages",
                empluk = "EmplUK")[[name]], package = "plm", envir = here)
  switch(name,
         grunfeld = here$Grunfeld[c("firm", "year", "inv", "value", "capital")],
         produc = here$Produc,
         cigar = here$Cigar[c("state", "year", "sales", "price", "pop", "ndi", "pimin")],
         wages = cbind(id = rep(1:595, each = 7), year = rep(1:7, 595),
                       here$Wages[c("lwage", "wks", "exp", "married", "union")]),
         empluk = here$EmplUK[c("firm", "year", "emp", "wage", "capital", "output")])
}

# `peer`: who gives the coefficients and the covariances that lm() with dummies does not: plm, unless it knows no
# weights or slopes.
panel_cases <- function() {
  case <- function(data, linear, unit, period, two = FALSE, weights = NULL, slope = NULL) {
    effects <- c(unit, if (two) period, if (!is.null(slope)) paste0(unit, "[", slope, "]"))
    list(data = data, linear = linear, unit = unit, period = period, two = two, weights = weights,
         slope = slope, formula = paste(linear, "|", paste(effects, collapse = " + ")),
         peer = if (is.null(weights) && is.null(slope)) "plm" else "lm")
  }
  grunfeld <- "inv ~ value + capital"
  produc <- "log(gsp) ~ log(pcap) + log(pc) + log(emp) + unemp"
  cigar <- "log(sales) ~ log(price) + log(pop) + log(ndi) + log(pimin)"
  # Years of experience are the sum of an effect of the person and one of the year.
  wages <- "lwage ~ wks + I(exp^2) + married + union"
  empluk <- "log(emp) ~ log(wage) + log(capital) + log(output)"
  list(case("grunfeld", grunfeld, "firm", "year"),
       case("grunfeld", grunfeld, "firm", "year", two = TRUE),
       case("grunfeld", grunfeld, "firm", "year", slope = "year"),
       case("produc", produc, "state", "year"),
       case("produc", produc, "state", "year", two = TRUE),
       case("produc", produc, "state", "year", two = TRUE, weights = "util"),
       case("cigar", cigar, "state", "year"),
       case("cigar", cigar, "state", "year", two = TRUE),
       case("wages", sub("wks", "wks + exp", wages), "id", "year"),
       case("wages", wages, "id", "year", two = TRUE),
       case("empluk", empluk, "firm", "year"),
       case("empluk", empluk, "firm", "year", two = TRUE))
}

# lm() with dummies: `k` coefficients of the linear terms and the projection's rank. Its matrix is that of lm() but
# for the order of the columns: dummies come first, so that a pivot drops none of the terms.
with_dummies <- function(case, d) {
  dummies <- paste0("factor(", c(case$unit, if (case$two) case$period), ")")
  if (!is.null(case$slope)) { # about its mean, which the constants make the same model, and lm() more exact
    d$.slope <- d[[case$slope]] - mean(d[[case$slope]])
    dummies <- c(dummies, paste0("factor(", case$unit, "):.slope"))
  }
  f <- as.formula(paste(case$linear, "+", paste(dummies, collapse = " + ")))
  d$.w <- if (is.null(case$weights)) rep(1, nrow(d)) else d[[case$weights]]
  lm(f, d, weights = .w)
}

# In the order of the formula, unscaled by anything that is not said:
#   classical      s^2 (X'X)^-1, s^2 = SSR/(rows - all parameters)
#   hc0, hc1       White's; hc1 times rows/(rows - all parameters)
#   arellano       clustered by unit, no factor: plm's method = "arellano", type = "HC0"
#   stata          clustered by unit, plm's type = "sss": G/(G-1) (rows-1)/(rows-terms), effects not counted
#   cluster        clustered by unit, G/(G-1) (rows-1)/(rows - all parameters): sandwich::vcovCL
#   two            clustered by unit and period: V(unit) + V(period) - V(pairs), each of the three with its own
#                  G/(G-1), all times (rows-1)/(rows - all parameters)
#   two_plain      the same without factors
peer_figures <- function(case) {
  d <- panel_data(case$data)
  dummies <- with_dummies(case, d)
  terms <- colnames(model.matrix(as.formula(case$linear), d))[-1]
  part <- function(v) unname(v[terms, terms])
  groups <- d[case$unit]
  both <- d[c(case$unit, case$period)]
  g <- length(unique(d[[case$unit]]))
  rows <- nrow(d)
  figures <- list(
    terms = terms, rows = rows, absorbed = dummies$rank - length(terms),
    coefficients = unname(coef(dummies)[terms]), ssr = deviance(dummies),
    classical = part(vcov(dummies)), hc0 = part(vcovHC(dummies, type = "HC0")),
    hc1 = part(vcovHC(dummies, type = "HC1")),
    arellano = part(vcovCL(dummies, groups, type = "HC0", cadjust = FALSE)),
    cluster = part(vcovCL(dummies, groups)),
    two = part(vcovCL(dummies, both)),
    two_plain = part(vcovCL(dummies, both, type = "HC0", cadjust = FALSE)))
  figures$stata <- figures$arellano * g / (g - 1) * (rows - 1) / (rows - length(terms))
  if (case$peer == "lm") return(figures)
  fit <- plm(as.formula(case$linear), d, index = c(case$unit, case$period), model = "within",
             effect = if (case$two) "twoways" else "individual")
  stopifnot(fit$df.residual == rows - dummies$rank, identical(names(coef(fit)), terms))
  of_plm <- function(...) {
    v <- vcovHC(fit, ...)
    structure(unname(v), cluster = NULL, dim = dim(v), dimnames = NULL)
  }
  from_plm <- list(
    coefficients = unname(coef(fit)), ssr = deviance(fit), classical = unname(vcov(fit)),
    hc0 = of_plm(method = "white1", type = "HC0"), arellano = of_plm(method = "arellano", type = "HC0"),
    stata = of_plm(method = "arellano", type = "sss"))
  for (name in names(from_plm)) stopifnot(agree(from_plm[[name]], figures[[name]]))
  figures[names(from_plm)] <- from_plm
  figures
}

# Two matrices or vectors of which each element is right to 1e-10; small elements of a covariance to 1e-10 of the
# product of the standard errors, for what they are made of has that size.
difference <- function(a, b) {
  size <- if (is.matrix(a)) sqrt(outer(diag(a), diag(a))) else abs(a)
  max(abs(a - b) / size)
}
agree <- function(a, b) difference(a, b) < 1e-10

write_golden <- function(file) {
  out <- file(file, "w")
  on.exit(close(out))
  say <- function(...) cat(..., "\n", sep = "", file = out)
  numbers <- function(v) paste0("{", paste(sprintf("%.17g", c(v)), collapse = ", "), "}")
  quoted <- function(v) if (is.null(v)) "NULL" else paste0('"', v, '"')
  matrices <- c("classical", "hc0", "hc1", "arellano", "stata", "cluster", "two", "two_plain")
  say("/* panel_golden: made by panel_golden.R, which says what each is, with R ",
      as.character(getRversion()), ", plm ", as.character(packageVersion("plm")), " and sandwich ",
      as.character(packageVersion("sandwich")), "; do not edit.\n",
      " * Covariances are terms x terms; `two` and `two_plain` may be indefinite. */")
  say("static const struct panel_golden {\n    const char *data, *formula, *unit, *period, *weights, *names;\n",
      "    ptrdiff_t rows, absorbed, terms;\n    double coefficients[5], ssr;\n    double ",
      paste0(matrices, "[25]", collapse = ", "), ";\n} panel_golden[] = {")
  for (case in panel_cases()) {
    f <- peer_figures(case)
    say("    {", paste(vapply(list(case$data, case$formula, case$unit, case$period, case$weights,
                                   paste(f$terms, collapse = ";")), quoted, ""), collapse = ", "), ",\n     ",
        paste(c(f$rows, f$absorbed, length(f$terms)), collapse = ", "), ",\n     ",
        numbers(f$coefficients), ", ", sprintf("%.17g", f$ssr))
    for (m in matrices) say("     , ", numbers(f[[m]]))
    say("    },")
  }
  say("};")
}

if (!interactive() && sys.nframe() == 0) {
  for (name in c("grunfeld", "cigar", "wages", "empluk")) {
    write.csv(panel_data(name), file.path("tests/panel", paste0(name, ".csv")), row.names = FALSE,
              quote = FALSE)
  }
  write_golden("tests/panel_golden.h")
}
