# r_files.R COMMAND TABLE FOLDER: models of the command and of the R package are the same files, and predict the same.
library(bnorm)
arguments <- commandArgs(TRUE)
command <- arguments[1]
table <- arguments[2]
folder <- arguments[3]
data <- read.csv(table)
run <- function(...) stopifnot(system2(command, c(...)) == 0)
bytes <- function(file) readBin(file, "raw", file.size(file))
path <- function(name) file.path(folder, name)

formula <- log(gsp) ~ log(pcap) + log(pc) + log(emp) + unemp + factor(region)
text <- shQuote(paste(deparse(formula, width.cutoff = 500), collapse = ""))
run("fit", text, shQuote(table), "--hidden", "8,4", "--validate", "0.2", "--seed", "3", "--epochs", "40", "--quiet",
    "--activation", "tanh", "--penalty", "1e-4", "--threads", "1", "--out", shQuote(path("command.st")))
fit <- bnorm(formula, data, hidden = c(8, 4), validate = 0.2, seed = 3, epochs = 40, activation = "tanh",
             penalty = 1e-4)
bnorm_save(fit, path("r.st"))
stopifnot(identical(bytes(path("r.st")), bytes(path("command.st"))))

# The command's model predicts the same bits in R ...
predict_by_command <- function(model) {
  run("predict", shQuote(model), shQuote(table), "--quiet", "--out", shQuote(path("p.csv")))
  read.csv(path("p.csv"))
}
loaded <- bnorm_load(path("command.st"))
stopifnot(identical(unname(predict(loaded, data)), predict_by_command(path("command.st"))$prediction))

# ... and R's, with classes and weights, in the command.
data$class <- cut(data$unemp, c(-Inf, 5, 8, Inf), c("low", "middle", "high"))
data$w <- 1 + seq_len(nrow(data)) %% 3
write.csv(data, table <- path("table.csv"), row.names = FALSE)
fit <- bnorm(class ~ log(gsp) + log(emp) + region, data, weights = w, hidden = 6, optimizer = "adam", epochs = 5,
             dropout = 0.1)
bnorm_save(fit, path("r.st"))
got <- predict_by_command(path("r.st"))
p <- predict(fit, data)
stopifnot(identical(as.character(predict(fit, data, "class")), got$prediction),
          identical(unname(p[, "low"]), got$probability.low),
          identical(unname(p[, "high"]), got$probability.high))
run("fit", shQuote("class ~ log(gsp) + log(emp) + region"), shQuote(table), "--weights", "w", "--hidden", "6",
    "--optimizer", "adam", "--epochs", "5", "--dropout", "0.1", "--quiet", "--out", shQuote(path("command.st")))
a <- coef(bnorm_load(path("command.st")))
b <- coef(fit)
stopifnot(identical(a, b))

# Structured models: the same file, with its covariance, and the same limits of predictions.
formula <- log(gsp) ~ log(pcap) + unemp + nn(log(pc), log(emp), unemp, year) | state
text <- shQuote(paste(deparse(formula, width.cutoff = 500), collapse = ""))
run("fit", text, shQuote(table), "--hidden", "8,4", "--period", "year", "--weights", "w", "--penalty", "1e-4",
    "--penalty-top", "1e-4", "--cluster", "state,year", "--starts", "2", "--epochs", "60", "--quiet", "--threads", "1",
    "--out", shQuote(path("command.st")))
fit <- panel_net(formula, data, hidden = c(8, 4), period = "year", weights = w, penalty = 1e-4, penalty_top = 1e-4,
                 cluster = c("state", "year"), starts = 2, epochs = 60)
bnorm_save(fit, path("r.st"))
stopifnot(identical(bytes(path("r.st")), bytes(path("command.st"))))
run("predict", shQuote(path("r.st")), shQuote(table), "--interval", "0.9", "--quiet", "--out", shQuote(path("p.csv")))
got <- read.csv(path("p.csv"))
ours <- predict(bnorm_load(path("command.st")), data, interval = "confidence", level = 0.9)
stopifnot(identical(unname(ours[, "fit"]), got$prediction), all.equal(unname(ours[, "lwr"]), got$lower, tolerance = 1e-12),
          all.equal(unname(ours[, "upr"]), got$upper, tolerance = 1e-12))
cat("models of the command and of R are the same\n")
